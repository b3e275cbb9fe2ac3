//! From the original project: its token is read from its table, signed in with, and pushed, by the commands of
//! `docs/aws.md`.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::account::{Account, Setup, list};
use crate::cloud::Cloud;
use crate::function::Function;
use crate::tools;

pub fn the_original_projects_token_moves_with_the_documented_commands(cloud: &Arc<Cloud>) {
    let anna = Account::new(cloud, "migration", Setup::default());
    let run = anna.add_run("A Run", 5);
    let token = anna.strava_refresh_token();
    let dynamodb = |call: &str, body| cloud.aws.json("dynamodb", &format!("DynamoDB_20120810.{call}"), &body);
    let table = json!({
        "TableName": "strava_tokens",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    dynamodb("CreateTable", table);
    let item = json!({
        "id": {"S": "1"},
        "access_token": {"S": "canary-access-token-of-the-original"},
        "refresh_token": {"S": token},
        "expires_at": {"N": "1764000000"},
    });
    dynamodb("PutItem", json!({"TableName": "strava_tokens", "Item": item}));

    // As printed, but for this story's app, table and program, and with nobody there to say yes.
    let documented = block("## Coming from the original", "login strava")
        .replace("--client-id 12345", &format!("--client-id {}", anna.client_id()))
        .replace("dynamodb:fitferry", &format!("{} --yes", anna.store()));
    let ran = anna.shell_at_desk(&documented);
    dynamodb("DeleteTable", json!({"TableName": "strava_tokens"}));
    let ran = ran.worked();
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(&token), "{ran:?}");

    let tick = Function::start(&anna, &[]).tick();
    assert_eq!(list(&tick.document, "published")[0]["garmin_id"], run, "{:#}", tick.document);
    anna.assert_arrived(&[run]);
}

/// The fenced block of that section of the guide that has this in it.
fn block(section: &str, has: &str) -> String {
    let guide = std::fs::read_to_string(tools::root().join(Path::new("docs/aws.md"))).expect("the guide");
    let text = guide.split(section).nth(1).expect("the guide has this section");
    let text = text.split("\n## ").next().expect("a section has a text");
    let mut blocks = text.split("```\n").skip(1).step_by(2);
    blocks.find(|block| block.contains(has)).expect("the section has such a block").to_owned()
}
