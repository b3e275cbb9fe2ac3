//! The command `fitferry`: read the line, read the configuration, run, print the error, exit.
//!
//! Everything that decides about activities is in `fitferry-core`; here are its wiring, what a person
//! types and what a person reads.

#![expect(unreachable_pub, reason = "no other crate uses a program: here `pub` is for the other modules")]

mod args;
mod browser;
mod commands;
#[cfg(test)]
mod errors;
mod logging;
mod oauth_listener;
mod output;
mod secrets;
mod tables;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use fitferry_app::error::CommandError;

use crate::args::Cli;
use crate::commands::Context;

fn main() -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    let cli = match args::parse(&argv) {
        Ok(cli) => cli,
        Err(error) => return unreadable(&argv, &error),
    };
    output::set_color(cli.global.color);
    logging::start(&cli.global);
    let mut context = Context::new(&cli.global);
    let outcome = run(&mut context, &cli);
    finish(&context, outcome)
}

fn run(context: &mut Context, cli: &Cli) -> Result<u8, CommandError> {
    // Only a second call could fail, and it would change nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if commands::needs_settings(&cli.command) {
        context.settings = fitferry_app::config::load(&context.asked, &context.environment)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::io("cannot start", &error))?;
    let outcome = runtime.block_on(commands::run(context, &cli.command));
    // A thread that waits for a person's answer would keep the process.
    runtime.shutdown_background();
    outcome
}

fn finish(context: &Context, outcome: Result<u8, CommandError>) -> ExitCode {
    let error = match outcome {
        Ok(exit) => return exit.into(),
        Err(error) => error,
    };
    if context.json && !context.out.has_document() {
        // Where standard output is what failed, the exit code has to do.
        let _ = context.out.json(&serde_json::json!({ "error": error.to_json() }));
    }
    context.say.error(&error);
    error.exit_code().into()
}

/// Help, the version, or a line that cannot be read.
fn unreadable(argv: &[OsString], error: &clap::Error) -> ExitCode {
    output::set_color(args::wanted_color(argv));
    let printed = output::clap_text(error);
    if !error.use_stderr() {
        return if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(2) };
    }
    if args::wants_json(argv) {
        let document = serde_json::json!({ "error": usage(error).to_json() });
        let _ = output::Out::default().json(&document);
    }
    ExitCode::from(2)
}

fn usage(error: &clap::Error) -> CommandError {
    let text = error.render().to_string();
    let message = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a command is missing",
        _ => text.lines().next().unwrap_or_default().trim_start_matches("error: "),
    };
    CommandError::usage(
        message,
        "Run `fitferry --help`, or a command with `--help`, to see what can be typed.",
    )
}
