//! What the stories need of this machine beside a Rust toolchain.

use std::path::{Path, PathBuf};

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
