//! Chores in Rust: `cargo xtask tidy` checks what no compiler checks, `cargo xtask package` makes what AWS
//! Lambda is given, `cargo xtask simulate` plays seeds of the simulation, `cargo xtask fuzz` feeds hostile input.
//!
//! The check of `tidy` is a test too, so that `make test` runs it.

/// A simulated life is mostly small pieces of memory that come and go.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod fuzz;
mod package;
mod simulate;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use package::{Architecture, Order};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of fitferry")]
enum Chore {
    /// Checks the house: which crate imports which, and how long files are
    Tidy,
    /// Packages the function for AWS Lambda, and the layer with its configuration
    Package {
        /// What the function is to run on
        #[arg(long, value_enum, default_value_t = Architecture::X86_64)]
        arch: Architecture,
        /// The configuration for the layer [default: infra/config.toml]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Plays lives of the real engine in a simulated world, and tells of the first violation
    Simulate(simulate::Asked),
    /// Feeds hostile input to every reader, guided by coverage, and tells of the promises it broke
    Fuzz(fuzz::Asked),
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to the one who runs it")]
fn main() -> ExitCode {
    let done = match Chore::parse() {
        Chore::Tidy => tidy::check().map(|()| vec!["tidy".to_owned()]),
        Chore::Package { arch, config } => package(arch, config),
        Chore::Fuzz(asked) => fuzz::fuzz(&asked, &workspace()),
        Chore::Simulate(asked) => return simulate::run(&asked),
    };
    match done {
        Ok(lines) => {
            for line in lines {
                println!("{line}");
            }
            ExitCode::SUCCESS
        }
        Err(findings) => {
            for finding in findings {
                eprintln!("{finding}");
            }
            ExitCode::FAILURE
        }
    }
}

/// The checkout that this was built from.
fn workspace() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.parent().map_or_else(|| folder.to_owned(), Path::to_owned)
}

fn package(architecture: Architecture, config: Option<PathBuf>) -> Result<Vec<String>, Vec<String>> {
    let workspace = workspace();
    let config = config.unwrap_or_else(|| workspace.join("infra/config.toml"));
    let order = Order { folder: workspace.join("target/package"), workspace, architecture, config };
    match package::package(&order) {
        Ok(packed) => Ok(packed
            .iter()
            .map(|zip| format!("{}: {} bytes, {} unpacked", zip.path.display(), zip.packed, zip.unpacked))
            .collect()),
        Err(refusal) => {
            let mut lines: Vec<String> = refusal.findings().map(str::to_owned).into_iter().collect();
            lines.push(format!("package: {refusal}."));
            Err(lines)
        }
    }
}
