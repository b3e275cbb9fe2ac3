//! The configuration: what is in force for one athlete, and where each value came from.
//!
//! Layers, each over the one before: defaults, the file, the athlete's own section of the file,
//! `FITFERRY_<SECTION>__<KEY>`, flags. One table of keys (`keys`) serves them all. Secrets are never in
//! the file; those that the environment holds are read when they are asked for. Not here: what a login
//! keeps, which is in the store's vault.

mod environment;
mod file;
mod folders;
mod keys;
mod problem;
mod resolve;
mod rules;
mod settings;
#[cfg(feature = "desk")]
pub mod starter;
mod value;

use std::path::{Path, PathBuf};

use jiff::SignedDuration;

pub use environment::{Environment, GARMINS_OWN_KEY};
pub use file::is_athlete;
pub use folders::{Folders, create_private};
pub use keys::SecretKey;
pub use problem::{Place, Problem};
pub use resolve::Report;
pub use settings::Settings;
pub use value::{Since, StoreUrl, VaultKind};

use crate::error::CommandError;

/// What the command line asks for; stands above every other layer.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub config: Option<PathBuf>,
    pub store: Option<String>,
    pub athlete: Option<String>,
}

/// Reads everything and gives what is in force, or the first thing that is wrong.
pub fn load(asked: &Asked, environment: &Environment) -> Result<Settings, CommandError> {
    settled(examine(asked, environment)?)
}

/// Reads everything and names all that is wrong, for `config check`.
pub fn examine(asked: &Asked, environment: &Environment) -> Result<Report, CommandError> {
    examine_in(folders(environment)?, asked, environment)
}

/// As [`load`], where no person has a home: what is relative is below `folders`.
pub fn load_in(folders: Folders, asked: &Asked, environment: &Environment) -> Result<Settings, CommandError> {
    settled(examine_in(folders, asked, environment)?)
}

/// As [`examine`], of a file whose text is here instead of on the disk.
pub fn examine_text(folders: Folders, text: &str, environment: &Environment) -> Report {
    let path = folders.config_file.clone();
    resolve::examine_text(&Asked::default(), environment, folders, &path, text)
}

fn examine_in(folders: Folders, asked: &Asked, environment: &Environment) -> Result<Report, CommandError> {
    let (path, explicit) = config_file(asked, environment, &folders);
    Ok(resolve::examine(asked, environment, folders, &path, explicit))
}

fn settled(report: Report) -> Result<Settings, CommandError> {
    match report.settings {
        Some(settings) if report.problems.is_empty() => Ok(settings),
        _ => Err(CommandError::from_problems(&report.problems)),
    }
}

/// Where the file is, or would be.
pub fn path(asked: &Asked, environment: &Environment) -> Result<PathBuf, CommandError> {
    Ok(config_file(asked, environment, &folders(environment)?).0)
}

/// `--every`, as `[sync] every` is read.
pub fn every(text: &str) -> Result<SignedDuration, String> {
    match value::duration(text)? {
        none if none.is_zero() => Err("expected more than nothing".to_owned()),
        every => Ok(every),
    }
}

/// `--client-id`, as `[strava] client_id` is read.
pub fn client_id(text: &str) -> Result<String, String> {
    match value::read(keys::Kind::ClientId, &value::Raw::Word(text.to_owned()))? {
        value::Value::ClientId(id) => Ok(id),
        _ => Err("not a client id".to_owned()),
    }
}

/// `--types` of `init`, as `[sync] types` is read.
pub fn types(text: &str) -> Result<Vec<String>, String> {
    match value::read(keys::Kind::Types, &value::Raw::Word(text.to_owned()))? {
        value::Value::Types(types) => Ok(types),
        _ => Err("not a list of types".to_owned()),
    }
}

/// `--since` of `init`, as `[sync] since` is read; given back as it is written.
pub fn since(text: &str) -> Result<String, String> {
    match value::read(keys::Kind::Since, &value::Raw::Word(text.to_owned()))? {
        value::Value::Since(Since::All) => Ok("all".to_owned()),
        value::Value::Since(Since::Date(day)) => Ok(day.to_string()),
        _ => Err("not a start date".to_owned()),
    }
}

/// `--domain` of `init`, as `[garmin] domain` is read; given back as it is written.
pub fn domain(text: &str) -> Result<String, String> {
    match value::read(keys::Kind::Domain, &value::Raw::Word(text.to_owned()))? {
        value::Value::Domain(domain) => Ok(domain.name().to_owned()),
        _ => Err("not a domain".to_owned()),
    }
}

fn folders(environment: &Environment) -> Result<Folders, CommandError> {
    Folders::find(environment).ok_or_else(CommandError::no_home)
}

/// The file, and the flag or variable that names it.
fn config_file(
    asked: &Asked,
    environment: &Environment,
    folders: &Folders,
) -> (PathBuf, Option<problem::Place>) {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Some(path) = &asked.config {
        return (absolute(path), Some(problem::Place::Flag("--config")));
    }
    match environment.path("FITFERRY_CONFIG") {
        Some(path) => (absolute(&path), Some(problem::Place::Variable("FITFERRY_CONFIG".to_owned()))),
        None => (folders.config_file.clone(), None),
    }
}

#[cfg(test)]
mod tests;
