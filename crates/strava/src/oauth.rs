//! The pieces of signing in, for `fitferry login strava`: the page to open, the answer to read, the code
//! to trade (dossier strava.md §1).
//!
//! Not here: the browser, the port on loopback, what is asked on a terminal (the command line), how a token
//! of another tool is taken over (`import`), and where the login is kept ([`crate::login::store`]).

use std::collections::BTreeMap;

use fitferry_core::budget::{Kind, Purpose};
use fitferry_core::ports::Failure;
use fitferry_core::tokens::Pairs;
use secrecy::SecretString;
use url::{Url, form_urlencoded};

use crate::connection::{Connection, joined};
pub use crate::import::import_refresh_token;
use crate::login::{App, Athlete, Login, Scopes};
pub use crate::revoke::revoke;
use crate::text;
use crate::token::{self, Grant};
use crate::wire::AthleteAnswer;

/// What fitferry asks for (dossier strava.md §1.2).
pub const SCOPES: &str = "read,activity:read_all,activity:write";

/// The page on which the person grants access. `force` asks again where access was granted before, which
/// is the way back to a box that was unticked.
pub fn authorize_url(
    oauth: &Url,
    client_id: &str,
    redirect_uri: &str,
    scopes: &str,
    state: &str,
    force: bool,
) -> Url {
    let mut url = joined(oauth, &["authorize"]);
    url.query_pairs_mut()
        .append_pair("client_id", client_id)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("response_type", "code")
        .append_pair("approval_prompt", if force { "force" } else { "auto" })
        .append_pair("scope", scopes)
        .append_pair("state", state);
    url
}

/// What the person has granted.
#[derive(Clone, Debug)]
pub struct Granted {
    pub code: SecretString,
    pub scopes: Scopes,
}

/// Why the browser's answer is no grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    #[error("access was denied on Strava's page")]
    Denied,
    /// Not the answer to our question; another may still come.
    #[error("the answer does not belong to this login")]
    WrongState,
    #[error("Strava's page answered with an error: {0}")]
    Other(String),
    #[error("the answer holds no code")]
    NoCode,
}

/// Reads what came back to the redirect: a whole URL, or its query. `state` is what the request held.
pub fn parse_answer(answer: &str, state: &str) -> Result<Granted, AnswerError> {
    let answer = answer.trim();
    let query = answer.split_once('?').map_or(answer, |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let fields: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
    let field = |name: &str| fields.get(name).map(AsRef::as_ref).filter(|value: &&str| !value.is_empty());
    match (field("state"), field("error")) {
        // A denial may come without the state (§1.3).
        (None, Some(_)) => {}
        (given, _) if given == Some(state) => {}
        _ => return Err(AnswerError::WrongState),
    }
    match field("error") {
        Some("access_denied") => return Err(AnswerError::Denied),
        Some(error) => return Err(AnswerError::Other(text::clean(error))),
        None => {}
    }
    let code = field("code").ok_or(AnswerError::NoCode)?;
    // Without `scope` nothing is known to be granted.
    let scopes = Scopes::parse(field("scope").unwrap_or_default());
    Ok(Granted { code: code.to_owned().into(), scopes })
}

/// Trades the code for a login. Whether its scopes will do is [`Scopes::grant`]'s to say, before.
pub async fn exchange_code(connection: &Connection, app: &App, granted: &Granted) -> Result<Login, Failure> {
    let (pair, answer) = token::exchange(connection, app, &Grant::Code(&granted.code)).await?;
    let mut login = Login {
        app: app.clone(),
        athlete: answer.athlete(),
        scopes: granted.scopes.clone(),
        scopes_assumed: false,
        pairs: Pairs::new(pair),
        incoming: None,
    };
    if login.athlete.is_none() {
        // The pair may have ended the one that is stored, so nothing may keep it from being stored.
        login.athlete = who(connection, &login).await.unwrap_or_else(|failure| {
            tracing::warn!(error = %failure.error, "Strava did not say whose login it is");
            None
        });
    }
    Ok(login)
}

/// Whose token it is; `None` where Strava does not say.
pub(crate) async fn who(connection: &Connection, login: &Login) -> Result<Option<Athlete>, Failure> {
    let request = connection.http.get(connection.endpoints.api(&["athlete"]));
    let seen = connection.ask(login, Purpose::Everyday, Kind::Read, request).await?;
    if !seen.status.is_success() {
        return Err(seen.failure(connection.refusal(login, &seen).await));
    }
    let answer: AthleteAnswer = seen.object().map_err(|unread| seen.failure(seen.unread(unread)))?;
    Ok(answer.athlete())
}
