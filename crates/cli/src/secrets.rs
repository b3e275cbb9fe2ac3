//! What a person types or pipes in: secrets, unseen and in the fixed order of standard input.
//!
//! Each `--*-stdin` takes one line, in the order of the contract (api key, password, client secret, refresh
//! token, code), because each command asks here in that order. What is missing is asked on the terminal; where nobody
//! sits at one, that is an error which names the flag and the variable.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use fitferry_app::error::{CommandError, Kind};
use secrecy::SecretString;

use crate::output::Say;

/// A line of standard input is cut off after this; no secret is longer.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// So is a whole page; no answer of a service is longer.
const PASTED_BYTES_MAX: usize = 1024 * 1024;

/// What is asked for, and how else it can be given.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// As `the client secret`.
    pub name: &'static str,
    pub flag: &'static str,
    pub variable: Option<&'static str>,
}

impl Wanted {
    /// Nobody can be asked.
    pub fn missing(self) -> CommandError {
        let variable = self.variable.map(|name| format!(", or set `{name}`")).unwrap_or_default();
        CommandError::usage(
            format!("{} is missing, and there is no terminal to ask at", self.name),
            format!("Give it with `{}`{variable}.", self.flag),
        )
    }

    /// Nobody can be asked, and this is all that is missing.
    pub fn all_missing(wanted: &[Wanted]) -> Option<CommandError> {
        if let [one] = wanted {
            return Some(one.missing());
        }
        let names: Vec<&str> = wanted.iter().map(|one| one.name).collect();
        let ways: Vec<String> = wanted
            .iter()
            .map(|one| match one.variable {
                Some(variable) => format!("`{}` or `{variable}`", one.flag),
                None => format!("`{}`", one.flag),
            })
            .collect();
        let (last, others) = names.split_last()?;
        Some(CommandError::usage(
            format!("{} and {last} are missing, and there is no terminal to ask at", others.join(", ")),
            format!("Give them with {}.", ways.join(", ")),
        ))
    }

    fn ended(self) -> CommandError {
        CommandError::usage(
            format!("standard input ended before {}", self.name),
            format!(
                "Write it on a line of its own for `{}`; of several, in the order api key, password, \
                 client secret, refresh token, code, answer.",
                self.flag
            ),
        )
    }
}

/// Whether a person can be asked.
pub fn has_terminal() -> bool {
    io::stdin().is_terminal()
}

/// One line of standard input, or of the terminal where that is standard input; white space around is cut.
pub async fn line(say: &Say, wanted: Wanted) -> Result<SecretString, CommandError> {
    if has_terminal() {
        return ask_unseen(say, wanted).await?.ok_or_else(|| wanted.ended());
    }
    read_line().await?.map(SecretString::from).ok_or_else(|| wanted.ended())
}

/// Asks on the terminal without showing what is typed; `None` for an empty answer.
pub async fn ask_unseen(say: &Say, wanted: Wanted) -> Result<Option<SecretString>, CommandError> {
    if !has_terminal() {
        return Err(wanted.missing());
    }
    say.question(&format!("{} (not shown):", capitalised(wanted.name)));
    let answer = blocking(rpassword::read_password).await?;
    Ok(filled(&answer).map(SecretString::from))
}

/// Asks on the terminal; `None` for an empty answer.
pub async fn ask(say: &Say, question: &str) -> Result<Option<String>, CommandError> {
    say.question(question);
    read_line().await
}

/// The next line that is piped in or typed; `None` where it is empty or there is none.
pub async fn read_line() -> Result<Option<String>, CommandError> {
    Ok(filled(&next_line().await?))
}

/// What is pasted or piped in until `is_whole` says so, or an empty line or the end comes; `None` where there is
/// nothing.
pub async fn read_until(is_whole: impl Fn(&str) -> bool) -> Result<Option<String>, CommandError> {
    let mut text = String::new();
    loop {
        let line = next_line().await?;
        let is_end = line.is_empty() || (line.trim().is_empty() && has_terminal());
        text.push_str(&line);
        if is_end || text.len() >= PASTED_BYTES_MAX || is_whole(&text) {
            return Ok(filled(&text));
        }
    }
}

/// With its end; empty where there is none any more.
async fn next_line() -> Result<String, CommandError> {
    blocking(|| {
        let mut line = String::new();
        io::stdin().lock().take(LINE_BYTES_MAX).read_line(&mut line)?;
        Ok(line)
    })
    .await
}

/// Off the runtime's thread, so that Ctrl-C is heard meanwhile.
async fn blocking(
    read: impl FnOnce() -> io::Result<String> + Send + 'static,
) -> Result<String, CommandError> {
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(text)) => Ok(text),
        // With typing unseen, Ctrl-C comes as a character.
        Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => Err(CommandError::interrupted()),
        Ok(Err(error)) => Err(cannot_read(&error.to_string())),
        Err(error) => Err(cannot_read(&error.to_string())),
    }
}

fn cannot_read(why: &str) -> CommandError {
    CommandError::new(
        Kind::File,
        "cannot read what was typed or piped in",
        "Give secrets as lines of UTF-8 text, as in `fitferry login strava --client-secret-stdin < FILE`",
    )
    .caused_by(why)
}

fn filled(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// `the client secret` as a question begins with it.
fn capitalised(name: &str) -> String {
    let name = name.strip_prefix("the ").unwrap_or(name);
    let mut chars = name.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
