//! What both logins share: how they end.

use fitferry_app::error::CommandError;
use fitferry_core::ports::Service;
use serde_json::{Map, Value, json};

use super::Context;

/// A login that succeeded.
pub struct Outcome {
    /// Who it is at the service, where it says so.
    pub account: Option<String>,
    /// More for the document.
    pub document: Map<String, Value>,
}

/// Prints the one document of `login --json`, whatever the outcome.
pub fn finish(
    context: &Context,
    service: Service,
    outcome: Result<Outcome, CommandError>,
) -> Result<u8, CommandError> {
    if !context.json {
        return outcome.map(|_| 0);
    }
    let mut document = json!({
        "service": service.key(),
        "ok": outcome.is_ok(),
        "athlete": context.settings.athlete,
    });
    let (exit, more) = match outcome {
        Ok(Outcome { account, document }) => {
            let account = Map::from_iter([("account".to_owned(), json!(account))]);
            (0, account.into_iter().chain(document).collect::<Map<_, _>>())
        }
        Err(error) => {
            context.say.error(&error);
            (error.exit_code(), Map::from_iter([("error".to_owned(), error.to_json())]))
        }
    };
    for (key, value) in more {
        document[key] = value;
    }
    context.out.json(&document)?;
    Ok(exit)
}
