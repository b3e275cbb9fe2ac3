//! `make package` and `make tf-…`, as a person runs them in this checkout, but with state, plugins and variables
//! of the suite's own: a deployment that a developer has is neither seen nor touched.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::tools;

/// The name of everything that is deployed; not the default, so that a name written down twice shows.
pub const NAME: &str = "fitferry-stories";

pub struct Infra {
    folder: PathBuf,
    endpoint: String,
    /// More of the environment: credentials, and secrets that must not get in.
    environment: Vec<(String, String)>,
}

/// What a chore printed, on both streams.
#[derive(Debug)]
pub struct Ran {
    pub worked: bool,
    pub text: String,
}

impl Infra {
    /// Keeps its files in `folder` and finds AWS at `endpoint`.
    pub fn new(folder: &Path, endpoint: &str, environment: &[(String, String)]) -> Infra {
        let config = "\
            # The stories bring their services by `[endpoints]` and their pace by `[timing]`.\n\
            [sync]\n\
            types = [\"running\"]\n\
            since = \"all\"\n";
        std::fs::write(folder.join("config.toml"), config).expect("the folder is writable");
        let infra = Infra {
            folder: folder.to_owned(),
            endpoint: endpoint.to_owned(),
            environment: environment.to_vec(),
        };
        infra.set_variables("dynamodb");
        infra
    }

    /// Names every variable, so that none comes from a developer's own file.
    pub fn set_variables(&self, vault: &str) {
        let variables = json!({
            "name": NAME,
            "region": null,
            "schedule": "rate(1 minute)",
            "vault": vault,
            "architecture": "x86_64",
            "log_retention_days": 14,
            "deletion_protection": false,
            "kms_key_arn": null,
            "reserved_concurrency": null,
            "alarm_email": null,
            // So that a tick need not take seconds; what depends on longer waits moves the clock.
            "environment": {
                "FITFERRY_TIMING__GARMIN_SPACING": "0s",
                "FITFERRY_TIMING__FIRST_CONFIRM": "150ms",
            },
        });
        std::fs::write(self.variables(), variables.to_string()).expect("the folder is writable");
    }

    /// Runs a chore with these arguments for Terraform, as a shell reads them.
    pub fn make(&self, chore: &str, arguments: &str) -> Ran {
        let state = format!("-state={}", self.state_file().display());
        let changing = format!("{state} -backup=- -var-file={} -input=false", self.variables().display());
        let output = tools::chore("make")
            .arg(chore)
            .arg(format!("CONFIG={}", self.folder.join("config.toml").display()))
            .arg(format!("TF_ARGS={arguments}"))
            .env("CARGO_INCREMENTAL", "0")
            .env("TF_CLI_CONFIG_FILE", self.cli_config())
            .env("TF_DATA_DIR", plugins())
            .env("TF_CLI_ARGS_plan", changing.replace("-backup=- ", ""))
            .env("TF_CLI_ARGS_apply", &changing)
            .env("TF_CLI_ARGS_destroy", &changing)
            .env("TF_IN_AUTOMATION", "1")
            .env("CHECKPOINT_DISABLE", "1")
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .output()
            .expect("the tools were looked for before");
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        Ran { worked: output.status.success(), text }
    }

    pub fn state_file(&self) -> PathBuf {
        self.folder.join("terraform.tfstate")
    }

    pub fn plan_file(&self) -> PathBuf {
        self.folder.join("terraform.plan")
    }

    /// Terraform's memory of what it has made.
    pub fn state(&self) -> Value {
        let text = std::fs::read_to_string(self.state_file()).expect("an apply has written it");
        serde_json::from_str(&text).expect("the state is JSON")
    }

    fn variables(&self) -> PathBuf {
        self.folder.join("stories.tfvars.json")
    }

    /// The configuration that this machine has, else one that uses a mirror of plugins where there is one.
    fn cli_config(&self) -> PathBuf {
        let set = std::env::var_os("TF_CLI_CONFIG_FILE").map(PathBuf::from).filter(|file| file.is_file());
        if let Some(set) = set {
            return set;
        }
        let shared = std::env::var_os("FITFERRY_SHARED")
            .map_or_else(|| tools::root().join("../shared"), PathBuf::from);
        let written = Command::new(shared.join("bin/terraform-cli-config")).arg(&self.folder).output();
        if let Ok(output) = written
            && output.status.success()
        {
            return PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        }
        // Terraform asks its registry.
        let empty = self.folder.join("terraform.rc");
        std::fs::write(&empty, "").expect("the folder is writable");
        empty
    }
}

/// Kept from run to run: a provider is large.
fn plugins() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("terraform")
}
