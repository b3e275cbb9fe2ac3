//! Garmin's own page in a window that is opened for it, or in any browser with the address pasted.

use std::time::Duration;

use fitferry_app::App;
use fitferry_app::config::{GARMINS_OWN_KEY, SecretKey};
use fitferry_app::error::{CommandError, Kind};
use fitferry_browser::{BrowserError, Launch, Moment, Outcome, Watch};
use fitferry_garmin::sso::{SsoHost, Ticket, browser};

use super::ticket;
use crate::commands::Context;

/// A password has to be found, and a code waited for.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

pub(super) async fn ticket(context: &Context, app: &App) -> Result<Ticket, CommandError> {
    let host = app.garmin_sso();
    match watched(context, &host).await {
        Ok(Outcome::Caught(ticket)) => Ok(ticket),
        Ok(Outcome::Closed) => Err(closed()),
        Ok(Outcome::TimedOut) => Err(nobody_signed_in()),
        Err(error) => {
            context.say.needed(&format!(
                "{}.\nSign in on this page in any browser, on any machine:\n\n  {}\n\nIt ends at an address with \
                 `ticket=ST-` in it, or on a page that shows it. That lasts for a minute.",
                capitalised(&error.to_string()),
                browser::page(&host)
            ));
            ticket::pasted(context).await
        }
    }
}

async fn watched(context: &Context, host: &SsoHost) -> Result<Outcome<Ticket>, BrowserError> {
    let mut launch = Launch::new(fitferry_browser::find(|name| std::env::var_os(name))?);
    // A browser has no use for our secrets.
    launch.hidden_variables = SecretKey::ALL
        .into_iter()
        .flat_map(|secret| [secret.variable(), secret.file_variable()])
        .chain([GARMINS_OWN_KEY.to_owned()])
        .collect();
    context.say.line(
        "Garmin's page opens in a window of its own, which closes by itself once you have signed in there. \
         fitferry does not see your password.",
    );
    let watches: Vec<Watch> = browser::watches(host)
        .into_iter()
        .map(|watch| Watch {
            pattern: watch.pattern,
            moment: match watch.moment {
                browser::Moment::Request => Moment::Request,
                browser::Moment::Answer => Moment::Answer,
            },
        })
        .collect();
    let page = browser::page(host);
    fitferry_browser::catch(&launch, page.as_str(), &watches, PATIENCE, |seen| {
        let addresses: Vec<&str> = [Some(seen.url), seen.sent_on_to].into_iter().flatten().collect();
        browser::ticket_in(&addresses, seen.body)
    })
    .await
}

pub(super) fn closed() -> CommandError {
    CommandError::new(
        Kind::LoginDenied,
        "the window was closed before Garmin had signed you in",
        "Run `fitferry login garmin --browser` again; the window closes by itself.",
    )
}

pub(super) fn nobody_signed_in() -> CommandError {
    CommandError::new(
        Kind::LoginTimeout,
        format!("nobody signed in on Garmin's page within {} minutes", PATIENCE.as_secs() / 60),
        "Run `fitferry login garmin --browser` again, or take another browser and `fitferry login garmin \
         --ticket -`",
    )
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
