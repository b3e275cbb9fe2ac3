//! The vault in Secrets Manager: the same deployment, after one variable has changed.

use std::sync::Arc;

use crate::account::{Account, Setup, Vault, list};
use crate::cloud::Cloud;
use crate::function::Function;
use crate::infra::NAME;
use crate::tokens::{assert_kept_before_use, rotations, short_lived};

pub fn a_cold_tick_reads_the_secret_once_and_carries_a_run(cloud: &Arc<Cloud>) {
    let setup = Setup { vault: Vault::SecretsManager, ..Setup::default() };
    let anna = Account::pushed(cloud, "secret", setup);
    let vault = format!("secretsmanager:{NAME}");
    assert_eq!(anna.deployed().variable("FITFERRY_STORE__VAULT"), Some(vault.as_str()));
    let runs = [anna.add_run("One", 30), anna.add_run("Two", 5)];
    let mut function = Function::start(&anna, &[]);
    let tick = function.tick();
    assert_eq!(list(&tick.document, "published").len(), 2, "{:#}", tick.document);
    anna.assert_arrived(&runs);
    for _ in 0..3 {
        let tick = function.tick();
        assert_eq!(tick.document["requests"]["garmin"], 1, "{:#}", tick.document);
        assert_eq!(tick.calls_named(), ["dynamodb:GetItem"], "a warm tick does not read the secret again");
    }
    assert_eq!(reads(&function), 1, "once per process");
    // The table has no login.
    for item in anna.rows() {
        let key = item["sk"]["S"].as_str().unwrap_or_default().to_owned();
        assert!(!key.starts_with("secret#"), "{key}");
    }
    let mut cold = Function::start(&anna, &[]);
    cold.tick();
    assert_eq!(reads(&cold), 1);
}

fn reads(function: &Function<'_>) -> usize {
    function.door().calls().iter().filter(|call| call.action == "GetSecretValue").count()
}

pub fn a_rotated_token_is_in_the_secret_before_it_is_used(cloud: &Arc<Cloud>) {
    let setup = Setup { world: Some(short_lived()), vault: Vault::SecretsManager, ..Setup::default() };
    let anna = Account::pushed(cloud, "secret-rotation", setup);
    let mut runs = Vec::new();
    for hours in [30, 20, 10] {
        runs.push(anna.add_run("A Run", hours));
        let (mark, before) = (anna.steps.mark(), rotations(&anna));
        let tick = Function::start(&anna, &[]).tick();
        assert_eq!(list(&tick.document, "published").len(), 1, "{:#}", tick.document);
        assert!(rotations(&anna) > before, "it renews");
        assert_kept_before_use(&anna.steps.since(mark));
    }
    anna.assert_arrived(&runs);
}
