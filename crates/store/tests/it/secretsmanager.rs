//! The vault's contract on Secrets Manager, beside a ledger in a table.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use fitferry_core::activity::GarminId;
use fitferry_core::head::Head;
use fitferry_core::ledger::{Counts, Row};
use fitferry_core::ports::{Fence, Filter, Lease, Ledger, PutError, SecretName, StoreError, Vault, Version};
use fitferry_store::dynamodb::{DynamoAthlete, DynamoStore};
use fitferry_store::secretsmanager::SecretsManagerVault;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::cloud::{Answer, aws_over, config};
use crate::contract::{self, secret};
use crate::dynamodb::{InATable, in_a_table};

/// A new table and new secrets for each promise.
struct Apart(InATable);

/// Ledger and lease in a table, the vault apart from it.
struct Run {
    athlete: DynamoAthlete,
    vault: SecretsManagerVault,
}

impl contract::Store for Apart {
    type Run = Run;
    type Account = DynamoStore;

    const KEEPS_THE_BEARER_BESIDE_THE_HEAD: bool = false;

    async fn run(&self, athlete: &str) -> Run {
        let Apart(table) = self;
        let vault = vault_of(table, athlete);
        vault.create_if_absent().await.unwrap();
        Run { athlete: table.store().athlete(athlete), vault }
    }

    async fn budget(&self) -> DynamoStore {
        self.0.store()
    }
}

async fn apart() -> Apart {
    Apart(in_a_table().await)
}

#[tokio::test]
async fn a_vault_apart_keeps_the_vaults_promises() {
    contract::vault(apart).await;
}

// ------------------------------------------------------------------------------------------ costs

#[tokio::test]
async fn the_secret_is_read_once_per_process_and_again_when_asked() {
    let Apart(table) = apart().await;
    let vault = vault_of(&table, "anna");
    vault.create_if_absent().await.unwrap();
    vault.replace(SecretName::GarminLogin, Version::ABSENT, &secret("login")).await.unwrap();
    let vault = vault_of(&table, "anna");
    table.wire.asked();
    for name in SecretName::ALL.iter().chain(&SecretName::ALL) {
        vault.get(*name).await.unwrap();
    }
    assert_eq!(table.wire.asked(), ["GetSecretValue"]);
    vault.get_fresh(SecretName::GarminLogin).await.unwrap();
    assert_eq!(table.wire.asked(), ["GetSecretValue"]);
}

#[tokio::test]
async fn a_new_value_is_put_beside_the_one_in_force_before_it_takes_its_place() {
    let Apart(table) = apart().await;
    let vault = vault_of(&table, "anna");
    vault.create_if_absent().await.unwrap();
    let first = vault.replace(SecretName::StravaLogin, Version::ABSENT, &secret("1")).await.unwrap();
    table.wire.requests();
    vault.replace(SecretName::StravaLogin, first, &secret("2")).await.unwrap();
    let asked = table.wire.requests();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[0].body["VersionStages"], json!(["FITFERRY_NEXT"]));
    assert_eq!(asked[1].body["VersionStage"], "AWSCURRENT");
    assert_eq!(asked[1].body["MoveToVersionId"], asked[0].body["ClientRequestToken"]);
    assert!(asked[1].body["RemoveFromVersionId"].is_string());
}

// ------------------------------------------------------------------------------------------ races

#[tokio::test]
async fn of_two_processes_that_renew_the_same_login_one_is_told() {
    let Apart(table) = apart().await;
    let (first, second) = (vault_of(&table, "anna"), vault_of(&table, "anna"));
    first.create_if_absent().await.unwrap();
    let name = SecretName::StravaLogin;
    let old = first.replace(name, Version::ABSENT, &secret("old")).await.unwrap();
    second.get(name).await.unwrap();
    let new = [secret("1"), secret("2")];
    let (one, other) = tokio::join!(first.replace(name, old, &new[0]), second.replace(name, old, &new[1]));
    let kept = vault_of(&table, "anna").get(name).await.unwrap().unwrap();
    let (won, version) = match (one, other) {
        (Ok(version), Err(PutError::Conflict)) => ("1", version),
        (Err(PutError::Conflict), Ok(version)) => ("2", version),
        both => panic!("{both:?}"),
    };
    assert_eq!((kept.0.expose_secret(), kept.1), (won, version));
}

