//! What people are told when AWS is not there, says no, or is not in time; and that no secret is among it.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_dynamodb::types::AttributeValue;
use fitferry_core::ports::{Clock as _, Lease, Ledger, PutError, SecretName, StoreError, Vault, Version};
use fitferry_store::aws::{self, Aws};
use fitferry_store::dynamodb::DynamoStore;

use crate::cloud::{Answer, TestClock, Wire, aws_over, config};
use crate::contract::{Store as _, secret, soon};
use crate::dynamodb::in_a_table;

#[tokio::test]
async fn a_table_that_is_not_there() {
    let (wire, clock) = (Wire::new(), TestClock::new());
    let run = DynamoStore::new(&aws_over(&wire, &clock), "nowhere").athlete("anna");
    for error in [run.head().await.unwrap_err(), run.take(soon()).await.unwrap_err()] {
        assert_eq!(error.what, "there is no table `nowhere` in eu-central-1");
        assert_eq!(error.help, "Run `make tf-apply`, or check `[store] url` and the region.");
    }
}

#[tokio::test]
async fn a_table_that_is_none_of_fitferrys() {
    // In AWS's words; moto has others.
    for message in [
        "The table does not have the specified index: open",
        "The provided key element does not match the schema",
    ] {
        let error = answered(Answer::error(400, "ValidationException", message)).await;
        assert_eq!(
            error.what,
            "the table `fitferry` in eu-central-1 has not the keys and indexes that fitferry needs"
        );
        assert_eq!(error.help, "Run `make tf-apply`, or name another with `[store] url`.");
    }
}

#[tokio::test]
async fn a_right_that_is_missing_is_named() {
    let message = "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: dynamodb:GetItem on \
                   resource: arn:aws:dynamodb:eu-central-1:1:table/fitferry because no policy allows it";
    let error = answered(Answer::error(400, "AccessDeniedException", message)).await;
    assert_eq!(error.what, "AWS does not allow `dynamodb:GetItem` on the table `fitferry` in eu-central-1");
    assert!(error.help.starts_with("Allow `dynamodb:GetItem` to the user or role"), "{error:?}");
    let error = answered(Answer::error(400, "AccessDeniedException", "no")).await;
    assert_eq!(error.what, "AWS does not allow it on the table `fitferry` in eu-central-1");
}

#[tokio::test]
async fn credentials_that_aws_does_not_accept() {
    for code in ["ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException"] {
        let error = answered(Answer::error(400, code, "hush")).await;
        assert_eq!(error.what, format!("AWS does not accept the credentials ({code})"));
        assert!(error.help.contains("`aws sso login`"), "{error:?}");
    }
}

#[tokio::test]
async fn credentials_that_are_not_here() {
    let error = with_credentials(|| CredentialsError::not_loaded("no providers in chain")).await;
    assert_eq!(error.what, "there are no AWS credentials here");
    assert!(error.help.contains("`AWS_PROFILE`"), "{error:?}");
    let error = with_credentials(|| CredentialsError::provider_error("the SSO token has expired")).await;
    assert_eq!(error.what, "the AWS credentials cannot be used (the SSO token has expired)");
    assert!(error.help.contains("`aws sso login`"), "{error:?}");
    let error = with_credentials(|| CredentialsError::provider_timed_out(Duration::from_secs(1))).await;
    assert_eq!(error.what, "the AWS credentials did not come in time");
}

#[tokio::test]
async fn no_region() {
    let error = Aws::new(&SdkConfig::builder().build(), TestClock::new()).unwrap_err();
    assert_eq!(error.what, "no AWS region is set");
    assert_eq!(error.help, "Set `AWS_REGION`, or `region` in your AWS profile.");
}

#[tokio::test]
async fn nobody_who_answers() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = config(&Wire::new()).to_builder().endpoint_url(format!("http://{free}"));
    let error = first_read(&config.http_client(aws::http_client()).build()).await;
    let (what, detail) = error.what.split_once(" (").unwrap();
    assert_eq!(what, "DynamoDB cannot be reached for the table `fitferry` in eu-central-1");
    assert!(detail.contains("refused"), "{detail}");
    assert!(error.help.contains("`AWS_ENDPOINT_URL`"), "{error:?}");
}

#[tokio::test]
async fn somebody_else_who_answers() {
    for status in [200, 302, 404] {
        let error = answered(Answer::Instead(status, "<html>sign in to the network</html>".to_owned())).await;
        let place = "the table `fitferry` in eu-central-1";
        assert_eq!(error.what, format!("what answers for {place} is not DynamoDB ({status})"));
        assert!(error.help.contains("`AWS_ENDPOINT_URL`"), "{error:?}");
    }
}

