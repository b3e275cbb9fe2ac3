//! The browser's processes and its profile: begun together, and gone together.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::catch::Launch;
use crate::error::BrowserError;

/// Where the browser listens for what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) port: u16,
    pub(crate) path: String,
}

/// A browser that was started. When it is dropped, its processes are ended and its profile is removed.
pub(crate) struct Running {
    child: Child,
    /// `None` once it is removed.
    profile: Option<TempDir>,
    complaints: Arc<Mutex<Complaints>>,
}

/// What the browser has said on its standard error: the last lines, for a person, and the address.
#[derive(Default)]
struct Complaints {
    lines: Vec<String>,
    address: Option<Address>,
    /// Nobody is left who could say more.
    is_over: bool,
}

const LINES_KEPT: usize = 5;
const LINE_CHARS_MAX: usize = 300;

const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// How long the last words of a browser that has ended are waited for.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(1);

/// How long files of processes that have just been killed may be in the way.
const REMOVE_WITHIN: Duration = Duration::from_secs(3);

impl Running {
    pub(crate) fn start(launch: &Launch) -> Result<Running, BrowserError> {
        let cannot = |error: io::Error| cannot_start(&launch.program, error.to_string());
        let profile = tempfile::Builder::new().prefix("fitferry-browser-").tempdir().map_err(cannot)?;
        let mut command = Command::new(&launch.program);
        command
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            // A new profile has questions of its own, and nobody will profit from the answers.
            .args(["--no-first-run", "--no-default-browser-check", "--disable-search-engine-choice-screen"])
            // The profile is thrown away, so nobody need open a keychain for it.
            .args(["--password-store=basic", "--use-mock-keychain"])
            .args(["--new-window", "about:blank"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        for name in &launch.hidden_variables {
            command.env_remove(name);
        }
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt as _;
            // A group of its own: all of it can be ended, and Ctrl-C in the terminal is for us alone.
            command.process_group(0);
        }
        let mut child = command.spawn().map_err(cannot)?;
        let complaints = Arc::new(Mutex::new(Complaints::default()));
        if let Some(stderr) = child.stderr.take() {
            let heard = complaints.clone();
            // It ends with the last process that holds the other end.
            let listener = thread::Builder::new().name("browser-stderr".to_owned());
            let listen = move || {
                listen(stderr, &heard);
                lock(&heard).is_over = true;
            };
            listener.spawn(listen).map_err(cannot)?;
        }
        Ok(Running { child, profile: Some(profile), complaints })
    }

    /// Waits until the browser says where it listens.
    pub(crate) async fn address(&mut self, launch: &Launch) -> Result<Address, BrowserError> {
        let give_up = Instant::now() + launch.start_within;
        loop {
            // Looked at before the file, so that one that was written last is not missed.
            let ended = self.child.try_wait().ok().flatten();
            if let Some(address) = self.told() {
                return Ok(address);
            }
            let why = match ended {
                Some(status) => {
                    let give_up = Instant::now() + LAST_WORDS_WITHIN;
                    while !self.complaints().is_over && Instant::now() < give_up {
                        sleep(LOOK_AGAIN).await;
                    }
                    format!("it ended at once ({status})")
                }
                None if Instant::now() >= give_up => {
                    "it does not say where it listens; it must be Chrome, Chromium or Edge".to_owned()
                }
                None => {
                    sleep(LOOK_AGAIN).await;
                    continue;
                }
            };
            return Err(cannot_start(&launch.program, format!("{why}{}", self.last_words())));
        }
    }

    /// The address, as the browser writes it into its profile, or says it: some keep a folder of that name of
    /// their own, where nobody else sees the file.
    fn told(&self) -> Option<Address> {
        let file = self.profile.as_ref()?.path().join("DevToolsActivePort");
        let written = fs::read_to_string(file).ok().and_then(|text| {
            let (port, path) = text.split_once('\n')?;
            let path = path.trim();
            path.starts_with('/')
                .then_some(Address { port: port.trim().parse().ok()?, path: path.to_owned() })
        });
        written.or_else(|| self.complaints().address.clone())
    }

    fn last_words(&self) -> String {
        let complaints = self.complaints();
        if complaints.lines.is_empty() {
            String::new()
        } else {
            format!(": {}", complaints.lines.join(" / "))
        }
    }

    fn complaints(&self) -> MutexGuard<'_, Complaints> {
        lock(&self.complaints)
    }

    fn end(&mut self) {
        // Before the child is waited for: until then the group's number cannot belong to anybody else.
        #[cfg(unix)]
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // An error means that there is nobody left.
            let _ =
                nix::sys::signal::killpg(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(profile) = self.profile.take() {
            remove(&profile);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Files of processes that are on their way out may still appear while the folder is being removed.
fn remove(profile: &TempDir) {
    let give_up = Instant::now() + REMOVE_WITHIN;
    loop {
        match fs::remove_dir_all(profile.path()) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !profile.path().exists() => return,
            Err(error) if Instant::now() >= give_up => {
                tracing::warn!(%error, "the browser's profile {} cannot be removed", profile.path().display());
                return;
            }
            Err(_) => thread::sleep(LOOK_AGAIN),
        }
    }
}

fn lock(complaints: &Mutex<Complaints>) -> MutexGuard<'_, Complaints> {
    complaints.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen(stderr: ChildStderr, heard: &Mutex<Complaints>) {
    for line in BufReader::new(stderr).split(b'\n') {
        let Ok(line) = line else { return };
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        let mut heard = lock(heard);
        if let Some(address) = spoken(line) {
            heard.address = Some(address);
        } else if !line.is_empty() {
            heard.lines.push(line.chars().filter(|c| !c.is_control()).take(LINE_CHARS_MAX).collect());
            if heard.lines.len() > LINES_KEPT {
                heard.lines.remove(0);
            }
        }
    }
}

/// `DevTools listening on ws://127.0.0.1:PORT/devtools/browser/ID`
fn spoken(line: &str) -> Option<Address> {
    let (_, rest) = line.split_once("DevTools listening on ws://127.0.0.1:")?;
    let (port, path) = rest.split_once('/')?;
    Some(Address { port: port.parse().ok()?, path: format!("/{}", path.trim()) })
}

fn cannot_start(program: &Path, why: String) -> BrowserError {
    BrowserError::CannotStart { program: program.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spoken_address_is_read() {
        let line = "DevTools listening on ws://127.0.0.1:36435/devtools/browser/7f0c-1";
        let address = Address { port: 36_435, path: "/devtools/browser/7f0c-1".to_owned() };
        assert_eq!(spoken(line), Some(address));
        for line in
            ["", "DevTools listening on ws://127.0.0.1:x/y", "DevTools listening on ws://10.0.0.1:1/y"]
        {
            assert_eq!(spoken(line), None, "{line}");
        }
    }
}
