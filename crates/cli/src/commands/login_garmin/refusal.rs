//! What a failed login means for the person: "sign in" is no help to somebody who just tried.

use fitferry_app::error::{CommandError, Kind};
use fitferry_garmin::sso::{SsoError, Trouble};

use super::key::KEYS_PAGE;

/// A key, or tokens of another tool.
pub(super) fn of_key(error: CommandError) -> CommandError {
    if error.kind() != Kind::LoginNeeded {
        return error;
    }
    CommandError::new(
        Kind::LoginRefused,
        "Garmin refused this login",
        format!("Make a new key at {KEYS_PAGE} and run `fitferry login garmin` with it."),
    )
    .caused_by(error.to_string())
}

/// Tokens that Garmin has made a moment ago.
pub(super) fn of_tokens(error: &CommandError, has_one_before: bool) -> CommandError {
    CommandError::new(
        Kind::LoginRefused,
        if has_one_before {
            "Garmin refused this login, and the one before it is in force again"
        } else {
            "Garmin refused this login"
        },
        "Run `fitferry login garmin` with a key, or `fitferry login garmin --browser` once more.",
    )
    .caused_by(error.to_string())
}

/// The ticket is spent, and what came of it is in the vault.
pub(super) fn but_kept(error: &CommandError) -> CommandError {
    let kept = CommandError::new(
        error.kind(),
        "signed in to Garmin, but the login could not be tried",
        "The login is kept, and nobody has to sign in again: `fitferry sync` goes on with it.",
    )
    .caused_by(error.to_string());
    error.causes().iter().fold(kept, |kept, cause| kept.caused_by(cause))
}

/// A password, a code or a ticket.
pub(super) fn of_sign_in(error: &SsoError) -> CommandError {
    let refused = |help: &str| CommandError::new(Kind::LoginRefused, error.to_string(), help);
    match error {
        SsoError::WrongPassword => refused(
            "Check both, and run `fitferry login garmin --email ADDRESS` again; a few wrong ones lock the account.",
        ),
        SsoError::Captcha => refused(
            "Run `fitferry login garmin --browser`, where you can show it; or sign in with a key: `fitferry login \
             garmin`",
        ),
        SsoError::Account(trouble) => refused(match trouble {
            Trouble::Locked | Trouble::TooManyTries => {
                "Wait for an hour, then sign in at https://connect.garmin.com/signin, which may let you unlock it; \
                 then run `fitferry login garmin` again."
            }
            Trouble::PasswordReset => {
                "Give it a new password at https://connect.garmin.com/signin, then run `fitferry login garmin` again."
            }
            Trouble::Disabled | Trouble::Problem => {
                "Sign in at https://connect.garmin.com/signin to see what Garmin wants; then run `fitferry login \
                 garmin` again."
            }
        }),
        SsoError::WrongCode => {
            refused("Run `fitferry login garmin --email ADDRESS` again; Garmin sends a new code.")
        }
        SsoError::CodeEnded => refused(
            "Run `fitferry login garmin --email ADDRESS` again and enter the new code within a few minutes.",
        ),
        SsoError::VisitEnded => refused("Run `fitferry login garmin` again, and take less time on the way."),
        SsoError::TicketRefused { .. } => refused(
            "A ticket is good once, for a minute. Get a new one, and give the whole address to `fitferry login garmin \
             --ticket -`, since that says what the ticket is for; `fitferry login garmin --browser` takes it by itself.",
        ),
        SsoError::Blocked { .. } => CommandError::new(
            Kind::Limited,
            error.to_string(),
            "Wait for some hours, or sign in another way: `fitferry login garmin --browser`",
        ),
        SsoError::Failed(failure) => {
            let failed = CommandError::from(failure.error.clone());
            CommandError::new(
                failed.kind(),
                failed.to_string(),
                "Run `fitferry login garmin` again later; https://connect.garmin.com/status tells whether Garmin has \
                 trouble.",
            )
        }
    }
}

/// For the walk over all kinds of error.
#[cfg(test)]
pub fn every_error() -> Vec<CommandError> {
    use std::path::Path;

    use fitferry_core::ports::{Failure, PortError, Service};

    use super::{browser, cool_down, import, key, password, ticket};

    let needed = CommandError::from(fitferry_core::tokens::no_login(Service::Garmin));
    let down = Failure::from(PortError::Down { service: Service::Garmin, status: None, what: String::new() });
    let troubles =
        [Trouble::Locked, Trouble::TooManyTries, Trouble::Disabled, Trouble::PasswordReset, Trouble::Problem];
    let mut said: Vec<SsoError> = troubles.map(SsoError::Account).into();
    said.extend([
        SsoError::WrongPassword,
        SsoError::Captcha,
        SsoError::WrongCode,
        SsoError::CodeEnded,
        SsoError::VisitEnded,
        SsoError::Blocked { status: 429, retry_after: None },
        SsoError::TicketRefused { said: "used".to_owned() },
        down.clone().into(),
    ]);
    let mut errors: Vec<CommandError> = said.iter().map(of_sign_in).collect();
    let wanted = [key::KEY, password::EMAIL, password::PASSWORD, password::CODE, ticket::TICKET];
    errors.extend(wanted.map(crate::secrets::Wanted::missing));
    errors.extend([
        import::unusable(Path::new("/x"), "gone"),
        of_key(needed.clone()),
        of_tokens(&needed, true),
        of_tokens(&needed, false),
        but_kept(&CommandError::from(down)),
        ticket::no_ticket(),
        password::no_source_of_codes(),
        password::nobody_told(),
        browser::closed(),
        browser::nobody_signed_in(),
        cool_down::blocked(jiff::Timestamp::UNIX_EPOCH, None),
        cool_down::blocked(jiff::Timestamp::UNIX_EPOCH, Some("HTTP 429")),
    ]);
    errors
}
