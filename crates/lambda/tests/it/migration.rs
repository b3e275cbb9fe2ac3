//! From the original project: its token is read from its table, signed in with, and pushed, by the very
//! commands that docs/aws.md spells out.

use std::sync::Arc;

use serde_json::json;

use crate::account::{Account, Setup};
use crate::cloud::Cloud;
use crate::function::Function;
use crate::tools;

/// The original project's table.
const TABLE: &str = "strava_tokens";

pub fn the_original_projects_token_moves_with_the_documented_commands(cloud: &Arc<Cloud>) {
    let anna = Account::new(cloud, "migration", Setup::default());
    let run = anna.add_run("A Run", 5);
    let token = anna.strava_refresh_token();
    cloud.secrets.add([token.clone()]);
    cloud.aws.json(
        "dynamodb",
        "DynamoDB_20120810.CreateTable",
        &json!({
            "TableName": TABLE,
            "AttributeDefinitions": [{"AttributeName": "athlete_id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "athlete_id", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        }),
    );
    let item = json!({"athlete_id": {"S": "1"}, "refresh_token": {"S": token}, "expires_at": {"N": "1"}});
    cloud.aws.put_all(TABLE, &[item]);

    let [look, hand_over] = documented();
    // The first one shows the token, as the page says; what the second one shows is searched.
    let shown = anna.shell(&look);
    assert!(shown.stdout.contains("refresh_token"), "{shown:?}");
    let here = hand_over
        .replace("12345", &anna.client_id().to_string())
        .replace("--to dynamodb:fitferry", &format!("--to {} --yes", anna.store()));
    anna.heard_shell(&here);
    cloud.aws.json("dynamodb", "DynamoDB_20120810.DeleteTable", &json!({"TableName": TABLE}));

    Function::start(&anna, &[]).tick();
    anna.assert_arrived(&[run]);
}

/// The two blocks of commands in the page's section.
fn documented() -> [String; 2] {
    let page = std::fs::read_to_string(tools::root().join("docs/aws.md")).expect("the page is there");
    let (_, section) =
        page.split_once("## Coming from the original Python project").expect("the page has the section");
    let mut blocks = section.split("```").skip(1).step_by(2).map(str::to_owned);
    let mut next = || blocks.next().expect("the section has two blocks of commands");
    [next(), next()]
}
