//! The contract on DynamoDB, and what is its own: what an idle tick asks, lost answers, refusals.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use fitferry_core::activity::GarminId;
use fitferry_core::budget::{Full, FullReason, Kind, Purpose};
use fitferry_core::head::Head;
use fitferry_core::ledger::{Row, StateName};
use fitferry_core::ports::{
    AppId, Budget, Fence, Filter, Lease, Ledger, PutError, SecretName, Vault, Version,
};
use fitferry_store::dynamodb::{self, DynamoAthlete, DynamoStore};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::cloud::{Answer, Asked, TestClock, Wire, aws_over, config, fresh_name};
use crate::contract::{self, Store as _, at, full_head, noon, published, secret, soon, wanted};

/// A new table for each promise; every run reaches it anew, as a process would.
pub(crate) struct InATable {
    pub(crate) table: String,
    pub(crate) wire: Wire,
    pub(crate) clock: Arc<TestClock>,
}

impl InATable {
    pub(crate) fn store(&self) -> DynamoStore {
        DynamoStore::new(&aws_over(&self.wire, &self.clock), &self.table)
    }

    /// The table as AWS has it, past the store.
    pub(crate) fn client(&self) -> Client {
        Client::new(&config(&self.wire))
    }

    /// Puts this many rows like this one, with the ids 1, 2, 3 …, past the store and its transactions.
    async fn fill(&self, athlete: &str, like: &Row, count: u64) {
        let run = self.run(athlete).await;
        let fence = run.take(soon()).await.unwrap();
        let fence = fence.unwrap_or_else(|| panic!("the lease of {athlete} is taken"));
        assert_eq!(like.id(), GarminId(1));
        run.put(like, Version::ABSENT, fence).await.unwrap();
        run.release().await.unwrap();
        let client = self.client();
        let text = AttributeValue::S;
        let key = |name: &str| (name.to_owned(), text(format!("activity#{:020}", 1)));
        let model = client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(HashMap::from([("pk".to_owned(), text(format!("athlete#{athlete}"))), key("sk")])));
        let model = model.send().await.unwrap().item.unwrap();
        let of = |id: u64| {
            let long = |id: u64| format!("{id:020}");
            let mut item = model.clone();
            for value in item.values_mut() {
                let AttributeValue::S(value) = value else { continue };
                *value =
                    value.replace(&long(1), &long(id)).replacen("\"id\":1,", &format!("\"id\":{id},"), 1);
            }
            let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        };
        let ids: Vec<u64> = (2..=count).collect();
        for ids in ids.chunks(25) {
            let puts = ids.iter().map(|id| of(*id)).collect();
            let request = client.batch_write_item().request_items(&self.table, puts);
            let left = request.send().await.unwrap().unprocessed_items.unwrap_or_default();
            assert!(left.is_empty());
        }
        self.wire.asked();
    }
}

impl contract::Store for InATable {
    type Run = DynamoAthlete;
    type Account = DynamoStore;

    async fn run(&self, athlete: &str) -> DynamoAthlete {
        self.store().athlete(athlete)
    }

    async fn budget(&self) -> DynamoStore {
        self.store()
    }

    async fn outlast_leases(&self) {
        self.clock.set(at("9000-01-01T00:00:00Z"));
    }
}

pub(crate) async fn in_a_table() -> InATable {
    let (table, wire, clock) = (fresh_name(), Wire::new(), TestClock::new());
    let client = Client::new(&config(&wire));
    dynamodb::definition(&table).send_with(&client).await.unwrap();
    wire.asked();
    InATable { table, wire, clock }
}

#[tokio::test]
async fn a_table_keeps_the_ledgers_promises() {
    contract::ledger(in_a_table).await;
}

#[tokio::test]
async fn a_table_keeps_the_vaults_promises() {
    contract::vault(in_a_table).await;
}

#[tokio::test]
async fn a_table_keeps_the_budgets_promises() {
    contract::budget(in_a_table).await;
}

#[tokio::test]
async fn a_table_keeps_the_leases_promises() {
    contract::lease(in_a_table).await;
}

