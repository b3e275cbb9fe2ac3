//! Building what is packaged, for the machine that is to run it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Architecture, Refusal};

/// How this machine gets at a binary for one kind of processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is of that kind itself.
    Plain,
    /// A linker of the other kind.
    Linker(OsString),
    /// `cargo zigbuild`, which brings a linker for every kind, and for the glibc one asks for.
    Zig,
}

/// What the machine has, as far as building for one target is concerned.
pub(crate) struct Bench {
    /// As rustc names the machine it runs on.
    pub(crate) host: String,
    /// Whether Rust's standard library is there for the target.
    pub(crate) library: bool,
    pub(crate) zig: bool,
    pub(crate) linker: Option<OsString>,
}

impl Bench {
    pub(crate) fn of_this_machine(architecture: Architecture) -> Result<Bench, Refusal> {
        let target = architecture.target();
        let host = rustc(&["-vV"])?
            .lines()
            .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
            .ok_or_else(|| Refusal::Tool("rustc does not say what machine it runs on".to_owned()))?;
        // A target that rustc does not know has no library either.
        let library = rustc(&["--print", "target-libdir", "--target", target])
            .is_ok_and(|folder| holds_core(Path::new(folder.trim())));
        let named = std::env::var_os(linker_variable(target));
        let usual = OsString::from(architecture.usual_linker());
        let linker = named.or_else(|| found(Path::new(&usual)).then_some(usual));
        Ok(Bench { host, library, zig: zig(), linker })
    }

    /// How to build, or one sentence about what is missing.
    pub(crate) fn way(&self, architecture: Architecture) -> Result<Way, Refusal> {
        let target = architecture.target();
        if self.host == target {
            return Ok(Way::Plain);
        }
        let way = match &self.linker {
            _ if self.zig => Some(Way::Zig),
            Some(linker) => Some(Way::Linker(linker.clone())),
            None => None,
        };
        let mut missing = Vec::new();
        if !self.library {
            missing.push(format!("Rust's standard library for it (`rustup target add {target}`)"));
        }
        if way.is_none() {
            missing.push(format!(
                "a linker for it (`pip install cargo-zigbuild`, or {})",
                architecture.usual_linker()
            ));
        }
        match way {
            Some(way) if missing.is_empty() => Ok(way),
            _ => Err(Refusal::CannotBuild { architecture, missing: missing.join(" and ") }),
        }
    }
}

/// Whether `cargo zigbuild` works here.
pub(crate) fn zig() -> bool {
    let quiet = |mut command: Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    let mut zigbuild = Command::new("cargo-zigbuild");
    zigbuild.arg("--version");
    quiet(zigbuild)
}

/// The function, built in the profile that is for it. Returns where the binary is.
pub(crate) fn function(workspace: &Path, architecture: Architecture, way: &Way) -> Result<PathBuf, Refusal> {
    let target = architecture.target();
    let mut command = cargo(workspace);
    let target = match way {
        Way::Zig => {
            command.arg("zigbuild");
            format!("{target}.2.34")
        }
        Way::Linker(linker) => {
            command.arg("build").env(linker_variable(target), linker);
            target.to_owned()
        }
        Way::Plain => {
            command.arg("build");
            target.to_owned()
        }
    };
    // By itself: built together with the command, it would get the command's features too.
    command.args(["--package", "fitferry-lambda", "--bin", "bootstrap", "--profile", "function", "--target"]);
    command.arg(target);
    if let Some(flags) = without_folders(workspace) {
        command.arg("--config").arg(flags);
    }
    built(command, "bootstrap")
}

/// The command, as the tests build it: the only one who can say whether a configuration is right.
pub(crate) fn fitferry(workspace: &Path) -> Result<PathBuf, Refusal> {
    let mut command = cargo(workspace);
    command.args(["build", "--package", "fitferry", "--bin", "fitferry"]);
    built(command, "fitferry")
}

fn cargo(workspace: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (key, _) in std::env::vars_os().filter(|(key, _)| is_about_us(&key.to_string_lossy())) {
        command.env_remove(key);
    }
    command.current_dir(workspace);
    command
}

/// What `cargo run` tells xtask of itself. Build scripts, `ring`'s among them, run anew where it differs, and everything
/// that rests on them is built anew: in turn for xtask, by a cargo that knows nothing of it, and for what is packaged.
fn is_about_us(key: &str) -> bool {
    const BEGINS: [&str; 3] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
    const IS: [&str; 3] = ["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"];
    IS.contains(&key) || BEGINS.iter().any(|beginning| key.starts_with(beginning))
}

