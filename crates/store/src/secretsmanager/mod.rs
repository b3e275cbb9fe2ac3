//! *Secrets Manager*: the vault of one athlete as one JSON secret, for those who want it apart from the table.
//!
//! The secret is `PREFIX/ATHLETE`; what it says is in [`document`]. It is read once per process. A new value
//! is first put beside the one in force, under a stage of our own, and then the stage `AWSCURRENT` is moved
//! to it *from the version that was read*: Secrets Manager refuses that if another writer was faster, so no
//! value is ever overwritten unseen. Whoever was not faster looks whether what it wants to replace is still
//! the same, and tries again over the newer value, since the three secrets share it.
//!
//! The secret is created from a desk ([`SecretsManagerVault::create_if_absent`]), never in passing.

mod document;

use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::create_secret::CreateSecretError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_sdk_secretsmanager::operation::put_secret_value::PutSecretValueError;
use aws_sdk_secretsmanager::operation::update_secret_version_stage::UpdateSecretVersionStageError;
use fitferry_core::ports::{PutError, SecretName, StoreError, Vault, Version};
use secrecy::{ExposeSecret as _, SecretString};

use self::document::Document;
use crate::aws::{Aws, Place, Refusal, Refused, Tries, random};
use crate::secret::Secret;

/// The stage of the version in force.
const CURRENT: &str = "AWSCURRENT";
/// The stage under which a new version waits to come into force.
const NEXT: &str = "FITFERRY_NEXT";

impl Refusal for GetSecretValueError {}
impl Refusal for PutSecretValueError {}
impl Refusal for UpdateSecretVersionStageError {}
impl Refusal for CreateSecretError {}

/// The vault of one athlete in AWS Secrets Manager.
pub struct SecretsManagerVault {
    aws: Aws,
    client: OnceLock<Client>,
    place: Place,
    name: String,
    /// As this process read or wrote it last; `None` where it did neither.
    kept: Mutex<Option<Option<Kept>>>,
}

/// The value in force, and the id of its version.
#[derive(Clone)]
struct Kept {
    version_id: String,
    document: Document,
}

impl SecretsManagerVault {
    /// Makes no request.
    pub fn new(aws: &Aws, prefix: &str, athlete: &str) -> SecretsManagerVault {
        let name = format!("{prefix}/{athlete}");
        SecretsManagerVault {
            aws: aws.clone(),
            client: OnceLock::new(),
            place: Place::Secret { name: name.clone(), region: aws.region() },
            name,
            kept: Mutex::new(None),
        }
    }

    /// The name of the secret, `PREFIX/ATHLETE`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Creates the secret, with nothing in it, where there is none; whether there was none.
    pub async fn create_if_absent(&self) -> Result<bool, StoreError> {
        let token = token();
        let request = || {
            self.client()
                .create_secret()
                .name(&self.name)
                .description("The logins of fitferry")
                .client_request_token(&token)
                .secret_string(Document::default().write().expose_secret())
                .send()
        };
        match self.aws.ask(&self.place, request).await {
            Ok(_) => {}
            Err(Refused::By(CreateSecretError::ResourceExistsException(_))) => {
                return self.fill_if_empty().await;
            }
            Err(refused) => return Err(refused.told(&self.place)),
        }
        *self.kept() = None;
        Ok(true)
    }

    /// A secret may have been created elsewhere without a value; whether it had none.
    async fn fill_if_empty(&self) -> Result<bool, StoreError> {
        if self.read().await?.is_some() {
            return Ok(false);
        }
        self.put(&token(), &Document::default(), CURRENT).await?;
        *self.kept() = None;
        Ok(true)
    }

    /// Changes the value in force: `work` says what to, or that it is not as the caller believes.
    async fn change(
        &self,
        work: impl Fn(&mut Document) -> Result<Version, NotSo>,
    ) -> Result<Version, PutError> {
        let mut tries = Tries::of_a_race(&self.aws, &self.place);
        let mut is_fresh = self.kept().is_none();
        let mut current = self.remembered().await?;
        loop {
            let Some(kept) = current else { return Err(self.place.missing().into()) };
            let mut document = kept.document.clone();
            let version = match work(&mut document) {
                Ok(version) => version,
                Err(NotSo) if is_fresh => return Err(PutError::Conflict),
                Err(NotSo) => {
                    (current, is_fresh) = (self.read().await?, true);
                    continue;
                }
            };
            let version_id = token();
            self.put(&version_id, &document, NEXT).await?;
            if self.bring_into_force(&version_id, &kept.version_id).await? {
                *self.kept() = Some(Some(Kept { version_id, document }));
                return Ok(version);
            }
            let now = self.read().await?;
            if now.as_ref().is_some_and(|now| now.version_id == version_id) {
                // It was brought into force, and the answer was lost.
                return Ok(version);
            }
            (current, is_fresh) = (now, true);
            tries.again().await?;
        }
    }

