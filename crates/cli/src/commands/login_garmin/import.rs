//! Another tool's file, or the folder that it keeps it in.

use std::path::{Path, PathBuf};

use fitferry_app::error::{CommandError, Kind};
use fitferry_garmin::{FILE_NAMES, Login};

use crate::commands::Context;

/// A file with a key or tokens is longer than this only by mistake.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

pub(super) fn read(context: &Context, path: &Path) -> Result<Login, CommandError> {
    let path = file_of(path)?;
    let imported = Login::from_file(&read_file(&path)?, context.settings.domain)
        .map_err(|error| unusable(&path, &error.to_string()))?;
    context.say.line(&format!("Taking the login from {}.", path.display()));
    if imported.from.loses_its_copy() {
        context.say.warning(
            "these tokens change with each renewal, so the tool that this login comes from is signed out by \
             the first one",
        );
    }
    Ok(imported.login)
}

fn file_of(path: &Path) -> Result<PathBuf, CommandError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let found = FILE_NAMES.iter().map(|name| path.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| unusable(path, &format!("the folder holds none of {}", FILE_NAMES.join(", "))))
}

pub(super) fn read_file(path: &Path) -> Result<String, CommandError> {
    use std::io::Read as _;
    let read = std::fs::File::open(path).and_then(|file| {
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
        Ok(text)
    });
    read.map_err(|error| unusable(path, &error.to_string()))
}

pub(super) fn unusable(path: &Path, why: &str) -> CommandError {
    CommandError::new(
        Kind::File,
        format!("cannot use {}", path.display()),
        format!(
            "Name a readable file as {} with `fitferry login garmin --import PATH`, or sign in with a key: \
             `fitferry login garmin`",
            FILE_NAMES.join(", ")
        ),
    )
    .caused_by(why)
}
