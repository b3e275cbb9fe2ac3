//! Opening a page in the person's own browser.

use std::path::Path;
use std::process::{Command, Stdio};

use fitferry_app::config::{Environment, GARMINS_OWN_KEY, SecretKey};
use fitferry_app::error::{CommandError, Kind};

/// Whether a page was handed to a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    Yes,
    /// There is none here, as on a server.
    NoBrowser,
}

/// Opens a page; the browser is not waited for. `FITFERRY_BROWSER` is run with the address as its only
/// argument and nothing else is tried.
pub fn open(environment: &Environment, url: &str) -> Result<Opened, CommandError> {
    if let Some(program) = environment.path("FITFERRY_BROWSER") {
        return start(&program, url, Stdio::inherit()).map(|()| Opened::Yes).map_err(|error| {
            CommandError::new(
                Kind::Config,
                format!("cannot run the browser {}", program.display()),
                "Let `FITFERRY_BROWSER` name a program, or unset it, or use `fitferry login strava --no-browser`",
            )
            .caused_by(error.to_string())
        });
    }
    let opened =
        candidates(environment).iter().any(|program| start(Path::new(program), url, Stdio::null()).is_ok());
    Ok(if opened { Opened::Yes } else { Opened::NoBrowser })
}

fn candidates(environment: &Environment) -> Vec<String> {
    // `BROWSER` may hold several, and places to put the address; the first plain name is enough here.
    let preferred = environment
        .text("BROWSER")
        .and_then(|list| list.split(':').find(|name| !name.is_empty() && !name.contains('%')))
        .map(str::to_owned);
    if cfg!(target_os = "macos") {
        return std::iter::once("open".to_owned()).chain(preferred).collect();
    }
    // Without a screen `xdg-open` would start a browser of text in this very terminal.
    let has_screen = environment.has("DISPLAY") || environment.has("WAYLAND_DISPLAY");
    let desktop = has_screen.then(|| "xdg-open".to_owned());
    desktop.into_iter().chain(preferred).collect()
}

fn start(program: &Path, url: &str, stderr: Stdio) -> std::io::Result<()> {
    let mut command = Command::new(program);
    // A browser has no use for our secrets.
    for secret in SecretKey::ALL {
        command.env_remove(secret.variable()).env_remove(secret.file_variable());
    }
    command
        .env_remove(GARMINS_OWN_KEY)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .map(|_not_waited_for| ())
}
