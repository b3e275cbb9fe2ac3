//! What went wrong with AWS, for people: what, and what to do now.
//!
//! AWS repeats in its messages what it was sent, so none of them is passed on: only its code, and out of an
//! `AccessDenied` the name of the action.

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::ServiceError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use fitferry_core::ports::StoreError;

use super::SdkError;

/// What a request was about.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Table { name: String, region: String },
    Secret { name: String, region: String },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Table { name, region } => write!(f, "the table `{name}` in {region}"),
            Place::Secret { name, region } => write!(f, "the secret `{name}` in {region}"),
        }
    }
}

impl Place {
    fn service(&self) -> &'static str {
        match self {
            Place::Table { .. } => "DynamoDB",
            Place::Secret { .. } => "Secrets Manager",
        }
    }

    /// What keeps it, as the configuration calls it.
    fn key(&self) -> &'static str {
        match self {
            Place::Table { .. } => "`[store] url`",
            Place::Secret { .. } => "`[store] vault`",
        }
    }

    pub(crate) fn missing(&self) -> StoreError {
        let help = match self {
            Place::Table { .. } => "Run `make tf-apply`, or check `[store] url` and the region.",
            Place::Secret { .. } => {
                "Run `fitferry aws push-credentials`, or check `[store] vault` and the region."
            }
        };
        StoreError {
            what: format!("there is no {}", self.to_string().trim_start_matches("the ")),
            help: help.to_owned(),
        }
    }

    /// A stored document that cannot be read. `why` must hold nothing of a secret.
    pub(crate) fn unreadable(&self, what: &str, why: &str) -> StoreError {
        StoreError {
            what: format!("{what} in {self} cannot be read: {why}"),
            help: "Update fitferry, or put an earlier copy in its place.".to_owned(),
        }
    }

    /// A document that cannot be put into its stored form.
    pub(crate) fn unwritable(&self, why: &str) -> StoreError {
        StoreError {
            what: format!("{self} cannot take what it is given: {why}"),
            help: "Run `fitferry doctor` and report what it prints.".to_owned(),
        }
    }
}

/// A refusal of AWS, and whether the same request may be answered otherwise in a moment.
pub(crate) trait Refusal: ProvideErrorMetadata + Error + Send + Sync + 'static {
    /// What the SDK does not repeat by itself.
    fn may_pass(&self) -> bool {
        self.code() == Some("TransactionConflictException")
    }

    /// The codes of its parts, where it has any.
    fn reasons(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// No time is left to begin or to end a request.
pub(super) fn out_of_time(place: &Place) -> StoreError {
    StoreError {
        what: format!("{place} did not answer in the time that was left"),
        help: "Run the command again; what was begun is taken up by the next run.".to_owned(),
    }
}

/// Every repetition met the same.
pub(super) fn busy(place: &Place) -> StoreError {
    StoreError {
        what: format!("{place} is busy: {} put the request off again and again", place.service()),
        help: "Run the command again in a minute.".to_owned(),
    }
}

/// An answer that refuses nothing: the service is unwell, or it is not AWS that answers.
pub(super) fn no_refusal<E>(place: &Place, answer: &ServiceError<E, HttpResponse>) -> Option<StoreError>
where
    E: ProvideErrorMetadata,
{
    let (service, status) = (place.service(), answer.raw().status());
    if status.is_server_error() {
        return Some(StoreError {
            what: format!("{service} is out of order for {place} ({})", status.as_u16()),
            help: "Run the command again in a minute.".to_owned(),
        });
    }
    if answer.err().code().is_none() {
        return Some(StoreError {
            what: format!("what answers for {place} is not {service} ({})", status.as_u16()),
            help: "Check `AWS_ENDPOINT_URL` and `HTTPS_PROXY` where they are set.".to_owned(),
        });
    }
    None
}

/// AWS answered, and the asker had nothing to do with the answer.
pub(super) fn refused<E: Refusal>(place: &Place, refusal: &E) -> StoreError {
    let code = refusal.code().unwrap_or_default();
    let message = refusal.message().unwrap_or_default();
    let (what, help) = match code {
        "ResourceNotFoundException" => return place.missing(),
        "AccessDeniedException" | "AccessDenied" => {
            let action =
                denied_action(message).map_or_else(|| "it".to_owned(), |action| format!("`{action}`"));
            (
                format!("AWS does not allow {action} on {place}"),
                format!(
                    "Allow {action} to the user or role of these credentials; `make tf-apply` allows it to \
                     the function."
                ),
            )
        }
        "ExpiredTokenException"
        | "ExpiredToken"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignatureException" => (
            format!("AWS does not accept the credentials ({code})"),
            "Sign in to AWS again, as with `aws sso login`, or renew the keys of your AWS profile."
                .to_owned(),
        ),
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "TooManyRequestsException" => return busy(place),
        "ValidationException" if is_about_the_shape(message) => (
            format!("{place} has not the keys and indexes that fitferry needs"),
            format!("Run `make tf-apply`, or name another with {}.", place.key()),
        ),
        "InvalidRequestException" if message.contains("marked") => (
            format!("{place} is marked for deletion"),
            format!(
                "Restore it with `aws secretsmanager restore-secret`, or name another with {}.",
                place.key()
            ),
        ),
        _ => (
            format!("{} refuses a request about {place} ({})", place.service(), codes(refusal)),
            "Run `fitferry doctor` and report what it prints.".to_owned(),
        ),
    };
    StoreError { what, help }
}

