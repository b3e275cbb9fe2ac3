//! Where configuration, data and cache lie.
//!
//! `FITFERRY_HOME=DIR` puts all three under one folder: `DIR/config.toml`, the data in `DIR` itself, the
//! cache in `DIR/cache`. Else they are in the folders that the platform has for them.

use std::io;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::environment::Environment;

/// The folders of one person, or of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// The file that is read unless `--config` names another.
    pub config_file: PathBuf,
    pub data: PathBuf,
    pub cache: PathBuf,
}

impl Folders {
    /// Everything under one folder.
    pub fn under(home: &Path) -> Folders {
        let home = std::path::absolute(home).unwrap_or_else(|_| home.to_owned());
        Folders { config_file: home.join("config.toml"), cache: home.join("cache"), data: home }
    }

    /// `None`: neither `FITFERRY_HOME` nor a home folder is known.
    pub fn find(environment: &Environment) -> Option<Folders> {
        if let Some(home) = environment.path("FITFERRY_HOME") {
            return Some(Folders::under(&home));
        }
        let platform = etcetera::choose_base_strategy().ok()?;
        Some(Folders {
            config_file: platform.config_dir().join("fitferry/config.toml"),
            data: platform.data_dir().join("fitferry"),
            cache: platform.cache_dir().join("fitferry"),
        })
    }
}

/// Creates a folder that nobody else may look into, where it does not exist.
pub fn create_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        // Another run may have been faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        outcome => outcome,
    }
}
