//! The vault's contract on Secrets Manager, beside a ledger in a table.

use std::collections::BTreeSet;

use async_trait::async_trait;
use fitferry_core::activity::GarminId;
use fitferry_core::head::Head;
use fitferry_core::ledger::{Counts, Row};
use fitferry_core::ports::{Fence, Filter, Lease, Ledger, PutError, SecretName, StoreError, Vault, Version};
use fitferry_store::dynamodb::{DynamoAthlete, DynamoStore};
use fitferry_store::secretsmanager::SecretsManagerVault;
use jiff::Timestamp;
use secrecy::SecretString;

use crate::cloud::aws_over;
use crate::contract;
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
        let aws = aws_over(&table.wire, &table.clock);
        let vault = SecretsManagerVault::new(&aws, &table.table, athlete);
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