// ------------------------------------------------------------------------------------------ costs

#[tokio::test]
async fn an_idle_tick_is_one_read_however_long_the_ledger_is() {
    for rows in [10, 10_000] {
        let table = in_a_table().await;
        let run = table.run("anna").await;
        let fence = run.take(soon()).await.unwrap().unwrap();
        run.put_head(Version::ABSENT, &full_head(), fence).await.unwrap();
        run.replace(SecretName::GarminBearer, Version::ABSENT, &secret("bearer")).await.unwrap();
        run.release().await.unwrap();
        table.fill("anna", &published(1), rows).await;

        // Cold and warm.
        let run = table.run("anna").await;
        for _ in 0..2 {
            table.wire.asked();
            let (head, _) = run.head().await.unwrap();
            let (bearer, _) = Vault::get(&run, SecretName::GarminBearer).await.unwrap().unwrap();
            assert_eq!((head, bearer.expose_secret()), (full_head(), "bearer"));
            assert_eq!(table.wire.asked(), ["GetItem"], "with {rows} rows");
        }
    }
}

#[tokio::test]
async fn a_row_is_one_request_and_so_is_the_head() {
    let table = in_a_table().await;
    let run = table.run("anna").await;
    let fence = run.take(soon()).await.unwrap().unwrap();
    assert_eq!(table.wire.asked(), ["UpdateItem"]);
    let version = run.put(&wanted(1), Version::ABSENT, fence).await.unwrap();
    run.put(&published(1), version, fence).await.unwrap();
    assert_eq!(table.wire.asked(), ["TransactWriteItems"; 2]);
    run.put_head(Version::ABSENT, &full_head(), fence).await.unwrap();
    assert_eq!(table.wire.asked(), ["UpdateItem"]);
    run.release().await.unwrap();
    run.release().await.unwrap();
    assert_eq!(table.wire.asked(), ["UpdateItem"]);
}

#[tokio::test]
async fn a_charge_that_nobody_disputes_is_one_request() {
    let table = in_a_table().await;
    let budget = table.store();
    assert!(charge(&budget, noon()).await.is_ok());
    assert_eq!(table.wire.asked(), ["GetItem", "PutItem"], "the first of a process looks first");
    assert!(charge(&budget, noon()).await.is_ok());
    assert_eq!(table.wire.asked(), ["PutItem"]);
    assert!(charge(&table.store(), noon()).await.is_ok());
    table.wire.asked();
    assert!(charge(&budget, noon()).await.is_ok());
    assert_eq!(table.wire.asked(), ["PutItem", "PutItem"], "one that is disputed is told by what");
    assert_eq!(budget.view(&app(), noon()).await.unwrap().overall_day.used, 4);
}

#[tokio::test]
async fn a_listing_of_many_rows_reads_page_after_page() {
    let table = in_a_table().await;
    let mut large = wanted(1);
    large.note(noon(), "x".repeat(6_000));
    table.fill("anna", &large, 500).await;
    let run = table.run("anna").await;

    let open: Vec<u64> = run.open().await.unwrap().iter().map(|(row, _)| row.id().0).collect();
    assert_eq!(open, (1..=500).collect::<Vec<_>>());
    let pages = table.wire.asked();
    assert!(pages.len() >= 3 && pages.iter().all(|action| action == "Query"), "{pages:?}");

    let listed = run.list(&Filter::default()).await.unwrap();
    let ids: Vec<u64> = listed.iter().map(|row| row.id().0).collect();
    assert_eq!(ids, (1..=500).rev().collect::<Vec<_>>());
    assert_eq!(table.wire.asked().iter().filter(|action| *action == "BatchGetItem").count(), 5);

    assert_eq!(run.list(&Filter { limit: Some(1), ..Filter::default() }).await.unwrap(), listed[..1]);
    let cut = table.wire.requests();
    assert_eq!(cut[0].body["Limit"], 1);
    assert_eq!(cut.len(), 2);
    assert_eq!(run.count().await.unwrap().get(StateName::Wanted), 500);
}

