//! `fitferry login strava`: OAuth in the person's browser, or a refresh token of another tool.
//!
//! The person's part comes first, without the lease, since it may take minutes; then the lease is taken,
//! the code is traded and the login is kept.

use fitferry_app::App;
use fitferry_app::config::{self, SecretKey};
use fitferry_app::error::{CommandError, Kind};
use fitferry_core::ports::{AppId, SecretName, Service};
use fitferry_strava::login::{App as StravaApp, Grant, Login, stored};
use fitferry_strava::oauth::{self, AnswerError, Granted};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, json};

use super::Context;
use super::login::{Outcome, finish};
use super::login_garmin::next_look;
use crate::args::LoginStravaArgs;
use crate::browser::{self, Opened};
use crate::oauth_listener::{Answered, Listener, PATIENCE, Page, redirect_uri};
use crate::secrets::{self, Wanted};

const CLIENT_ID: Wanted = Wanted {
    name: "the client id of the Strava API application",
    flag: "fitferry login strava --client-id ID",
    variable: Some("FITFERRY_STRAVA__CLIENT_ID"),
};

const CLIENT_SECRET: Wanted = Wanted {
    name: "the client secret",
    flag: "fitferry login strava --client-secret-stdin",
    variable: Some("FITFERRY_STRAVA__CLIENT_SECRET"),
};

const REFRESH_TOKEN: Wanted =
    Wanted { name: "the refresh token", flag: "fitferry login strava --refresh-token-stdin", variable: None };

const ANSWER: Wanted = Wanted {
    name: "the address that the browser ended at",
    flag: "fitferry login strava --no-browser",
    variable: None,
};

/// Where a person registers an application (dossier strava.md §7).
const APPS_PAGE: &str = "https://www.strava.com/settings/api";

pub async fn run(context: &Context, args: &LoginStravaArgs) -> Result<u8, CommandError> {
    // clap does not see it where `--json` stands before the command.
    if args.print_refresh_token && context.json {
        return Err(CommandError::usage(
            "`--print-refresh-token` and `--json` exclude each other: the one prints the token and nothing else",
            "Run `fitferry login strava --print-refresh-token` without `--json`.",
        ));
    }
    let outcome = sign_in_and_print(context, args).await;
    finish(context, Service::Strava, outcome)
}

async fn sign_in_and_print(context: &Context, args: &LoginStravaArgs) -> Result<Outcome, CommandError> {
    let app = App::open(context.settings.clone()).await?;
    // An unreadable login is replaced like any other.
    let there = stored(&*app.store.vault).await.ok().flatten();
    if let Some(login) = there.as_ref().filter(|login| args.print_refresh_token && is_asked_for(login, args))
    {
        print_refresh_token(context, login)?;
        return Ok(outcome(login));
    }
    let given = gather_over(context, args, there.as_ref()).await?;
    let login = keep(context, args, &app, given).await?;
    tell(context, &login);
    tell_next(context, &app).await?;
    if args.print_refresh_token {
        print_refresh_token(context, &login)?;
    }
    Ok(outcome(&login))
}

/// What a person has given; nothing has been asked of Strava yet.
pub struct Given {
    application: StravaApp,
    /// `None`: the person answers on Strava's page.
    token: Option<SecretString>,
}

/// Reads and asks for all that signing in takes, over the login that is there.
pub async fn gather(context: &Context, args: &LoginStravaArgs) -> Result<Given, CommandError> {
    let app = App::open(context.settings.clone()).await?;
    let there = stored(&*app.store.vault).await.ok().flatten();
    gather_over(context, args, there.as_ref()).await
}

async fn gather_over(
    context: &Context,
    args: &LoginStravaArgs,
    there: Option<&Login>,
) -> Result<Given, CommandError> {
    let application = application(context, args, there).await?;
    let token = match args.refresh_token_stdin {
        true => Some(secrets::line(&context.say, REFRESH_TOKEN).await?),
        false => None,
    };
    Ok(Given { application, token })
}

pub async fn sign_in(context: &Context, args: &LoginStravaArgs) -> Result<Outcome, CommandError> {
    sign_in_with(context, args, gather(context, args).await?).await
}

