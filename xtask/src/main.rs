//! Chores in Rust: `cargo xtask tidy` checks what no compiler checks, `cargo xtask simulate` plays seeds of the
//! simulation.
//!
//! Both have a smaller run as a test, so that `make test` runs it.

mod simulate;
mod tidy;

use std::process::ExitCode;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to the one who runs it")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("simulate") => simulate::run(&arguments[1..]),
        Some("tidy") => match tidy::check() {
            Ok(()) => {
                println!("tidy");
                ExitCode::SUCCESS
            }
            Err(findings) => {
                for finding in findings {
                    eprintln!("{finding}");
                }
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!("usage: cargo xtask tidy\n{}", simulate::USAGE);
            ExitCode::from(2)
        }
    }
}
