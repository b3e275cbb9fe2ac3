//! A ticket that a person brings: an address, an answer, a page's text, or the ticket alone.

use fitferry_app::error::CommandError;
use fitferry_garmin::sso::Ticket;
use secrecy::{ExposeSecret as _, SecretString};

use crate::commands::Context;
use crate::secrets::{self, Wanted};

pub(super) const TICKET: Wanted =
    Wanted { name: "the ticket", flag: "fitferry login garmin --ticket -", variable: None };

/// How often somebody may paste something without a ticket in it.
const TRIES: u32 = 3;

/// From the flag, or from standard input where that says `-`.
pub(super) async fn given(context: &Context, given: &SecretString) -> Result<Ticket, CommandError> {
    if given.expose_secret() == "-" {
        return pasted(context).await;
    }
    context.say.warning(
        "a ticket on the command line stays in the shell's history, and others on this machine can see it; \
         `--ticket -` reads it from standard input",
    );
    Ticket::read(given.expose_secret()).ok_or_else(no_ticket)
}

/// Typed or piped in; asked for again at a terminal.
pub(super) async fn pasted(context: &Context) -> Result<Ticket, CommandError> {
    for _ in 0..TRIES {
        if secrets::has_terminal() {
            context.say.question("Paste the address, or whatever holds the ticket:");
        }
        let Some(text) = secrets::read_until(is_whole).await? else { return Err(TICKET.missing()) };
        if let Some(ticket) = Ticket::read(&text) {
            return Ok(ticket);
        }
        if !secrets::has_terminal() {
            break;
        }
        context.say.needed("There is no ticket in that: one begins with ST-.");
    }
    Err(no_ticket())
}

/// An answer in JSON names the ticket's service too, on a line of its own perhaps.
fn is_whole(text: &str) -> bool {
    let text = text.trim();
    if text.starts_with('{') {
        return serde_json::from_str::<serde_json::Value>(text).is_ok();
    }
    Ticket::read(text).is_some()
}

pub(super) fn no_ticket() -> CommandError {
    CommandError::usage(
        "there is no ticket in what was given",
        "A ticket begins with ST- and stands in the address that Garmin's page ends at; give all of that to \
         `fitferry login garmin --ticket -`, or let `fitferry login garmin --browser` find it.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_over_several_lines_is_read_to_its_end() {
        let lines =
            ["{\n", "\"serviceTicketId\": \"ST-1-a-sso\",\n", "\"serviceURL\": \"https://x.test\"}\n"];
        let mut text = String::new();
        for (line, expected) in lines.iter().zip([false, false, true]) {
            text.push_str(line);
            assert_eq!(is_whole(&text), expected, "{text}");
        }
        assert!(is_whole("https://sso.garmin.com/sso/embed?ticket=ST-1-a-cas\n"));
        assert!(!is_whole("https://sso.garmin.com/sso/embed\n"));
    }
}
