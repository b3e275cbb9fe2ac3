//! Everything that the stories share: moto, the recorder in front of it, and one deployment.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::aws::{Aws, REGION};
use crate::desk;
use crate::infra::{Infra, Ran};
use crate::moto::Moto;
use crate::package::Package;
use crate::policy::Grants;
use crate::recorder::{Door, Recorder, Who};
use crate::secrets::Secrets;

pub struct Cloud {
    // Kept until the last chore.
    _terraform: Door,
    pub recorder: Recorder,
    pub aws: Aws,
    pub infra: Infra,
    /// What was printed on the way up.
    pub first_plan: Ran,
    pub first_apply: Ran,
    pub deployed: Deployed,
    with_secrets_manager: OnceLock<Deployed>,
    pub package: Package,
    pub secrets: Secrets,
    pub desk_program: PathBuf,
    count: AtomicUsize,
    credentials: Vec<(String, String)>,
    // Kept for its end.
    _moto: Moto,
    folder: TempDir,
}

/// What the server says of the function and its role.
pub struct Deployed {
    pub outputs: Value,
    pub configuration: Value,
    pub environment: Vec<(String, String)>,
    pub timeout: Duration,
    pub memory_mb: u64,
    pub handler: String,
    pub grants: Grants,
}

impl Cloud {
    /// Packages, starts AWS and deploys.
    pub fn up() -> Cloud {
        let folder = tempfile::Builder::new().prefix("aws-").tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.expect("cargo's folder for tests is writable");
        let moto = Moto::start(folder.path());
        let recorder = Recorder::new(moto.url());
        let terraform = recorder.door(Who::Terraform);
        let aws = Aws::at(moto.url());
        let secrets = Secrets::default();
        let credentials = credentials();
        secrets.add(
            credentials.iter().filter(|(key, _)| key.contains("SECRET")).map(|(_, value)| value.clone()),
        );
        let infra = Infra::new(folder.path(), &terraform.url(), &credentials);

        let desk_program = desk::build();
        must(infra.make("tf-init", ""), "make tf-init");
        let plan = format!("-out={}", infra.plan_file().display());
        let first_plan = must(infra.make("tf-plan", &plan), "make tf-plan");
        let first_apply = must(infra.make("tf-apply", "-auto-approve"), "make tf-apply");
        let deployed = Deployed::read(&infra, &aws);
        let package = Package::unpack(&folder.path().join("package"));
        std::fs::create_dir(folder.path().join("logs")).expect("the folder is writable");
        Cloud {
            _terraform: terraform,
            recorder,
            aws,
            infra,
            first_plan,
            first_apply,
            deployed,
            with_secrets_manager: OnceLock::new(),
            package,
            secrets,
            desk_program,
            count: AtomicUsize::new(0),
            credentials,
            _moto: moto,
            folder,
        }
    }

    pub fn table(&self) -> &str {
        self.output("table_name")
    }

    /// An output of the root module.
    pub fn output(&self, name: &str) -> &str {
        self.deployed.output(name)
    }

    /// What signs the requests of a bootstrap or of the desk.
    pub fn credentials(&self) -> Vec<(String, String)> {
        self.credentials.clone()
    }

    /// A number that no other story has.
    pub fn next_number(&self) -> usize {
        self.count.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub fn new_log(&self, of: &str) -> PathBuf {
        self.logs().join(format!("{:03}-{of}.log", self.next_number()))
    }

    pub fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    /// A chore that must work; what it prints is kept for the search.
    pub fn make(&self, chore: &str, arguments: &str) -> Ran {
        let ran = must(self.infra.make(chore, arguments), chore);
        self.secrets.heard(chore, &ran.text);
        ran
    }

    /// The same deployment with the vault in Secrets Manager, changed when a story first asks for it.
    pub fn with_secrets_manager(&self) -> &Deployed {
        self.with_secrets_manager.get_or_init(|| {
            self.infra.set_variables("secretsmanager");
            self.make("tf-apply", "-auto-approve");
            Deployed::read(&self.infra, &self.aws)
        })
    }

    /// What every bootstrap has written so far, by file name.
    pub fn all_logs(&self) -> Vec<(String, String)> {
        let files = std::fs::read_dir(self.logs()).expect("the folder is there").map(|entry| {
            let path = entry.expect("the folder is readable").path();
            let name = path.file_name().expect("it is a file").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).expect("a log is UTF-8"))
        });
        files.collect()
    }

    /// Where logs and state are, for whoever looks into a failure.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends moto, with all that it holds; the files go where nobody needs them.
    pub fn down(mut self, keeps_files: bool) {
        self.folder.disable_cleanup(keeps_files);
    }
}

impl Deployed {
    pub fn read(infra: &Infra, aws: &Aws) -> Deployed {
        let outputs = infra.state()["outputs"].clone();
        let name =
            outputs["function_name"]["value"].as_str().expect("an output names the function").to_owned();
        let (status, configuration) =
            aws.get("lambda", &format!("/2015-03-31/functions/{name}/configuration"));
        assert_eq!(status, 200, "{configuration:#}");
        let role = outputs["role_arn"]["value"].as_str().and_then(|arn| arn.rsplit('/').next());
        let role = role.expect("an output names the role");
        let number = |key: &str| configuration[key].as_u64().expect("the server says it");
        let variables = configuration["Environment"]["Variables"].as_object().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().expect("a variable is a text").to_owned();
        Deployed {
            environment: variables.iter().map(|(key, value)| (key.clone(), text(value))).collect(),
            timeout: Duration::from_secs(number("Timeout")),
            memory_mb: number("MemorySize"),
            handler: text(&configuration["Handler"]),
            grants: Grants::of(&aws.policies_of(role)),
            outputs,
            configuration,
        }
    }

    pub fn output(&self, name: &str) -> &str {
        let value = self.outputs[name]["value"].as_str();
        value.unwrap_or_else(|| panic!("no output {name}: {:#}", self.outputs))
    }

    pub fn function_name(&self) -> String {
        self.output("function_name").to_owned()
    }

    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn must(ran: Ran, what: &str) -> Ran {
    assert!(ran.worked, "`{what}` failed:\n{}", ran.text);
    ran
}

fn credentials() -> Vec<(String, String)> {
    [
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "AKIASTORIESOFFITFERR"),
        ("AWS_SECRET_ACCESS_KEY", "canary/aws+secret/access+key/of+the+sto"),
        ("AWS_SESSION_TOKEN", "canary/aws+session+token/of+the+stories/SECRET"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .to_vec()
}
