//! Chores in Rust: `cargo xtask tidy` checks what no compiler checks.
//!
//! The same check is a test, so that `make test` runs it.

mod tidy;

use std::process::ExitCode;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to the one who runs it")]
fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
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
            eprintln!("usage: cargo xtask tidy");
            ExitCode::from(2)
        }
    }
}
