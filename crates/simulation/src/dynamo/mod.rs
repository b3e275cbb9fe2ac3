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

    /// What the table did that no store could have known: busy answers, lost answers, keys left over, early ends.
    #[cfg(test)]
    pub(crate) fn moods(&self) -> table::Moods {
        locked(&self.table).moods
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
