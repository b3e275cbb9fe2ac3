//! `fitferry completions`: what a shell needs to complete our commands.

use clap::CommandFactory as _;
use fitferry_app::error::CommandError;

use super::Context;
use crate::args::{Cli, CompletionsArgs};

pub fn run(context: &Context, args: &CompletionsArgs) -> Result<u8, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "fitferry", &mut script);
    let script = String::from_utf8_lossy(&script);
    if context.json {
        context.out.json(&serde_json::json!({ "shell": args.shell.to_string(), "script": script }))?;
    } else {
        context.out.text(script.trim_end())?;
    }
    Ok(0)
}
