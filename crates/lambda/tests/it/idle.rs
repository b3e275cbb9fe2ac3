//! *Head*: what an idle tick costs, counted at every service.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::account::{Account, Setup};
use crate::cloud::Cloud;
use crate::function::Function;
use crate::recorder::Call;

pub fn an_idle_tick_is_one_request_to_garmin_and_one_read(cloud: &Arc<Cloud>) {
    let anna = Account::pushed(cloud, "idle", Setup::default());
    for day in 1..=10 {
        anna.add_run("Morning Run", 24 * day);
    }
    Function::start(&anna, &[]).tick();
    idle_ticks_cost_nearly_nothing(&anna);
}

pub fn an_idle_tick_costs_the_same_with_ten_thousand_rows(cloud: &Arc<Cloud>) {
    let anna = Account::pushed(cloud, "idle-for-years", Setup::default());
    let ride = anna.add_run("A ride, by its type", 24);
    "cycling".clone_into(&mut anna.world().garmin.activities.get_mut(&ride).expect("it was added").type_key);
    Function::start(&anna, &[]).tick();
    // Moved to other ids: what the bootstrap itself wrote of the one ride.
    let row = anna.row(ride).expect("the ride was noticed");
    let years: Vec<Value> = (1..10_000).map(|back| moved(&row, ride, ride - back)).collect();
    cloud.aws.put_all(cloud.table(), &years);
    assert_eq!(anna.rows().iter().filter(|item| of_an_activity(item)).count(), 10_000);
    idle_ticks_cost_nearly_nothing(&anna);
    // moto copies all that it holds at each transaction: the stories that follow need not wait for that.
    cloud.aws.delete_all(cloud.table(), &years);
}

fn of_an_activity(item: &Value) -> bool {
    item["sk"]["S"].as_str().is_some_and(|key| key.starts_with("activity#"))
}

/// The item of another activity that is like this one.
fn moved(item: &Value, from: u64, to: u64) -> Value {
    let text = item.to_string().replace(&from.to_string(), &to.to_string());
    serde_json::from_str(&text).expect("another number makes it no other JSON")
}

/// Cold and warm, and nothing is different afterwards.
fn idle_ticks_cost_nearly_nothing(anna: &Account) {
    let before = anna.rows();
    let mut function = Function::start(anna, &[]);
    for _ in 0..3 {
        let mark = anna.mark();
        let tick = function.tick();
        assert_eq!(anna.requests_since(mark), (1, 0), "{:#}", tick.document);
        assert_eq!(anna.seen_since(mark).len(), 1, "nothing else was asked for");
        assert_eq!(tick.document["requests"], json!({"garmin": 1, "strava": 0, "tokens": 0}));
        assert_eq!(tick.document["new"], 0);
        assert!(tick.document.get("error").is_none(), "{:#}", tick.document);
        assert_eq!(tick.calls_named(), ["dynamodb:GetItem"]);
    }
    assert_eq!(function.door().calls().iter().filter(|call| Call::is_write(call)).count(), 0);
    assert_eq!(anna.rows(), before, "an idle tick writes nothing");
}