#[tokio::test]
async fn two_processes_that_renew_two_logins_at_once_lose_neither() {
    let Apart(table) = apart().await;
    vault_of(&table, "anna").create_if_absent().await.unwrap();
    let (first, second) = (vault_of(&table, "anna"), vault_of(&table, "anna"));
    let (garmin, strava) = (secret("garmin"), secret("strava"));
    let (one, other) = tokio::join!(
        first.replace(SecretName::GarminBearer, Version::ABSENT, &garmin),
        second.replace(SecretName::StravaLogin, Version::ABSENT, &strava),
    );
    one.unwrap();
    other.unwrap();
    let there = vault_of(&table, "anna");
    for (name, value) in [(SecretName::GarminBearer, "garmin"), (SecretName::StravaLogin, "strava")] {
        assert_eq!(there.get(name).await.unwrap().unwrap().0.expose_secret(), value);
    }
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_not_taken_for_another_processs() {
    let Apart(table) = apart().await;
    let vault = vault_of(&table, "anna");
    table.wire.treat([Answer::Lose]);
    vault.create_if_absent().await.unwrap();
    let name = SecretName::StravaLogin;
    let mut version = Version::ABSENT;
    // The putting, then the moving of the stage.
    for lost in [vec![Answer::Lose], vec![Answer::Pass, Answer::Lose]] {
        vault.get(name).await.unwrap();
        table.wire.treat(lost);
        version = vault.replace(name, version, &secret("new")).await.unwrap();
    }
    let (_, kept) = vault_of(&table, "anna").get(name).await.unwrap().unwrap();
    assert_eq!(kept, version);
}

// --------------------------------------------------------------------------------- the secret itself

#[tokio::test]
async fn without_the_secret_there_is_no_login_and_none_is_created_in_passing() {
    let Apart(table) = apart().await;
    let vault = vault_of(&table, "anna");
    for name in SecretName::ALL {
        assert!(vault.get(name).await.unwrap().is_none());
        assert!(vault.get_fresh(name).await.unwrap().is_none());
        vault.remove(name).await.unwrap();
        let Err(PutError::Store(error)) = vault.replace(name, Version::ABSENT, &secret("new")).await else {
            panic!("a secret came from nowhere")
        };
        assert_eq!(error.what, format!("there is no secret `{}/anna` in eu-central-1", table.table));
        assert!(error.help.starts_with("Run `fitferry aws push-credentials`"), "{error:?}");
    }
    assert!(table.wire.asked().iter().all(|action| action == "GetSecretValue"));
}

#[tokio::test]
async fn creating_the_secret_again_leaves_what_is_in_it() {
    let Apart(table) = apart().await;
    let vault = vault_of(&table, "anna");
    // It is seen that there was none, once it is there.
    assert!(vault.get(SecretName::GarminLogin).await.unwrap().is_none());
    assert!(vault.create_if_absent().await.unwrap());
    vault.replace(SecretName::GarminLogin, Version::ABSENT, &secret("login")).await.unwrap();
    let other = vault_of(&table, "anna");
    assert!(!other.create_if_absent().await.unwrap());
    assert_eq!(other.get(SecretName::GarminLogin).await.unwrap().unwrap().0.expose_secret(), "login");
}

#[tokio::test]
async fn a_secret_that_is_no_vault_is_told_without_a_word_of_it() {
    let Apart(table) = apart().await;
    let vault = vault_of(&table, "anna");
    let client = Client::new(&config(&table.wire));
    client.create_secret().name(vault.name()).secret_string("{\"hush\":").send().await.unwrap();
    let error = vault.get(SecretName::GarminLogin).await.unwrap_err();
    assert_eq!(
        error.what,
        format!(
            "the value in the secret `{}` in eu-central-1 cannot be read: it is not one of fitferry's",
            vault.name()
        )
    );
    assert!(!vault.create_if_absent().await.is_ok_and(|created| created));
}

#[tokio::test]
async fn a_secret_that_is_marked_for_deletion_is_told_with_its_cure() {
    let Apart(table) = apart().await;
    let vault = vault_of(&table, "anna");
    vault.create_if_absent().await.unwrap();
    let client = Client::new(&config(&table.wire));
    client.delete_secret().secret_id(vault.name()).recovery_window_in_days(7).send().await.unwrap();
    let error = vault.get(SecretName::GarminLogin).await.unwrap_err();
    assert!(error.what.ends_with("is marked for deletion"), "{error:?}");
    assert!(error.help.starts_with("Restore it"), "{error:?}");
}

#[tokio::test]
async fn a_vault_apart_shows_no_secret_to_a_log() {
    let Apart(table) = apart().await;
    let vault = vault_of(&table, "anna");
    vault.create_if_absent().await.unwrap();
    vault.replace(SecretName::GarminLogin, Version::ABSENT, &secret("hush")).await.unwrap();
    assert!(!format!("{vault:?} {vault:#?}").contains("hush"));
}

// ---------------------------------------------------------------------------------------- helpers

fn vault_of(table: &InATable, athlete: &str) -> SecretsManagerVault {
    SecretsManagerVault::new(&aws_over(&table.wire, &table.clock), &table.table, athlete)
}

#[async_trait]
impl Vault for Run {
    async fn get(&self, name: SecretName) -> Result<Option<(SecretString, Version)>, StoreError> {
        self.vault.get(name).await
    }

    async fn get_fresh(&self, name: SecretName) -> Result<Option<(SecretString, Version)>, StoreError> {
        self.vault.get_fresh(name).await
    }

    async fn replace(
        &self,
        name: SecretName,
        expected: Version,
        new: &SecretString,
    ) -> Result<Version, PutError> {
        self.vault.replace(name, expected, new).await
    }

    async fn remove(&self, name: SecretName) -> Result<(), StoreError> {
        self.vault.remove(name).await
    }
}

#[async_trait]
impl Lease for Run {
    async fn take(&self, until: Timestamp) -> Result<Option<Fence>, StoreError> {
        self.athlete.take(until).await
    }

    async fn renew(&self, until: Timestamp) -> Result<bool, StoreError> {
        self.athlete.renew(until).await
    }

    async fn release(&self) -> Result<(), StoreError> {
        self.athlete.release().await
    }

    fn held(&self) -> Option<Fence> {
        self.athlete.held()
    }
}

#[async_trait]
impl Ledger for Run {
    async fn head(&self) -> Result<(Head, Version), StoreError> {
        self.athlete.head().await
    }

    async fn put_head(&self, expected: Version, head: &Head, fence: Fence) -> Result<Version, PutError> {
        self.athlete.put_head(expected, head, fence).await
    }

    async fn get(&self, id: GarminId) -> Result<Option<(Row, Version)>, StoreError> {
        Ledger::get(&self.athlete, id).await
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<Row>, StoreError> {
        self.athlete.list(filter).await
    }

    async fn known(&self, ids: &[GarminId]) -> Result<BTreeSet<GarminId>, StoreError> {
        self.athlete.known(ids).await
    }

    async fn open(&self) -> Result<Vec<(Row, Version)>, StoreError> {
        self.athlete.open().await
    }

    async fn put(&self, row: &Row, expected: Version, fence: Fence) -> Result<Version, PutError> {
        self.athlete.put(row, expected, fence).await
    }

    async fn add(&self, rows: &[Row], fence: Fence) -> Result<Vec<GarminId>, PutError> {
        self.athlete.add(rows, fence).await
    }

    async fn count(&self) -> Result<Counts, StoreError> {
        self.athlete.count().await
    }
}
