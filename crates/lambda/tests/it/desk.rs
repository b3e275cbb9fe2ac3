//! The command on a person's machine: where logins are made before they are pushed to the cloud.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::recorder::Door;
use crate::tools;

/// What ran, and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// `None`: killed by a signal.
    pub exit: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn worked(self) -> Ran {
        assert_eq!(self.exit, Some(0), "{self:?}");
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { exit: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// A folder for the program, the environment that it runs in, and its way to AWS.
pub struct Desk {
    program: PathBuf,
    home: TempDir,
    environment: Vec<(String, String)>,
    door: Door,
}

impl Desk {
    pub fn new(program: &Path, door: Door, environment: Vec<(String, String)>) -> Desk {
        let home = tempfile::tempdir().expect("a temporary folder");
        Desk { program: program.to_owned(), home, environment, door }
    }

    pub fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = self.command(&self.program);
        let mut child = command.args(arguments).stdin(Stdio::piped()).spawn().expect("the program starts");
        // A program that ends without reading is a story too.
        let _ = child.stdin.take().expect("stdin is piped").write_all(input.as_bytes());
        child.wait_with_output().expect("the program ends").into()
    }

    /// Lines for a shell that has `fitferry` and `aws` on its path, the client secret in a file and Garmin's key in
    /// the variable that `login` takes it from.
    pub fn shell(&self, lines: &str, client_secret: &str, garmin_key: &str) -> Ran {
        let file = self.home.path().join("client-secret.txt");
        std::fs::write(file, format!("{client_secret}\n")).expect("the folder is writable");
        let beside = self.program.parent().expect("the program lies in a folder").to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let installed = tools::root().join("target/tools/moto/bin");
        let folders = [beside, installed].into_iter().chain(std::env::split_paths(&path));
        let path = std::env::join_paths(folders);
        let mut command = self.command(Path::new("sh"));
        command
            .args(["-euc", lines])
            .current_dir(self.home.path())
            .env("PATH", path.expect("folders of a path"))
            .env("FITFERRY_GARMIN__API_KEY", garmin_key)
            .stdin(Stdio::null());
        command.output().expect("a shell starts").into()
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("FITFERRY_HOME", self.home.path())
            .env("AWS_ENDPOINT_URL", self.door.url())
            .envs(self.environment.iter().cloned())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// The command, as cargo builds it for its own tests.
pub fn build() -> PathBuf {
    let output = tools::chore(env!("CARGO"))
        .args(["build", "--locked", "--package", "fitferry", "--message-format", "json-render-diagnostics"])
        .output()
        .expect("cargo runs, since it runs this");
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let built = messages
        .filter(|message| message["target"]["name"] == "fitferry")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    built.unwrap_or_else(|| panic!("the command was not built: {}", String::from_utf8_lossy(&output.stderr)))
}
