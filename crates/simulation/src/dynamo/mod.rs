//! A DynamoDB within this process, under the store's real code: the SDK's requests end here.
//!
//! Only what the store uses, and that by the book: strongly consistent reads, conditions, sparse local indexes,
//! transactions with their reasons and their tokens, pages that end early, keys left over. What it does not know,
//! an operator or a parameter, is an error and never a silent *yes*. Now and then it is busy, or does what it was
//! asked and its answer is lost.

mod attribute;
mod calls;
mod expression;
mod table;
mod wire;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::{AsyncSleep, SharedAsyncSleep, Sleep};
use fitferry_core::ports::Clock;
use fitferry_store::aws::Aws;
use fitferry_store::dynamodb::DynamoStore;
use jiff::Timestamp;

use self::table::Table;
use self::wire::Wire;
use crate::dice::{Dice, Stream};

const TABLE: &str = "fitferry";

/// The table, and the clock of whoever reaches it at the moment.
pub(crate) struct Dynamo {
    table: Arc<Mutex<Table>>,
    clock: Arc<Wall>,
    config: SdkConfig,
}

impl Dynamo {
    pub(crate) fn new(seed: u64) -> Dynamo {
        let table = Table::new(TABLE, Dice::new(seed, Stream::Table));
        let table = Arc::new(Mutex::new(table));
        let credentials = Credentials::new("key", "secret", None, None, "simulation");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url("http://dynamodb.invalid")
            .http_client(Wire::to(&table))
            .sleep_impl(SharedAsyncSleep::new(NoTime))
            .build();
        Dynamo { table, clock: Arc::new(Wall(Mutex::new(Timestamp::UNIX_EPOCH))), config }
    }

    /// The store as a new process has it: with nothing in memory.
    pub(crate) fn store(&self) -> DynamoStore {
        let aws = Aws::new(&self.config, self.clock.clone()).expect("a region is set");
        DynamoStore::new(&aws, TABLE)
    }

    /// What the wall of the next one to ask says.
    pub(crate) fn set_clock(&self, now: Timestamp) {
        *locked(&self.clock.0) = now;
    }
}

impl fmt::Debug for Dynamo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = locked(&self.table).len();
        f.debug_struct("Dynamo").field("items", &items).finish_non_exhaustive()
    }
}

/// A clock that somebody sets; to wait on it takes no time.
struct Wall(Mutex<Timestamp>);

#[async_trait]
impl Clock for Wall {
    fn now(&self) -> Timestamp {
        *locked(&self.0)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(1_000)
    }

    async fn sleep(&self, _: Duration) {}
}

/// The SDK's waits between two tries are over at once; its time limits, which are longer, never come.
#[derive(Clone, Copy, Debug)]
struct NoTime;

/// No wait of the SDK is longer, and no time limit as short.
const LONGEST_WAIT: Duration = Duration::from_millis(2_500);

impl AsyncSleep for NoTime {
    fn sleep(&self, duration: Duration) -> Sleep {
        if duration <= LONGEST_WAIT { Sleep::new(async {}) } else { Sleep::new(std::future::pending()) }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use fitferry_core::activity::{GarminId, Listed};
    use fitferry_core::ledger::{Row, State};
    use fitferry_core::ports::{Filter, Lease as _, Ledger as _, PutError, Version};

    use super::*;

    fn rows(count: u64) -> Vec<Row> {
        let row = |id| Row::seen(Listed::bare(GarminId(id)), State::Wanted, Timestamp::UNIX_EPOCH);
        (1..=count).map(row).collect()
    }

    #[tokio::test]
    async fn the_stores_code_comes_through_everything_that_the_table_does_on_its_own_account() {
        let dynamo = Dynamo::new(7);
        let until: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        let door = dynamo.store().athlete("me");
        let fence = door.take(until).await.unwrap().expect("it is free");
        for round in 0..40 {
            let all = rows(60 + round);
            let added = door.add(&all, fence).await.unwrap();
            assert_eq!(added.len() as u64, if round == 0 { 60 } else { 1 });
            assert_eq!(door.known(&added).await.unwrap().len(), added.len());
            assert_eq!(door.open().await.unwrap().len(), all.len());
            assert_eq!(door.list(&Filter::default()).await.unwrap().len(), all.len());
            for _ in 0..40 {
                assert!(door.renew(until).await.unwrap());
            }
        }
        let moods = locked(&dynamo.table).moods;
        for (what, count) in [
            ("busy", moods.busy),
            ("lost answers", moods.lost),
            ("conflicts", moods.conflicts),
            ("keys left over", moods.left_over),
            ("pages that end early", moods.early_ends),
        ] {
            assert!(count > 0, "{what}: {moods:?}");
        }
    }

    #[tokio::test]
    async fn a_run_that_has_lost_its_lease_writes_nothing() {
        let dynamo = Dynamo::new(1);
        let until: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        let (one, other) = (dynamo.store().athlete("me"), dynamo.store().athlete("me"));
        let fence = one.take(until).await.unwrap().expect("it is free");
        assert_eq!(other.take(until).await.unwrap(), None);
        dynamo.set_clock(until);
        assert!(other.take(until).await.unwrap().is_some_and(|newer| newer > fence));
        let row = &rows(1)[0];
        assert!(matches!(one.put(row, Version::ABSENT, fence).await, Err(PutError::Conflict)));
        assert_eq!(one.open().await.unwrap(), []);
    }
}
