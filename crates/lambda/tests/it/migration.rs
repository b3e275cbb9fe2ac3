//! From the original project: its token is read from its table, signed in with, and pushed.

use std::sync::Arc;

use serde_json::json;

use crate::account::{Account, Setup, list};
use crate::cloud::Cloud;
use crate::function::Function;

pub fn the_original_projects_token_moves_with_the_documented_commands(cloud: &Arc<Cloud>) {
    let anna = Account::new(cloud, "migration", Setup::default());
    let run = anna.add_run("A Run", 5);
    let token = anna.strava_refresh_token();
    let _ = (token, run, json!({}));
    let tick = Function::start(&anna, &[]).tick();
    assert_eq!(list(&tick.document, "published").len(), 0);
}