#[tokio::test]
async fn a_service_that_is_out_of_order_or_busy_after_all_repetitions() {
    let wire = Wire::new();
    let again_and_again = |answer: fn() -> Answer| wire.treat((0..6).map(|_| answer()));
    again_and_again(|| Answer::Instead(503, String::new()));
    let error = first_read(&config(&wire)).await;
    assert_eq!(error.what, "DynamoDB is out of order for the table `fitferry` in eu-central-1 (503)");
    assert_eq!(wire.asked().len(), 6);
    again_and_again(|| Answer::error(400, "ThrottlingException", "slow down"));
    let error = first_read(&config(&wire)).await;
    assert_eq!(
        error.what,
        "the table `fitferry` in eu-central-1 is busy: DynamoDB put the request off again and again"
    );
    assert_eq!(wire.asked().len(), 6);
}

#[tokio::test]
async fn no_request_outlives_the_deadline_and_none_begins_after_it() {
    let (wire, clock) = (Wire::new(), TestClock::new());
    let aws = aws_over(&wire, &clock);
    let run = DynamoStore::new(&aws, "fitferry").athlete("anna");
    let late = "the table `fitferry` in eu-central-1 did not answer in the time that was left";

    clock.set_deadline(Some(clock.monotonic() + Duration::from_millis(20)));
    wire.treat([Answer::Silence]);
    assert_eq!(run.head().await.unwrap_err().what, late);
    assert_eq!(wire.asked().len(), 1);
    clock.set_deadline(Some(clock.monotonic()));
    assert_eq!(run.head().await.unwrap_err().what, late);
    assert_eq!(wire.asked(), [""; 0]);
    clock.set_deadline(None);
    wire.treat([Answer::Instead(200, "{}".to_owned())]);
    run.head().await.unwrap();
}

#[tokio::test]
async fn a_document_that_cannot_be_read_is_told_with_what_it_is() {
    let table = in_a_table().await;
    let put = |sk: &str, name: &str, document: &str| {
        table
            .client()
            .put_item()
            .table_name(&table.table)
            .item("pk", AttributeValue::S("athlete#anna".to_owned()))
            .item("sk", AttributeValue::S(sk.to_owned()))
            .item(name, AttributeValue::S(document.to_owned()))
            .send()
    };
    put("head", "head", "no head").await.unwrap();
    put(&format!("activity#{:020}", 77), "row", r#"{"state":{"name":"dreamt"}}"#).await.unwrap();
    let run = table.run("anna").await;
    let of = |what: &str| format!("{what} in the table `{}` in eu-central-1 cannot be read: ", table.table);
    let error = run.head().await.unwrap_err();
    assert!(error.what.starts_with(&of("the head of anna")), "{error:?}");
    let error = Ledger::get(&run, fitferry_core::activity::GarminId(77)).await.unwrap_err();
    assert!(error.what.starts_with(&of("activity 77")), "{error:?}");
}

#[tokio::test]
async fn a_refusal_that_repeats_what_it_was_sent_is_not_repeated() {
    let table = in_a_table().await;
    let run = table.run("anna").await;
    for code in ["ValidationException", "AccessDeniedException", "SomethingNew"] {
        let message = "Value hush at item failed to satisfy constraint; to perform: hush";
        table.wire.treat([Answer::error(400, code, message)]);
        let name = SecretName::StravaLogin;
        let Err(PutError::Store(error)) = run.replace(name, Version::ABSENT, &secret("hush")).await else {
            panic!("it was not refused")
        };
        assert!(!format!("{error:?} {error}").contains("hush"), "{error:?}");
    }
}

#[tokio::test]
async fn neither_a_store_nor_an_athlete_shows_a_secret_to_a_log() {
    let table = in_a_table().await;
    let anna = table.run("anna").await;
    anna.replace(SecretName::GarminBearer, Version::ABSENT, &secret("hush")).await.unwrap();
    anna.head().await.unwrap();
    let aws = aws_over(&table.wire, &table.clock);
    let shown = format!("{anna:?} {anna:#?} {:?} {aws:?}", table.store());
    assert!(!shown.contains("hush") && !shown.contains("secret"), "{shown}");
}

/// What a store tells of its first reading, to which AWS answers so.
async fn answered(answer: Answer) -> StoreError {
    let wire = Wire::new();
    wire.treat([answer]);
    first_read(&config(&wire)).await
}

async fn with_credentials(error: fn() -> CredentialsError) -> StoreError {
    let provider = SharedCredentialsProvider::new(Without(error));
    first_read(&config(&Wire::new()).to_builder().credentials_provider(provider).build()).await
}

async fn first_read(config: &SdkConfig) -> StoreError {
    let aws = Aws::new(config, TestClock::new()).unwrap();
    DynamoStore::new(&aws, "fitferry").athlete("anna").head().await.unwrap_err()
}

/// Credentials that do not come.
#[derive(Debug)]
struct Without(fn() -> CredentialsError);

impl ProvideCredentials for Without {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(self.0()))
    }
}