#[tokio::test]
async fn rows_are_added_oldest_first_and_what_a_cut_leaves_is_newer_than_what_is_there() {
    let table = in_a_table().await;
    let run = table.run("anna").await;
    let fence = run.take(soon()).await.unwrap().unwrap();
    let rows: Vec<Row> = (1..=120).map(wanted).collect();
    let refused = Answer::error(400, "AccessDeniedException", "no");
    // Two chunks, each with a look at what is there, and then the third one fails.
    table.wire.treat([Answer::Pass, Answer::Pass, Answer::Pass, Answer::Pass, Answer::Pass, refused]);
    run.add(&rows, fence).await.unwrap_err();
    let there: Vec<u64> = run.open().await.unwrap().iter().map(|(row, _)| row.id().0).collect();
    assert_eq!(there, (1..=100).collect::<Vec<_>>());
    let added = run.add(&rows, fence).await.unwrap();
    assert_eq!(added, (101..=120).map(GarminId).collect::<Vec<_>>());
}

// ------------------------------------------------------------------------------------------ lease

#[tokio::test]
async fn a_lease_that_is_over_goes_to_the_next_run_and_the_first_one_writes_no_more() {
    let table = in_a_table().await;
    let (first, second) = (table.run("anna").await, table.run("anna").await);
    let old = first.take(at("2026-11-23T12:02:00Z")).await.unwrap().unwrap();
    let row = first.put(&wanted(1), Version::ABSENT, old).await.unwrap();
    let head = first.put_head(Version::ABSENT, &full_head(), old).await.unwrap();
    table.clock.set(at("2026-11-23T12:01:59.999Z"));
    assert_eq!(second.take(soon()).await.unwrap(), None);
    table.clock.set(at("2026-11-23T12:02:00Z"));
    let new = second.take(soon()).await.unwrap().unwrap();

    assert!(new > old);
    assert_eq!(first.put(&published(1), row, old).await, Err(PutError::Conflict));
    assert_eq!(first.put_head(head, &Head::default(), old).await, Err(PutError::Conflict));
    assert_eq!(first.add(&[wanted(2)], old).await, Err(PutError::Conflict));
    // Not even under the number of the other one.
    assert_eq!(first.put(&published(1), row, new).await, Err(PutError::Conflict));
    first.release().await.unwrap();
    assert!(second.renew(soon()).await.unwrap(), "the first run gave up what was not its own");
    assert!(!first.renew(soon()).await.unwrap());
    assert_eq!(first.held(), None);
    second.put(&published(1), row, new).await.unwrap();
}

#[tokio::test]
async fn a_run_that_nobody_followed_goes_on_under_its_number() {
    let table = in_a_table().await;
    let run = table.run("anna").await;
    let fence = run.take(at("2026-11-23T12:02:00Z")).await.unwrap().unwrap();
    table.clock.set(at("2026-11-23T12:03:00Z"));
    let row = run.put(&wanted(1), Version::ABSENT, fence).await.unwrap();
    assert_eq!(run.take(soon()).await.unwrap(), Some(fence));
    run.put(&published(1), row, fence).await.unwrap();
    assert_eq!(table.run("anna").await.take(soon()).await.unwrap(), None);
}

#[tokio::test]
async fn of_runs_that_take_the_lease_at_once_one_has_it() {
    let table = in_a_table().await;
    let mut newest = None;
    for _ in 0..10 {
        let (a, b, c) = (table.run("anna").await, table.run("anna").await, table.run("anna").await);
        let taken = tokio::join!(a.take(soon()), b.take(soon()), c.take(soon()));
        let taken: Vec<Fence> = [taken.0, taken.1, taken.2].into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(taken.len(), 1, "{taken:?}");
        assert!(Some(taken[0]) > newest);
        newest = Some(taken[0]);
        for run in [a, b, c] {
            run.release().await.unwrap();
        }
    }
}

