//! `cargo xtask package`: what AWS Lambda is given. The function, a zip with `bootstrap` at its root; and the
//! layer, a zip with `fitferry/config.toml`, which Lambda unpacks under `/opt`. So other rules are another
//! layer, and the function's code stays.
//!
//! Whatever is refused, is refused before a zip is there: `target/package` holds what was packaged last, whole,
//! or nothing.

mod archive;
mod binary;
mod compile;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use archive::Entry;
use binary::Unfit;
use compile::{Bench, Way};

/// What Lambda runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Architecture {
    #[value(name = "x86_64")]
    X86_64,
    #[value(name = "arm64")]
    Arm64,
}

impl Architecture {
    /// As Rust calls it.
    fn target(self) -> &'static str {
        match self {
            Architecture::X86_64 => "x86_64-unknown-linux-gnu",
            Architecture::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// As Linux distributions call their linker for it.
    fn usual_linker(self) -> &'static str {
        match self {
            Architecture::X86_64 => "x86_64-linux-gnu-gcc",
            Architecture::Arm64 => "aarch64-linux-gnu-gcc",
        }
    }

    fn zip(self) -> &'static str {
        match self {
            Architecture::X86_64 => "function-x86_64.zip",
            Architecture::Arm64 => "function-arm64.zip",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Architecture::X86_64 => "x86_64",
            Architecture::Arm64 => "arm64",
        })
    }
}

/// What is to be packaged.
pub(crate) struct Order {
    /// The checkout.
    pub(crate) workspace: PathBuf,
    /// Where the zips go: Terraform looks for them in `target/package`.
    pub(crate) folder: PathBuf,
    pub(crate) architecture: Architecture,
    /// What the layer carries.
    pub(crate) config: PathBuf,
}

/// Why there is no zip; each is one sentence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("a function for {architecture} cannot be built here, it takes {missing}")]
    CannotBuild { architecture: Architecture, missing: String },
    #[error("{} cannot be read ({why})", path.display())]
    NoConfig { path: PathBuf, why: std::io::Error },
    #[error("{} is not right, so nothing was packaged", path.display())]
    ConfigRefused { path: PathBuf, findings: String },
    #[error("{0}")]
    Unfit(Unfit),
    #[error("{0}")]
    Tool(String),
    #[error("{} cannot be written ({why})", path.display())]
    Write { path: PathBuf, why: std::io::Error },
}

impl Refusal {
    /// What `config check` had to say, before the sentence.
    pub(crate) fn findings(&self) -> Option<&str> {
        match self {
            Refusal::ConfigRefused { findings, .. } => Some(findings.trim_end()),
            _ => None,
        }
    }
}

/// A zip that was written.
pub(crate) struct Packed {
    pub(crate) path: PathBuf,
    /// Bytes of the zip, and of what is in it.
    pub(crate) packed: usize,
    pub(crate) unpacked: usize,
}

/// Packages function and layer, after everything of an earlier time is gone.
pub(crate) fn package(order: &Order) -> Result<Vec<Packed>, Refusal> {
    clear(&order.folder)?;
    let way = Bench::of_this_machine(order.architecture)?.way(order.architecture)?;
    let config = config(order)?;
    let bootstrap = bootstrap(order, &way)?;

    let function = Entry { name: "bootstrap", mode: 0o755, bytes: &bootstrap };
    let layer = Entry { name: "fitferry/config.toml", mode: 0o644, bytes: &config };
    Ok(vec![
        write(&order.folder, order.architecture.zip(), &function)?,
        write(&order.folder, "layer.zip", &layer)?,
    ])
}

/// Terraform must never find a zip that is not of this order.
fn clear(folder: &Path) -> Result<(), Refusal> {
    for name in [Architecture::X86_64.zip(), Architecture::Arm64.zip(), "layer.zip"] {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                return Err(Refusal::Write { path, why });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The bytes of a configuration that `fitferry config check` finds right by itself: what this machine's
/// environment says besides does not count, since Lambda's will not say it.
fn config(order: &Order) -> Result<Vec<u8>, Refusal> {
    let path = order.config.clone();
    let unreadable = |why| Refusal::NoConfig { path: path.clone(), why };
    let bytes = fs::read(&path).map_err(unreadable)?;
    let mut check = Command::new(compile::fitferry(&order.workspace)?);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FITFERRY_") {
            check.env_remove(name);
        }
    }
    let output = check
        .env("FITFERRY_HOME", order.folder.join("home"))
        .arg("--config")
        .arg(std::path::absolute(&path).map_err(unreadable)?)
        .args(["config", "check"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Refusal::Tool(format!("`fitferry config check` did not run: {error}")))?;
    if !output.status.success() {
        let findings = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Refusal::ConfigRefused { path, findings });
    }
    Ok(bytes)
}

/// The function's bytes, of the right kind and fit for Lambda.
fn bootstrap(order: &Order, way: &Way) -> Result<Vec<u8>, Refusal> {
    let build = |way: &Way| {
        let path = compile::function(&order.workspace, order.architecture, way)?;
        fs::read(&path).map_err(|why| Refusal::Tool(format!("{} cannot be read ({why})", path.display())))
    };
    let bytes = build(way)?;
    match binary::check(&bytes, order.architecture) {
        Ok(()) => Ok(bytes),
        // A machine with a newer glibc than Lambda's links against that, unless zig does it.
        Err(Unfit::TooNew(_)) if *way == Way::Plain && compile::zig() => {
            let bytes = build(&Way::Zig)?;
            binary::check(&bytes, order.architecture).map_err(Refusal::Unfit)?;
            Ok(bytes)
        }
        Err(unfit) => Err(Refusal::Unfit(unfit)),
    }
}

/// Writes a zip of one file, in one stroke.
fn write(folder: &Path, name: &str, entry: &Entry<'_>) -> Result<Packed, Refusal> {
    let path = folder.join(name);
    let cannot = |why| Refusal::Write { path: path.clone(), why };
    let zip = archive::archive(std::slice::from_ref(entry)).map_err(|error| cannot(error.into()))?;
    let part = path.with_extension("part");
    fs::create_dir_all(folder).map_err(cannot)?;
    fs::write(&part, &zip).and_then(|()| fs::rename(&part, &path)).map_err(cannot)?;
    Ok(Packed { packed: zip.len(), unpacked: entry.bytes.len(), path })
}

#[cfg(test)]
mod tests;
