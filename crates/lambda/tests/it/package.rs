//! What `make package` wrote, unpacked as Lambda unpacks it.
//!
//! A layer lies at `/opt` in life. Where this machine lets a process have a view of the file system of its own,
//! it lies there for the bootstrap too; else `FITFERRY_CONFIG` names it.

use std::fs::{File, Permissions};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use crate::tools;

pub struct Package {
    pub function_zip: PathBuf,
    pub layer_zip: PathBuf,
    folder: PathBuf,
    namespace: Option<Vec<String>>,
}

impl Package {
    /// Unpacks both archives into a folder.
    pub fn unpack(folder: &Path) -> Package {
        let written = tools::root().join("target/package");
        let (function_zip, layer_zip) = (written.join("function-x86_64.zip"), written.join("layer.zip"));
        let folder = folder.to_owned();
        extract(&function_zip, &folder.join("task"));
        extract(&layer_zip, &folder.join("layer"));
        let namespace = namespace(&folder.join("layer"));
        Package { function_zip, layer_zip, folder, namespace }
    }

    pub fn task_root(&self) -> PathBuf {
        self.folder.join("task")
    }

    pub fn layer(&self) -> PathBuf {
        self.folder.join("layer")
    }

    /// The command that gives a process a view of its own, where there is one.
    pub fn namespace(&self) -> Option<&[String]> {
        self.namespace.as_deref()
    }

    /// Where the layer is, if it is not at its place.
    pub fn layer_variable(&self) -> Option<(String, String)> {
        let file = self.layer().join("fitferry/config.toml");
        let named = || ("FITFERRY_CONFIG".to_owned(), file.display().to_string());
        self.namespace.is_none().then(named)
    }
}

/// The names of an archive's entries.
pub fn entries(archive: &Path) -> Vec<String> {
    let archive = zip::ZipArchive::new(File::open(archive).expect("`make package` has written it"));
    let archive = archive.expect("it is an archive");
    archive.file_names().map(|name| name.expect("a name is UTF-8").into_owned()).collect()
}

/// One entry of an archive.
pub fn read(archive: &Path, name: &str) -> Vec<u8> {
    let archive = zip::ZipArchive::new(File::open(archive).expect("it was written"));
    let mut content = Vec::new();
    let mut archive = archive.expect("it is an archive");
    archive.by_name(name).expect("it has this entry").read_to_end(&mut content).expect("it is whole");
    content
}

pub fn size(file: &Path) -> u64 {
    file.metadata().expect("it was written").len()
}

/// As AWS gives it: SHA-256, in Base64.
pub fn sha256(file: &Path) -> String {
    BASE64_STANDARD.encode(Sha256::digest(std::fs::read(file).expect("the file is readable")))
}

fn extract(archive: &Path, folder: &Path) {
    let file = File::open(archive).unwrap_or_else(|error| panic!("{}: {error}", archive.display()));
    zip::ZipArchive::new(file).expect("it is an archive").extract(folder).expect("the folder is writable");
    // The archive's modes are kept; who runs the suite must be able to read what was unpacked.
    std::fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("the folder is ours");
}

/// `unshare` with what this machine allows: as a mapped user, or as the one that we are.
fn namespace(layer: &Path) -> Option<Vec<String>> {
    let unshare = tools::on_path("unshare")?.display().to_string();
    let probe = r#"mount --bind "$1" /opt && test -f /opt/fitferry/config.toml"#;
    [vec!["--map-root-user", "--mount"], vec!["--mount"]].into_iter().find_map(|flags| {
        let words: Vec<String> =
            std::iter::once(unshare.clone()).chain(flags.into_iter().map(str::to_owned)).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["sh", "-c", probe, "sh"]).arg(layer);
        let is_allowed = command.output().is_ok_and(|output| output.status.success());
        is_allowed.then_some(words)
    })
}