/// The code of a refusal, and those that it gives as its reasons.
fn codes<E: Refusal>(refusal: &E) -> String {
    let is_code = |code: &&str| code.chars().all(|c| c.is_ascii_alphanumeric());
    let codes: Vec<&str> = refusal.code().into_iter().chain(refusal.reasons()).filter(is_code).collect();
    codes.join(", ")
}

/// Whether a refusal is about keys and indexes of the table, by the words that DynamoDB has for it.
fn is_about_the_shape(message: &str) -> bool {
    ["index", "schema", "key element"].iter().any(|word| message.contains(word))
}

/// `dynamodb:GetItem` out of "User: … is not authorized to perform: dynamodb:GetItem on resource: …".
fn denied_action(message: &str) -> Option<&str> {
    let (_, after) = message.split_once("to perform: ")?;
    let action = after.split_whitespace().next()?;
    let is_action = |c: char| c.is_ascii_alphanumeric() || c == ':' || c == '-';
    (action.contains(':') && action.chars().all(is_action)).then_some(action)
}

/// No answer of the service: credentials, network, a body that cannot be read.
pub(super) fn unanswered<E>(place: &Place, error: &SdkError<E>) -> StoreError
where
    E: Error + Send + Sync + 'static,
{
    if let Some(credentials) = find::<CredentialsError>(error) {
        return without_credentials(credentials);
    }
    let service = place.service();
    let (what, help) = match error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => {
            let detail = detail(error);
            let help = if detail.contains("certificate") {
                "Let `SSL_CERT_FILE` name the certificates that this machine is to trust."
            } else {
                "Check the network, and `AWS_ENDPOINT_URL` and `HTTPS_PROXY` where they are set."
            };
            (format!("{service} cannot be reached for {place}{detail}"), help.to_owned())
        }
        SdkError::ResponseError(_) => (
            format!("{service} answered for {place} with something that cannot be read"),
            "Check `AWS_ENDPOINT_URL` where it is set, and run the command again.".to_owned(),
        ),
        _ => (
            format!("a request about {place} cannot be made{}", detail(error)),
            "Run `fitferry doctor` and report what it prints.".to_owned(),
        ),
    };
    StoreError { what, help }
}

fn without_credentials(error: &CredentialsError) -> StoreError {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => StoreError {
            what: "there are no AWS credentials here".to_owned(),
            help: "Set `AWS_PROFILE`, or `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or run `aws configure`."
                .to_owned(),
        },
        CredentialsError::ProviderTimedOut(_) => StoreError {
            what: "the AWS credentials did not come in time".to_owned(),
            help: "Check the network, and run the command again.".to_owned(),
        },
        _ => StoreError {
            what: format!("the AWS credentials cannot be used{}", detail(error)),
            help: "Sign in to AWS again, as with `aws sso login`, or check your AWS profile.".to_owned(),
        },
    }
}

/// The innermost cause: what the network or the credentials said, and nothing that was sent.
fn detail(error: &(dyn Error + 'static)) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    format!(" ({inner})")
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