    async fn put(&self, version_id: &str, document: &Document, stage: &str) -> Result<(), StoreError> {
        let value = document.write();
        let request = || {
            self.client()
                .put_secret_value()
                .secret_id(&self.name)
                .client_request_token(version_id)
                .secret_string(value.expose_secret())
                .version_stages(stage)
                .send()
        };
        let put = self.aws.ask(&self.place, request).await;
        put.map(|_| ()).map_err(|refused| refused.told(&self.place))
    }

    /// `false`: another version than the one that was read is in force.
    async fn bring_into_force(&self, version_id: &str, instead_of: &str) -> Result<bool, StoreError> {
        let request = || {
            self.client()
                .update_secret_version_stage()
                .secret_id(&self.name)
                .version_stage(CURRENT)
                .move_to_version_id(version_id)
                .remove_from_version_id(instead_of)
                .send()
        };
        match self.aws.ask(&self.place, request).await {
            Ok(_) => Ok(true),
            Err(Refused::By(UpdateSecretVersionStageError::InvalidParameterException(_))) => Ok(false),
            Err(refused) => Err(refused.told(&self.place)),
        }
    }

    /// What this process read last; reads only where it did not yet.
    async fn remembered(&self) -> Result<Option<Kept>, StoreError> {
        let kept = self.kept().clone();
        match kept {
            Some(kept) => Ok(kept),
            None => self.read().await,
        }
    }

    /// `None` where there is no secret, or no value in it.
    async fn read(&self) -> Result<Option<Kept>, StoreError> {
        let request = || self.client().get_secret_value().secret_id(&self.name).version_stage(CURRENT).send();
        let read = match self.aws.ask(&self.place, request).await {
            Ok(answer) => {
                let document = answer.secret_string().and_then(Document::read);
                let (Some(version_id), Some(document)) = (answer.version_id, document) else {
                    return Err(self.place.unreadable("the value", "it is not one of fitferry's"));
                };
                Some(Kept { version_id, document })
            }
            Err(Refused::By(GetSecretValueError::ResourceNotFoundException(_))) => None,
            Err(refused) => return Err(refused.told(&self.place)),
        };
        self.kept().replace(read.clone());
        Ok(read)
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| Client::new(self.aws.config()))
    }

    /// A panic elsewhere leaves nothing half done in what is kept here.
    fn kept(&self) -> std::sync::MutexGuard<'_, Option<Option<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A secret is not as a writer believes.
struct NotSo;

#[async_trait]
impl Vault for SecretsManagerVault {
    async fn get(&self, name: SecretName) -> Result<Option<Secret>, StoreError> {
        Ok(self.remembered().await?.and_then(|kept| kept.document.get(name)))
    }

    async fn get_fresh(&self, name: SecretName) -> Result<Option<Secret>, StoreError> {
        Ok(self.read().await?.and_then(|kept| kept.document.get(name)))
    }

    async fn replace(
        &self,
        name: SecretName,
        expected: Version,
        new: &SecretString,
    ) -> Result<Version, PutError> {
        self.change(|document| {
            let there = document.get(name).map_or(Version::ABSENT, |(_, version)| version);
            if there == expected { Ok(document.set(name, Some(new))) } else { Err(NotSo) }
        })
        .await
    }

    async fn remove(&self, name: SecretName) -> Result<(), StoreError> {
        let is_there = self.get_fresh(name).await?.is_some();
        let removed = match is_there {
            true => self.change(|document| Ok(document.set(name, None))).await,
            false => return Ok(()),
        };
        match removed {
            Ok(_) => Ok(()),
            Err(PutError::Store(error)) => Err(error),
            Err(PutError::Conflict) => Err(self.place.unwritable("another run is at work")),
        }
    }
}

impl fmt::Debug for SecretsManagerVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsManagerVault").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A random UUID, as Secrets Manager wants it for the id of a version.
fn token() -> String {
    let random = u128::from_ne_bytes(random());
    // Version 4, of the usual variant.
    let bits = random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::token;

    #[test]
    fn the_id_of_a_version_is_a_random_uuid() {
        let (one, other) = (token(), token());
        assert_ne!(one, other);
        for token in [one, other] {
            let parts: Vec<usize> = token.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{token}");
            assert_eq!(token.as_bytes()[14], b'4', "{token}");
            assert!(b"89ab".contains(&token.as_bytes()[19]), "{token}");
        }
    }
}
