//! E-mail address, password and, where Garmin wants one, a code.
//!
//! One try: each one that Garmin blocks begins the block anew, and wrong ones lock the account. So nothing is
//! asked of Garmin before everything is there that it may want.

use std::time::Duration;

use fitferry_app::App;
use fitferry_app::config::{SecretKey, Settings};
use fitferry_app::error::{CommandError, Kind};
use fitferry_core::ports::Clock as _;
use fitferry_garmin::sso::{
    self, Account, Answered, CodeMethod, CodeWanted, Credentials, SsoError, Step, Ticket,
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{cool_down, refusal};
use crate::args::LoginGarminArgs;
use crate::commands::Context;
use crate::secrets::{self, Wanted};

pub(super) const EMAIL: Wanted = Wanted {
    name: "the e-mail address of the Garmin account",
    flag: "fitferry login garmin --email ADDRESS",
    variable: Some("FITFERRY_GARMIN__EMAIL"),
};

pub(super) const PASSWORD: Wanted = Wanted {
    name: "the password of the Garmin account",
    flag: "fitferry login garmin --password-stdin",
    variable: Some("FITFERRY_GARMIN__PASSWORD"),
};

pub(super) const CODE: Wanted =
    Wanted { name: "the code", flag: "fitferry login garmin --mfa-code -", variable: None };

/// Between the page and the password a person takes the longer, the longer Garmin's requests are kept apart.
const USUAL_SPACING: Duration = Duration::from_secs(2);

/// What Garmin may want to know.
pub struct Given {
    credentials: Credentials,
    codes: Codes,
}

/// Where codes come from.
enum Codes {
    /// Given with the command, good for one try.
    One(Option<SecretString>),
    /// A line for each try.
    Lines,
    Person,
}

pub(super) async fn ask(context: &Context, args: &LoginGarminArgs) -> Result<Given, CommandError> {
    let codes = match &args.mfa_code {
        Some(code) if code.expose_secret() == "-" => Codes::Lines,
        Some(code) => {
            context.say.warning(
                "a code on the command line stays in the shell's history, and others on this machine can see \
                 it; `--mfa-code -` reads it from standard input",
            );
            Codes::One(Some(code.clone()))
        }
        None if secrets::has_terminal() => Codes::Person,
        None => return Err(no_source_of_codes()),
    };
    let email = match &args.email {
        Some(email) => email.clone(),
        None => match context.settings.secret(SecretKey::GarminEmail)? {
            Some(email) => email.expose_secret().to_owned(),
            None if secrets::has_terminal() => {
                let question = "E-mail address of the Garmin account:";
                secrets::ask(&context.say, question).await?.ok_or_else(|| EMAIL.missing())?
            }
            None => return Err(EMAIL.missing()),
        },
    };
    let password = if args.password_stdin {
        secrets::line(&context.say, PASSWORD).await?
    } else if let Some(password) = context.settings.secret(SecretKey::GarminPassword)? {
        password
    } else {
        secrets::ask_unseen(&context.say, PASSWORD).await?.ok_or_else(|| PASSWORD.missing())?
    };
    let credentials = Credentials::new(&email, password).map_err(|error| {
        CommandError::usage(
            error.to_string(),
            "Run `fitferry login garmin --email ADDRESS` with the address that you sign in to Garmin with.",
        )
    })?;
    Ok(Given { credentials, codes })
}

/// What [`ask`] would have to ask a person for.
pub(super) fn missing(context: &Context, args: &LoginGarminArgs) -> Result<Vec<Wanted>, CommandError> {
    let has = |secret| Ok::<bool, CommandError>(context.settings.secret(secret)?.is_some());
    let mut missing = Vec::new();
    if args.email.is_none() && !has(SecretKey::GarminEmail)? {
        missing.push(EMAIL);
    }
    if !args.password_stdin && !has(SecretKey::GarminPassword)? {
        missing.push(PASSWORD);
    }
    if args.mfa_code.is_none() {
        missing.push(CODE);
    }
    Ok(missing)
}

/// Whether Garmin wants a code shows only after the password, and a try is too dear to be left in the middle.
pub(super) fn no_source_of_codes() -> CommandError {
    CommandError::usage(
        "Garmin may want a code after the password, and there is no terminal to ask at, so it was not tried",
        "Add `--mfa-code -` and write the code on a line of standard input after the password; an account \
         without a second factor needs none there.",
    )
}

/// Tries the password once, unless the account is cooling down.
pub(super) async fn ticket(context: &Context, app: &App, given: Given) -> Result<Ticket, CommandError> {
    let vault = &*app.store.vault;
    let account = Account::of(app.settings.domain, given.credentials.email());
    if let Some(until) = cool_down::read(vault).await?.until(&account, app.clock.now()) {
        return Err(cool_down::blocked(until, None));
    }
    match attempt(context, app, given).await {
        Ok(ticket) => {
            cool_down::change(vault, |downs| downs.succeeded(&account)).await?;
            Ok(ticket)
        }
        Err(Ended::Said(error @ SsoError::Blocked { .. })) => {
            let why = error.to_string();
            let SsoError::Blocked { retry_after, .. } = error else { unreachable!("it was just matched") };
            let (now, timing) = (app.clock.now(), &app.settings.timing);
            let until =
                cool_down::change(vault, |downs| downs.blocked(&account, now, retry_after, timing)).await?;
            Err(cool_down::blocked(until, Some(&why)))
        }
        Err(Ended::Said(error)) => Err(refusal::of_sign_in(&error)),
        Err(Ended::Here(error)) => Err(error),
    }
}

/// Why there is no ticket.
enum Ended {
    Said(SsoError),
    Here(CommandError),
}

impl From<SsoError> for Ended {
    fn from(error: SsoError) -> Ended {
        Ended::Said(error)
    }
}

impl From<CommandError> for Ended {
    fn from(error: CommandError) -> Ended {
        Ended::Here(error)
    }
}

async fn attempt(context: &Context, app: &App, given: Given) -> Result<Ticket, Ended> {
    let Given { credentials, mut codes } = given;
    let pause = pause(&app.settings)?;
    match sso::sign_in(app.garmin_means(), &app.garmin_sso(), &credentials, pause).await? {
        Step::Ticket(ticket) => Ok(ticket),
        Step::Code(mut wanted) => {
            // A wrong one brings no other: the code that was sent stays good.
            say_where(context, &wanted);
            loop {
                let Some(code) = codes.next(context).await? else { return Err(no_code(&wanted).into()) };
                match wanted.answer(&code).await? {
                    Answered::Ticket(ticket) => return Ok(ticket),
                    Answered::Wrong { tries_left } => {
                        let tries = if tries_left == 1 { "try" } else { "tries" };
                        context.say.needed(&format!("Garmin refuses this code; {tries_left} {tries} left."));
                    }
                }
            }
        }
    }
}

fn pause(settings: &Settings) -> Result<Duration, CommandError> {
    let mut die = [0];
    getrandom::fill(&mut die).map_err(|error| {
        let cannot = std::io::Error::other(error.to_string());
        CommandError::io("this machine gives no random numbers", &cannot)
    })?;
    let spacing: Duration = settings.timing.garmin_spacing.try_into().unwrap_or_default();
    let factor = (spacing.as_secs_f64() / USUAL_SPACING.as_secs_f64()).min(1.0);
    Ok(sso::pause(die[0]).mul_f64(factor))
}

fn say_where(context: &Context, wanted: &CodeWanted<'_>) {
    let to = wanted.sent_to().map(|to| format!(" to {to}")).unwrap_or_default();
    context.say.needed(&match wanted.method() {
        CodeMethod::Email => format!("Garmin has sent a code by e-mail{to}."),
        CodeMethod::Sms => format!("Garmin has sent a code by SMS{to}."),
        CodeMethod::App => "Garmin wants the code that your authenticator shows.".to_owned(),
        CodeMethod::Other(method) => format!("Garmin wants a code ({method}{to})."),
    });
}

impl Codes {
    /// `None`: there is no more.
    async fn next(&mut self, context: &Context) -> Result<Option<SecretString>, CommandError> {
        match self {
            Codes::One(code) if code.is_some() || !secrets::has_terminal() => Ok(code.take()),
            Codes::Lines if !secrets::has_terminal() => {
                Ok(secrets::read_line().await?.map(SecretString::from))
            }
            Codes::One(_) | Codes::Lines | Codes::Person => secrets::ask_unseen(&context.say, CODE).await,
        }
    }
}

/// The one that was asked for did not come.
fn no_code(wanted: &CodeWanted<'_>) -> CommandError {
    if wanted.tries_left() < sso::CODE_TRIES {
        return refusal::of_sign_in(&SsoError::WrongCode);
    }
    nobody_told()
}

pub(super) fn nobody_told() -> CommandError {
    CommandError::new(
        Kind::LoginTimeout,
        "Garmin wants a code, and none was given",
        "Run `fitferry login garmin --email ADDRESS` at a terminal, which asks for it, or write it on a line of \
         standard input for `--mfa-code -`, after the password.",
    )
}