pub async fn sign_in_with(
    context: &Context,
    args: &LoginStravaArgs,
    given: Given,
) -> Result<Outcome, CommandError> {
    let app = App::open(context.settings.clone()).await?;
    let login = keep(context, args, &app, given).await?;
    tell(context, &login);
    Ok(outcome(&login))
}

/// What [`gather`] would have to ask a person for.
pub async fn missing(context: &Context, args: &LoginStravaArgs) -> Result<Vec<Wanted>, CommandError> {
    let app = App::open(context.settings.clone()).await?;
    let there = stored(&*app.store.vault).await.ok().flatten();
    let client_id = known_client_id(context, args, there.as_ref());
    let mut missing = Vec::new();
    if client_id.is_none() {
        missing.push(CLIENT_ID);
    }
    let is_saved = there.is_some_and(|login| client_id.as_ref() == Some(&login.app().client_id));
    let has_secret = is_saved || context.settings.secret(SecretKey::StravaClientSecret)?.is_some();
    if !args.client_secret_stdin && !has_secret {
        missing.push(CLIENT_SECRET);
    }
    Ok(missing)
}

/// Whether the stored login is the one whose token is to be printed.
fn is_asked_for(login: &Login, args: &LoginStravaArgs) -> bool {
    args.client_id.as_ref().is_none_or(|id| *id == login.app().client_id)
}

/// The one place that shows a secret.
fn print_refresh_token(context: &Context, login: &Login) -> Result<(), CommandError> {
    context.say.warning(
        "the first use of this token elsewhere ends the login here: Strava replaces it, and only the one who \
         used it learns the new one. `fitferry aws push-credentials` moves it without that",
    );
    context.out.text(login.refresh_token().expose_secret())
}

fn outcome(login: &Login) -> Outcome {
    let scopes: Vec<&str> = login.scopes().iter().collect();
    Outcome {
        account: login.athlete().map(ToString::to_string),
        document: Map::from_iter([
            ("scopes".to_owned(), json!(scopes)),
            ("app".to_owned(), json!(login.app().client_id)),
        ]),
    }
}

fn tell(context: &Context, login: &Login) {
    let who = login.athlete().map(|athlete| format!(" as {athlete}")).unwrap_or_default();
    context.say.line(&format!("Signed in to Strava{who}."));
    if let Grant::Short(warning) = login.scopes().grant() {
        context.say.warning(&warning);
    }
}

async fn tell_next(context: &Context, app: &App) -> Result<(), CommandError> {
    let has_garmin = app.store.vault.get(SecretName::GarminLogin).await?.is_some()
        || context.settings.secret(SecretKey::GarminApiKey)?.is_some();
    let next = if has_garmin { next_look(app).await? } else { "Next: `fitferry login garmin`".to_owned() };
    context.say.line(&next);
    Ok(())
}

async fn keep(
    context: &Context,
    args: &LoginStravaArgs,
    app: &App,
    given: Given,
) -> Result<Login, CommandError> {
    let Given { application, token } = given;
    if let Some(token) = token {
        return import(context, args, app, &application, token).await;
    }
    let question = Question::new(context, &application)?;
    if args.no_browser {
        let granted = question.paste(context).await?;
        return trade(context, args, app, &application, &granted).await;
    }
    let listener = Listener::open(context.settings.redirect_port).await?;
    let (answer, browser) = match question.ask(context, &listener).await? {
        Reply::Browser(answered) => (answered.query.clone(), Some(answered)),
        Reply::Pasted(answer) => (answer, None),
    };
    let outcome = match question.judge(&answer) {
        Ok(granted) => trade(context, args, app, &application, &granted).await,
        Err(error) => Err(error),
    };
    if let Some(browser) = browser {
        browser.show(&page(&outcome)).await;
    }
    outcome
}