/// Runs cargo, which shows its progress, and reads from it where the binary is.
fn built(mut command: Command, name: &str) -> Result<PathBuf, Refusal> {
    command.args(["--locked", "--message-format", "json-render-diagnostics"]);
    let failed = |error: std::io::Error| Refusal::Tool(format!("cargo did not run: {error}"));
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let stdout = child.stdout.take().expect("standard output is piped");
    let mut binary = None;
    for line in BufReader::new(stdout).lines() {
        // Anything else on standard output is somebody's build script.
        let Ok(message) = serde_json::from_str::<Value>(&line.map_err(failed)?) else { continue };
        if message["reason"] == "compiler-artifact" && message["target"]["name"] == name {
            binary = message["executable"].as_str().map(PathBuf::from).or(binary);
        }
    }
    let status = child.wait().map_err(failed)?;
    match binary {
        Some(binary) if status.success() => Ok(binary),
        _ => Err(Refusal::Tool(format!("`{name}` was not built"))),
    }
}

/// Flags that keep this machine's folders out of the binary. They tell about its owner, and with them two
/// checkouts of the same sources would make different functions.
fn without_folders(workspace: &Path) -> Option<String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))?;
    let flags = [format!("{}=cargo", home.to_str()?), format!("{}=fitferry", workspace.to_str()?)];
    // A list of strings in JSON is one in TOML too.
    let flags = flags.map(|flag| format!("--remap-path-prefix={flag}"));
    Some(format!("target.'cfg(all())'.rustflags={}", serde_json::to_string(&flags).ok()?))
}

fn linker_variable(target: &str) -> String {
    format!("CARGO_TARGET_{}_LINKER", target.replace('-', "_").to_uppercase())
}

fn rustc(arguments: &[&str]) -> Result<String, Refusal> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(arguments)
        .output()
        .map_err(|error| Refusal::Tool(format!("rustc did not run: {error}")))?;
    if !output.status.success() {
        return Err(Refusal::Tool(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a folder of libraries is more than a name.
fn holds_core(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.into_iter().any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
}

/// Whether a program is there under this name.
fn found(program: &Path) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    const X86: &str = "x86_64-unknown-linux-gnu";

    fn bench(host: &str) -> Bench {
        Bench { host: host.to_owned(), library: true, zig: false, linker: None }
    }

    #[test]
    fn a_machine_builds_for_its_own_kind_with_what_it_has() {
        assert_eq!(bench(X86).way(Architecture::X86_64).unwrap(), Way::Plain);
        assert_eq!(bench("aarch64-unknown-linux-gnu").way(Architecture::Arm64).unwrap(), Way::Plain);
    }

    #[test]
    fn a_build_knows_nothing_of_the_one_that_asks_for_it() {
        // Cargo sets them for this test as well.
        assert!(
            std::env::var_os("CARGO_PKG_NAME").is_some() && std::env::var_os("CARGO_MANIFEST_DIR").is_some()
        );
        let command = cargo(Path::new("."));
        let set = |name| command.get_envs().all(|(key, value)| key != name || value.is_some());
        let removed = |name: &str| command.get_envs().any(|(key, value)| key == name && value.is_none());
        assert!(removed("CARGO_PKG_NAME") && removed("CARGO_MANIFEST_DIR"), "{command:?}");
        assert!(set("PATH") && set("CARGO_HOME"), "{command:?}");
    }

    #[test]
    fn the_other_kind_goes_through_zig_or_a_linker() {
        let linker = Some(OsString::from("aarch64-linux-gnu-gcc"));
        let with = Bench { linker: linker.clone(), ..bench(X86) };
        assert_eq!(with.way(Architecture::Arm64).unwrap(), Way::Linker("aarch64-linux-gnu-gcc".into()));
        let both = Bench { zig: true, linker, ..bench(X86) };
        assert_eq!(both.way(Architecture::Arm64).unwrap(), Way::Zig);
    }

    #[test]
    fn what_is_missing_for_the_other_kind_is_told_in_one_sentence() {
        let nothing = Bench { library: false, ..bench("aarch64-apple-darwin") };
        assert_eq!(
            nothing.way(Architecture::X86_64).unwrap_err().to_string(),
            "a function for x86_64 cannot be built here, it takes Rust's standard library for it \
             (`rustup target add x86_64-unknown-linux-gnu`) and a linker for it \
             (`pip install cargo-zigbuild`, or x86_64-linux-gnu-gcc)"
        );
        let no_library = Bench { library: false, zig: true, ..bench(X86) };
        let told = no_library.way(Architecture::Arm64).unwrap_err().to_string();
        assert!(
            told.contains("rustup target add aarch64-unknown-linux-gnu") && !told.contains("linker"),
            "{told}"
        );
        let told = bench(X86).way(Architecture::Arm64).unwrap_err().to_string();
        assert!(told.contains("cargo-zigbuild") && !told.contains("rustup"), "{told}");
    }
}