#[tokio::test]
async fn writing_the_head_leaves_lease_and_bearer_alone() {
    let table = in_a_table().await;
    let run = table.run("anna").await;
    let bearer = run.replace(SecretName::GarminBearer, Version::ABSENT, &secret("b")).await.unwrap();
    let fence = run.take(soon()).await.unwrap().unwrap();
    run.put_head(Version::ABSENT, &full_head(), fence).await.unwrap();
    let other = table.run("anna").await;
    assert_eq!(other.take(soon()).await.unwrap(), None);
    let (kept, version) = other.get_fresh(SecretName::GarminBearer).await.unwrap().unwrap();
    assert_eq!((kept.expose_secret(), version), ("b", bearer));
}

// ----------------------------------------------------------------------------------------- budget

#[tokio::test]
async fn charges_of_many_processes_never_exceed_the_limit() {
    let table = in_a_table().await;
    let (a, b, c) = (table.store(), table.store(), table.store());
    let mut made = 0;
    loop {
        let charges = tokio::join!(charge(&a, noon()), charge(&b, noon()), charge(&c, noon()));
        let charges = [charges.0, charges.1, charges.2];
        made += charges.iter().filter(|charge| charge.is_ok()).count();
        if charges.iter().all(Result::is_err) {
            break;
        }
    }
    assert_eq!(made, 200);
    assert_eq!(table.store().view(&app(), noon()).await.unwrap().overall_15min.used, 200);
}

#[tokio::test]
async fn an_account_that_another_process_opened_again_is_not_refused() {
    let table = in_a_table().await;
    let (here, there) = (table.store(), table.store());
    let until = at("2026-11-24T12:00:00Z");
    here.pause(&app(), Full { until, why: FullReason::Inactive }).await.unwrap();
    assert!(charge(&here, noon()).await.is_err());
    there.clear(&app()).await.unwrap();
    assert!(charge(&here, noon()).await.is_ok());
}