/// What the browser shows in the end.
fn page(outcome: &Result<Login, CommandError>) -> Page {
    match outcome {
        Ok(login) => {
            let who = login.athlete().map_or("you".to_owned(), ToString::to_string);
            let warning = match login.scopes().grant() {
                Grant::Short(warning) => {
                    let (what, cure) = what_and_cure(&warning);
                    Some(format!("{}. {}.", sentence(what), sentence(cure)))
                }
                Grant::Enough | Grant::Useless(_) => None,
            };
            Page::signed_in(&who, warning.as_deref())
        }
        Err(error) => {
            Page::failed("Not signed in", &format!("{}.", sentence(&error.to_string())), error.help())
        }
    }
}

// ----------------------------------------------------------------------------- the application

/// From the flag, the configuration or the login that is there.
fn known_client_id(context: &Context, args: &LoginStravaArgs, there: Option<&Login>) -> Option<String> {
    args.client_id
        .clone()
        .or_else(|| context.settings.client_id.clone())
        .or_else(|| there.map(|login| login.app().client_id.clone()))
}

/// The application's id: flag, configuration, the login that is there, the person. Its secret: standard
/// input, the variable, the person, the login that is there.
async fn application(
    context: &Context,
    args: &LoginStravaArgs,
    there: Option<&Login>,
) -> Result<StravaApp, CommandError> {
    let client_id = match known_client_id(context, args, there) {
        Some(id) => id,
        None if secrets::has_terminal() => {
            context.say.needed(&format!(
                "Strava wants an API application of your own: {APPS_PAGE}, with `localhost` as its \
                 authorization callback domain."
            ));
            secrets::ask(&context.say, "Its client id:").await?.ok_or_else(|| CLIENT_ID.missing())?
        }
        None => return Err(CLIENT_ID.missing()),
    };
    let client_id = config::client_id(&client_id).map_err(|what| {
        CommandError::usage(
            format!("the client id is wrong: {what}"),
            format!("Copy it from {APPS_PAGE}; the secret goes to `--client-secret-stdin`."),
        )
    })?;
    let client_secret = client_secret(context, args, there, &client_id).await?;
    Ok(StravaApp { client_id, client_secret })
}

async fn client_secret(
    context: &Context,
    args: &LoginStravaArgs,
    there: Option<&Login>,
    client_id: &str,
) -> Result<SecretString, CommandError> {
    if args.client_secret_stdin {
        return secrets::line(&context.say, CLIENT_SECRET).await;
    }
    if let Some(secret) = context.settings.secret(SecretKey::StravaClientSecret)? {
        return Ok(secret);
    }
    let saved = there
        .filter(|login| login.app().client_id == client_id)
        .map(|login| login.app().client_secret.clone());
    match saved {
        Some(saved) if secrets::has_terminal() => {
            context.say.needed("Enter keeps the client secret that is saved.");
            Ok(secrets::ask_unseen(&context.say, CLIENT_SECRET).await?.unwrap_or(saved))
        }
        Some(saved) => Ok(saved),
        None => {
            secrets::ask_unseen(&context.say, CLIENT_SECRET).await?.ok_or_else(|| CLIENT_SECRET.missing())
        }
    }
}

// ---------------------------------------------------------------------------------- the question

/// What the person is asked on Strava's page.
struct Question {
    url: String,
    state: String,
}

/// How the answer came.
enum Reply {
    Browser(Answered),
    Pasted(String),
}

impl Question {
    fn new(context: &Context, application: &StravaApp) -> Result<Question, CommandError> {
        let state = fresh_state()?;
        // Always asked anew: a box that was unticked before would otherwise stay so without a word.
        let url = oauth::authorize_url(
            &context.settings.endpoints.strava_oauth,
            &application.client_id,
            &redirect_uri(context.settings.redirect_port),
            oauth::SCOPES,
            &state,
            true,
        );
        Ok(Question { url: url.into(), state })
    }

