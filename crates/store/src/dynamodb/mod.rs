//! *DynamoDB*: everything in one table, a partition for each athlete and one for each Strava app.
//!
//! The table has a hash key `pk` and a range key `sk`, both text, and two *local* secondary indexes, which
//! unlike global ones can be read strongly consistently:
//!
//! | index | range key | in it | shows |
//! |---|---|---|---|
//! | `open` | `open`, text | all | open rows, oldest first; no other item has the attribute |
//! | `start` | `start`, text | keys, `state` | every row, so that it is listed and counted without its document |
//!
//! | `pk` | `sk` | attributes |
//! |---|---|---|
//! | `athlete#NAME` | `head` | `head`, `head_version`: the document and the number of its writes, absent until the first. `fence`, `lease_run`, `lease_until`: the lease; who holds it and until when (ms since 1970) are absent while it is free. `bearer`, `bearer_version`: Garmin's bearer; a removed one leaves its version |
//! | `athlete#NAME` | `activity#ID`, 20 digits | `row`, `version`; `state`; `start`; `open` while the row is open |
//! | `athlete#NAME` | `secret#NAME` | `value`, `version`; a removed one leaves its version |
//! | `app#CLIENT_ID` | `budget` | `account`, `version` |
//!
//! Documents are JSON text in the stored form that every store shares. So an idle tick is one strongly
//! consistent `GetItem` of the item `head`, which brings head, bearer and lease, however long the ledger is.
//! Every write of a row is one transaction that also checks the lease on the item `head`; a write of the head
//! checks it in place.
//!
//! A write whose answer is lost is repeated by the SDK and then meets itself. DynamoDB knows a repeated
//! transaction by its token; a single conditional write asks for the item as it is when its condition fails,
//! and recognises its own.

mod budget;
mod item;
mod lease;
mod ledger;
mod place;
mod read;
mod table;
mod vault;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use aws_sdk_dynamodb::Client;
use fitferry_core::ports::{AppId, Fence};

use self::budget::Known;
use crate::aws::{Aws, Place, random};
use crate::secret::Secret;

pub use self::table::definition;

/// A store in one DynamoDB table, which must exist. Cheap to clone; the clones share one client.
///
/// It is the budget of all apps itself, and hands out the rest for each athlete.
#[derive(Clone)]
pub struct DynamoStore(Arc<Inner>);

struct Inner {
    aws: Aws,
    client: OnceLock<Client>,
    place: Place,
    table: String,
    /// The accounts of requests as this process saw them last.
    accounts: Mutex<BTreeMap<AppId, Known>>,
}

/// One run's door to one athlete: ledger, vault and lease.
///
/// Two of them, even of one athlete and in one process, are two runs and exclude each other through the
/// lease. A lease that is not released ends at the time that was said when it was taken.
pub struct DynamoAthlete {
    store: DynamoStore,
    athlete: String,
    /// The partition.
    key: String,
    /// Tells this run from all others.
    run: String,
    held: Mutex<Option<Fence>>,
    /// Garmin's bearer as the last reading of the head found it; `None` where the head was not read.
    bearer: Mutex<Option<Option<Secret>>>,
}

impl DynamoStore {
    /// Makes no request: that the table is missing is told by the first one.
    pub fn new(aws: &Aws, table: &str) -> DynamoStore {
        DynamoStore(Arc::new(Inner {
            aws: aws.clone(),
            client: OnceLock::new(),
            place: Place::Table { name: table.to_owned(), region: aws.region() },
            table: table.to_owned(),
            accounts: Mutex::default(),
        }))
    }

    /// A door to one athlete, for one run. The athlete need not be known yet.
    pub fn athlete(&self, name: &str) -> DynamoAthlete {
        DynamoAthlete {
            store: self.clone(),
            athlete: name.to_owned(),
            key: format!("athlete#{name}"),
            run: format!("{:032x}", u128::from_ne_bytes(random())),
            held: Mutex::new(None),
            bearer: Mutex::new(None),
        }
    }

    pub fn table(&self) -> &str {
        &self.0.table
    }

    fn aws(&self) -> &Aws {
        &self.0.aws
    }

    fn place(&self) -> &Place {
        &self.0.place
    }

    fn client(&self) -> &Client {
        self.0.client.get_or_init(|| Client::new(self.0.aws.config()))
    }
}

impl fmt::Debug for DynamoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoStore").field("table", &self.0.table).finish_non_exhaustive()
    }
}

impl DynamoAthlete {
    pub fn name(&self) -> &str {
        &self.athlete
    }

    pub fn store(&self) -> &DynamoStore {
        &self.store
    }
}

impl fmt::Debug for DynamoAthlete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoAthlete")
            .field("store", &self.store)
            .field("athlete", &self.athlete)
            .finish_non_exhaustive()
    }
}

/// A panic elsewhere leaves nothing half done in what is kept here.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
