//! The store that the configuration names: one athlete's ledger, vault and lease, and the budgets.

use std::sync::Arc;

use fitferry_core::ports::{Budget, Lease, Ledger, Vault};
use fitferry_store::{aws::Aws, dynamodb::DynamoStore, secretsmanager::SecretsManagerVault};

use crate::config::{Settings, VaultKind};
use crate::error::{CommandError, Kind};

/// Everything durable that one run for one athlete works with.
#[derive(Clone)]
pub struct Store {
    pub ledger: Arc<dyn Ledger>,
    pub vault: Arc<dyn Vault>,
    pub lease: Arc<dyn Lease>,
    pub budget: Arc<dyn Budget>,
    /// Where the store is a file, the machine's heartbeat lies beside it.
    #[cfg(feature = "desk")]
    pub(crate) machine: Option<crate::desk::Machine>,
}

impl Store {
    /// The store is a table. Where no configuration says which vault, the head is read for it.
    pub async fn in_the_cloud(aws: &Aws, table: &str, settings: &Settings) -> Result<Store, CommandError> {
        let store = DynamoStore::new(aws, table);
        let door = Arc::new(store.athlete(&settings.athlete));
        let kind = match &settings.vault {
            Some(kind) => kind.clone(),
            None => vault_of(door.head().await?.0.vault.as_deref())?,
        };
        let vault: Arc<dyn Vault> = match kind {
            VaultKind::Store => door.clone(),
            VaultKind::SecretsManager(prefix) => {
                Arc::new(SecretsManagerVault::new(aws, &prefix, &settings.athlete))
            }
        };
        Ok(Store {
            ledger: door.clone(),
            vault,
            lease: door,
            budget: Arc::new(store),
            #[cfg(feature = "desk")]
            machine: None,
        })
    }
}

/// Where the secrets are, as the head of a table says it.
fn vault_of(kept: Option<&str>) -> Result<VaultKind, CommandError> {
    let Some(kept) = kept else { return Ok(VaultKind::Store) };
    kept.parse().map_err(|what: String| {
        CommandError::new(
            Kind::Store,
            "the table names a vault that this version does not know",
            "Name it with `[store] vault`, or update fitferry.",
        )
        .caused_by(what)
    })
}