    /// In the browser of this machine, whose answer the listener hears.
    async fn ask(&self, context: &Context, listener: &Listener) -> Result<Reply, CommandError> {
        let heard = async { listener.answer(PATIENCE).await.map(Reply::Browser).ok_or_else(nobody_answered) };
        match browser::open(&context.environment, &self.url)? {
            Opened::Yes => {
                context.say.line(&format!(
                    "Strava's page opens in the browser; press Authorize there. If none opens, visit\n\n  {}\n",
                    self.url
                ));
                heard.await
            }
            Opened::NoBrowser if secrets::has_terminal() => {
                context.say.needed("There is no browser here.");
                self.print(context);
                tokio::select! {
                    reply = heard => reply,
                    pasted = self.pasted(context) => pasted.map(Reply::Pasted),
                }
            }
            Opened::NoBrowser => {
                context.say.needed("There is no browser here. On this machine, visit");
                context.say.needed(&format!("\n  {}\n", self.url));
                heard.await
            }
        }
    }

    /// With the answer's address pasted, for a browser elsewhere.
    async fn paste(&self, context: &Context) -> Result<Granted, CommandError> {
        self.print(context);
        let answer = self.pasted(context).await?;
        self.judge(&answer)
    }

    fn print(&self, context: &Context) {
        context.say.needed(&format!(
            "Visit this address in any browser and press Authorize:\n\n  {}\n\nThe browser then ends at an \
             address that begins with {} and may not be shown; copy it.",
            self.url,
            redirect_uri(context.settings.redirect_port)
        ));
    }

    async fn pasted(&self, context: &Context) -> Result<String, CommandError> {
        if secrets::has_terminal() {
            context.say.question("Paste it here:");
        }
        secrets::read_line().await?.ok_or_else(|| ANSWER.missing())
    }

    /// Whether the answer grants what is needed.
    fn judge(&self, answer: &str) -> Result<Granted, CommandError> {
        let granted = oauth::parse_answer(answer, &self.state).map_err(|error| not_granted(&error))?;
        match granted.scopes.grant() {
            Grant::Enough | Grant::Short(_) => Ok(granted),
            Grant::Useless(text) => Err(unticked(&text)),
        }
    }
}

/// 128 bits that nobody can guess, so that nobody else's answer is taken for the person's.
fn fresh_state() -> Result<String, CommandError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        let cannot = std::io::Error::other(error.to_string());
        CommandError::io("this machine gives no random numbers", &cannot)
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

// -------------------------------------------------------------------------------------- keeping

/// Trades the code and keeps the login, under the lease.
async fn trade(
    context: &Context,
    args: &LoginStravaArgs,
    app: &App,
    application: &StravaApp,
    granted: &Granted,
) -> Result<Login, CommandError> {
    app.under_lease(async |fence| {
        // What Strava has issued is kept, whoever presses Ctrl-C meanwhile.
        context.stop_with(&app.clock);
        let login = oauth::exchange_code(&app.connection, application, granted)
            .await
            .map_err(|failure| refused(failure.into()))?;
        fitferry_strava::login::store(&*app.store.vault, &login, args.yes).await?;
        app.clear_pauses(fence).await?;
        Ok(login)
    })
    .await
}

/// Takes over a refresh token, whose first use may have ended it: what came of it is in the vault from then
/// on, and replaces the login that is there once it has proven good.
async fn import(
    context: &Context,
    args: &LoginStravaArgs,
    app: &App,
    application: &StravaApp,
    token: SecretString,
) -> Result<Login, CommandError> {
    app.under_lease(async |fence| {
        // What Strava has issued is kept, whoever presses Ctrl-C meanwhile.
        context.stop_with(&app.clock);
        // The requests that prove it must not meet the pause that this login is the cure of (*Blame*).
        app.store.budget.clear(&AppId(application.client_id.clone())).await?;
        let login = oauth::import_refresh_token(&app.connection, &*app.store.vault, application, token)
            .await
            .map_err(|failure| refused(failure.into()))?;
        fitferry_strava::login::store(&*app.store.vault, &login, args.yes).await?;
        app.clear_pauses(fence).await?;
        Ok(login)
    })
    .await
}

// --------------------------------------------------------------------------------------- errors

/// "Sign in" is no help to somebody who just tried.
fn refused(error: CommandError) -> CommandError {
    if error.kind() != Kind::LoginNeeded {
        return error;
    }
    CommandError::new(
        Kind::LoginRefused,
        "Strava refused this login",
        "Run `fitferry login strava` to sign in in the browser, and leave every box ticked there.",
    )
    .caused_by(error.to_string())
}