// ----------------------------------------------------------------------------- lost and put off

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_not_taken_for_another_runs() {
    let table = in_a_table().await;
    let run = table.run("anna").await;
    let lose = || table.wire.treat([Answer::Lose]);

    lose();
    let fence = run.take(soon()).await.unwrap().unwrap();
    lose();
    assert!(run.renew(soon()).await.unwrap());
    lose();
    let head = run.put_head(Version::ABSENT, &full_head(), fence).await.unwrap();
    lose();
    let head = run.put_head(head, &Head::default(), fence).await.unwrap();
    assert_eq!(run.head().await.unwrap(), (Head::default(), head));
    for name in SecretName::ALL {
        lose();
        let first = run.replace(name, Version::ABSENT, &secret("1")).await.unwrap();
        lose();
        let second = run.replace(name, first, &secret("2")).await.unwrap();
        let (kept, version) = run.get_fresh(name).await.unwrap().unwrap();
        assert_eq!((kept.expose_secret(), version), ("2", second));
        lose();
        run.remove(name).await.unwrap();
        assert!(run.get_fresh(name).await.unwrap().is_none());
    }
    lose();
    run.release().await.unwrap();
    assert!(table.run("anna").await.take(soon()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_charge_whose_answer_is_lost_counts_twice_rather_than_not_at_all() {
    let table = in_a_table().await;
    let budget = table.store();
    assert!(charge(&budget, noon()).await.is_ok());
    table.wire.treat([Answer::Lose]);
    assert!(charge(&budget, noon()).await.is_ok());
    assert_eq!(budget.view(&app(), noon()).await.unwrap().overall_day.used, 3);
}

#[tokio::test]
async fn a_transaction_that_is_repeated_bears_the_token_by_which_it_is_known() {
    let table = in_a_table().await;
    let run = table.run("anna").await;
    let fence = run.take(soon()).await.unwrap().unwrap();
    table.wire.requests();
    // Not done the first time: moto knows no tokens and would do it twice.
    table.wire.treat([Answer::Instead(500, String::new())]);
    run.put(&wanted(1), Version::ABSENT, fence).await.unwrap();
    let tokens: Vec<_> =
        table.wire.requests().iter().map(|asked| asked.body["ClientRequestToken"].clone()).collect();
    assert_eq!(tokens.len(), 2);
    assert!(tokens[0].is_string());
    assert_eq!(tokens[0], tokens[1]);
}

#[tokio::test]
async fn what_is_throttled_is_asked_again() {
    let table = in_a_table().await;
    let run = table.run("anna").await;
    let throttled = || Answer::error(400, "ProvisionedThroughputExceededException", "slow down");
    table.wire.treat([throttled(), throttled()]);
    run.head().await.unwrap();
    assert_eq!(table.wire.asked(), ["GetItem"; 3]);
    table.wire.treat([throttled()]);
    run.take(soon()).await.unwrap().unwrap();
    assert_eq!(table.wire.asked(), ["UpdateItem"; 2]);
}

#[tokio::test]
async fn a_write_that_meets_a_transaction_is_made_again() {
    let table = in_a_table().await;
    let run = table.run("anna").await;
    let met = || Answer::error(400, "TransactionConflictException", "in use");
    table.wire.treat([met(), met()]);
    let fence = run.take(soon()).await.unwrap().unwrap();
    assert_eq!(table.wire.asked(), ["UpdateItem"; 3]);
    for (id, reasons) in [(1, ["TransactionConflict", "None"]), (2, ["None", "ThrottlingError"])] {
        table.wire.treat([Answer::Pass, canceled(&reasons)]);
        assert_eq!(run.add(&[wanted(id)], fence).await.unwrap(), [GarminId(id)]);
        assert_eq!(table.wire.asked(), ["BatchGetItem", "TransactWriteItems", "TransactWriteItems"]);
    }
}

#[tokio::test]
async fn a_transaction_that_met_another_and_failed_its_condition_is_a_conflict() {
    let table = in_a_table().await;
    let run = table.run("anna").await;
    let fence = run.take(soon()).await.unwrap().unwrap();
    table.wire.treat([canceled(&["ConditionalCheckFailed", "TransactionConflict"])]);
    assert_eq!(run.put(&wanted(1), Version::ABSENT, fence).await, Err(PutError::Conflict));
}

#[tokio::test]
async fn keys_that_are_left_over_are_asked_for_again() {
    let table = in_a_table().await;
    let run = table.run("anna").await;
    let fence = run.take(soon()).await.unwrap().unwrap();
    run.add(&[wanted(1), wanted(2)], fence).await.unwrap();
    table.wire.requests();
    let left_over = |found: &[&str], left: &[&str]| {
        let key = |id: &&str| json!({ "pk": { "S": "athlete#anna" }, "sk": { "S": format!("activity#{id:0>20}") } });
        let left: Vec<_> = left.iter().map(key).collect();
        let found: Vec<_> = found.iter().map(key).collect();
        let (table, left) = (&table.table, json!({ "Keys": left, "ConsistentRead": true }));
        Answer::Instead(
            200,
            json!({ "Responses": { table: found }, "UnprocessedKeys": { table: left } }).to_string(),
        )
    };
    table.wire.treat([left_over(&[], &["1", "2", "3"]), left_over(&["1"], &["2", "3"])]);
    let known = run.known(&[GarminId(1), GarminId(2), GarminId(3)]).await.unwrap();
    assert_eq!(known, [GarminId(1), GarminId(2)].into());
    let asked = table.wire.requests();
    let keys = |asked: &Asked| asked.body["RequestItems"][&table.table]["Keys"].as_array().unwrap().len();
    assert_eq!(asked.iter().map(keys).collect::<Vec<_>>(), [3, 3, 2]);
}

fn canceled(reasons: &[&str]) -> Answer {
    let reasons: Vec<_> = reasons.iter().map(|code| json!({ "Code": code })).collect();
    let body =
        json!({ "__type": "TransactionCanceledException", "Message": "", "CancellationReasons": reasons });
    Answer::Instead(400, body.to_string())
}

fn app() -> AppId {
    AppId("12345".to_owned())
}

async fn charge(store: &DynamoStore, now: Timestamp) -> Result<(), Full> {
    store.charge(&app(), Kind::Upload, Purpose::Everyday, now).await.unwrap()
}
