//! What the stories need of this machine beside a Rust toolchain.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::moto;

/// The workspace's folder.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the crate lies in its workspace")
}

pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

/// One sentence that names what is missing and its cure; `None` where all is there.
pub fn missing() -> Option<String> {
    let mut missing: Vec<&str> =
        ["make", "terraform", "faketime"].into_iter().filter(|tool| on_path(tool).is_none()).collect();
    if moto::find().is_none() {
        missing.push("moto_server");
    }
    if on_path("aws").is_none() && !root().join("target/tools/moto/bin/aws").is_file() {
        missing.push("aws");
    }
    if missing.is_empty() {
        return None;
    }
    let missing = missing.join(", ");
    Some(format!("The stories of AWS need {missing}, not found on this machine: run `make setup`."))
}

/// Whether this is a run that must prove everything.
pub fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|ci| !ci.is_empty() && ci != "false" && ci != "0")
}

/// A program that is started as from a shell in the workspace's folder.
pub fn chore(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (key, _) in std::env::vars_os() {
        if is_not_for_a_chore(&key.to_string_lossy()) {
            command.env_remove(key);
        }
    }
    command.current_dir(root());
    command
}

/// What `make test`, cargo and a developer's own deployment leave in the environment of a test. Some build scripts
/// run anew for each variable of cargo's that differs.
fn is_not_for_a_chore(key: &str) -> bool {
    const BEGINS: [&str; 9] = [
        "AWS_",
        "TF_VAR_",
        "TF_CLI_ARGS",
        "TF_WORKSPACE",
        "TF_DATA_DIR",
        "TF_LOG",
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
    ];
    const IS: [&str; 7] =
        ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CARGO_CRATE_NAME", "CARGO_TARGET_TMPDIR", "CONFIG", "ARCH"];
    let is_ours = key.starts_with("FITFERRY_") && key != "FITFERRY_SHARED";
    is_ours || IS.contains(&key) || BEGINS.iter().any(|beginning| key.starts_with(beginning))
}