fn not_granted(error: &AnswerError) -> CommandError {
    let (kind, help) = match error {
        AnswerError::Denied => (
            Kind::LoginDenied,
            "Run `fitferry login strava` again and press Authorize; without that nothing can be uploaded.",
        ),
        AnswerError::WrongState => (
            Kind::LoginRefused,
            "Run `fitferry login strava` again, and answer on the page that it opens, not on an older one.",
        ),
        AnswerError::NoCode => (
            Kind::LoginRefused,
            "Run `fitferry login strava` again; with `--no-browser`, paste the whole address.",
        ),
        AnswerError::Other(_) => (
            Kind::LoginRefused,
            "Compare the client id with https://www.strava.com/settings/api, where the authorization callback \
             domain must be `localhost`, then run `fitferry login strava` again.",
        ),
    };
    CommandError::new(kind, error.to_string(), help)
}

fn unticked(text: &str) -> CommandError {
    let (what, cure) = what_and_cure(text);
    CommandError::new(Kind::LoginDenied, what, format!("{}.", sentence(cure)))
}

/// `text` ends with the cure, behind a semicolon.
fn what_and_cure(text: &str) -> (&str, &str) {
    text.rsplit_once("; ").unwrap_or((text, "run `fitferry login strava` again and leave every box ticked"))
}

fn nobody_answered() -> CommandError {
    let minutes = PATIENCE.as_secs() / 60;
    CommandError::new(
        Kind::LoginTimeout,
        format!("nobody answered on Strava's page within {minutes} minutes"),
        "Run `fitferry login strava` again; where the browser is on another machine, with `--no-browser`",
    )
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// For the walk over all kinds of error.
#[cfg(test)]
pub fn every_error() -> Vec<CommandError> {
    let answers =
        [AnswerError::Denied, AnswerError::WrongState, AnswerError::NoCode, AnswerError::Other("x".into())];
    let mut errors: Vec<CommandError> = answers.iter().map(not_granted).collect();
    errors.extend([CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, ANSWER].map(Wanted::missing));
    errors.extend([unticked("no box"), nobody_answered()]);
    errors.push(refused(CommandError::from(fitferry_core::tokens::no_login(Service::Strava))));
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_granted_denied_short_of_a_scope_or_somebody_elses() {
        let question = Question { url: String::new(), state: "s1".to_owned() };
        let judge = |answer: &str| question.judge(answer).map_err(|error| (error.kind(), error.exit_code()));
        let all = "http://localhost:9321/?state=s1&code=c&scope=read,activity:write,activity:read_all";
        assert!(judge(all).is_ok());
        assert!(judge("state=s1&code=c&scope=read,activity:write").is_ok(), "a warning, no error");
        assert_eq!(judge("state=s1&code=c&scope=read").unwrap_err(), (Kind::LoginDenied, 3));
        assert_eq!(judge("state=s1&error=access_denied").unwrap_err(), (Kind::LoginDenied, 3));
        assert_eq!(judge("state=s2&code=c&scope=activity:write").unwrap_err(), (Kind::LoginRefused, 3));
        assert_eq!(judge("code=c&scope=activity:write").unwrap_err(), (Kind::LoginRefused, 3));
        assert_eq!(judge("state=s1").unwrap_err(), (Kind::LoginRefused, 3));
    }

    #[test]
    fn an_unticked_box_is_named_with_its_cure() {
        let question = Question { url: String::new(), state: "s".to_owned() };
        let error = question.judge("state=s&code=c&scope=read,activity:read_all").unwrap_err();
        assert!(error.to_string().contains("activity:write"), "{error}");
        assert!(error.help().starts_with("Run `fitferry login strava`"), "{}", error.help());
    }

    #[test]
    fn a_state_is_128_bits_and_never_the_same() {
        let (one, two) = (fresh_state().unwrap(), fresh_state().unwrap());
        assert_eq!(one.len(), 32);
        assert_ne!(one, two);
    }
}
