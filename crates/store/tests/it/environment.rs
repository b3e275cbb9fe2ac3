//! Where region, credentials and endpoint come from: each case is a process with its own environment.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use fitferry_core::ports::Ledger as _;
use fitferry_store::aws;
use fitferry_store::dynamodb::DynamoStore;

use crate::cloud::TestClock;
use crate::moto;

const HOW: &str = "FITFERRY_TEST_CONNECT";
const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "hush")];
/// What the store says once it has asked the AWS on loopback.
const FOUND: &str = "there is no table `nowhere` in eu-central-1";

#[tokio::test]
async fn a_process_finds_aws_by_its_environment() {
    if let Ok(how) = std::env::var(HOW) {
        tell(&how).await;
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let endpoint = ("AWS_ENDPOINT_URL", moto::url());
    let region = ("AWS_REGION", "eu-central-1");
    for how in ["chain", "variables"] {
        let told = |variables: &[(&str, &str)]| told_by_a_process(home, how, variables);
        assert_eq!(told(&[KEYS[0], KEYS[1], region, endpoint]), FOUND);
        let default_region = ("AWS_DEFAULT_REGION", "eu-central-1");
        if how == "variables" {
            assert_eq!(told(&[KEYS[0], KEYS[1], default_region, endpoint]), FOUND);
        }
        assert_eq!(told(&[KEYS[0], KEYS[1], endpoint]), "no AWS region is set");
        assert_eq!(told(&[region, endpoint]), "there are no AWS credentials here");
    }
}

#[tokio::test]
async fn a_process_finds_aws_by_its_profile() {
    if let Ok(how) = std::env::var(HOW) {
        tell(&how).await;
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    let profiles = format!(
        "[profile runner]\nregion = eu-central-1\nendpoint_url = {}\naws_access_key_id = key\n\
         aws_secret_access_key = hush\n\n\
         [profile signed-out]\nregion = eu-central-1\nsso_session = house\nsso_account_id = 123456789012\n\
         sso_role_name = reader\n\n\
         [sso-session house]\nsso_region = eu-central-1\nsso_start_url = https://127.0.0.1/start\n\
         sso_registration_scopes = sso:account:access\n",
        moto::url()
    );
    std::fs::write(&file, profiles).unwrap();
    let told = |profile| {
        let variables = [("AWS_CONFIG_FILE", file.to_str().unwrap()), ("AWS_PROFILE", profile)];
        told_by_a_process(folder.path(), "chain", &variables)
    };
    assert_eq!(told("runner"), FOUND);
    let signed_out = told("signed-out");
    assert!(signed_out.starts_with("the AWS credentials cannot be used ("), "{signed_out}");
    assert!(!signed_out.contains("feature"), "{signed_out}");
}

/// What the first reading of a store in such a process tells.
fn told_by_a_process(home: &Path, how: &str, variables: &[(&str, &str)]) -> String {
    let test = std::thread::current().name().unwrap().to_owned();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture"])
        .env_clear()
        .env("HOME", home)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env(HOW, how)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let told = said.lines().find_map(|line| line.strip_prefix("told: "));
    let told = told.unwrap_or_else(|| panic!("{said}\n{}", String::from_utf8_lossy(&output.stderr)));
    assert!(!told.contains("hush"), "{told}");
    told.to_owned()
}

async fn tell(how: &str) {
    let clock = TestClock::new();
    let aws = match how {
        "chain" => aws::connect(clock).await,
        _ => aws::connect_from_environment(clock),
    };
    let told = match aws {
        Ok(aws) => DynamoStore::new(&aws, "nowhere").athlete("anna").head().await.unwrap_err(),
        Err(error) => error,
    };
    let mut stdout = std::io::stdout();
    writeln!(stdout, "\ntold: {}", told.what).unwrap();
}
