//! The sandbox, a wrapper that makes the browser run without a screen, and what is left of both.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fitferry_browser::{BrowserError, Launch, Moment, Outcome, Watch, catch};
use fitferry_core::ports::{Clock, Meter};
use fitferry_garmin::sso::{self, Means, SsoError, SsoHost, Ticket, browser};
use fitferry_garmin::{Domain, Endpoints, Login};
use fitferry_sandbox::garmin::sso::{EMAIL, SsoUser};
use fitferry_sandbox::{Options, Sandbox, Service, World};
use tempfile::TempDir;
use url::Url;

use crate::program::program;

/// A test that has hung fails with this and not by the patience of whoever runs it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) host: SsoHost,
    /// The embedded page, which the person signs in on.
    pub(crate) page: String,
    folder: TempDir,
    pub(crate) launch: Launch,
}

impl Stage {
    pub(crate) fn new() -> Stage {
        let sandbox = Sandbox::start(Arc::new(Mutex::new(World::empty(1))), Options::default()).unwrap();
        let host = SsoHost::new(&Url::parse(&sandbox.url(Service::GarminSso)).unwrap(), Domain::Com);
        let page = browser::page(&host).to_string();
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "printf '%s\\n' \"$@\" > '{}'\nexec '{}' --headless --no-sandbox --disable-gpu --disable-quic \
             --disable-background-networking --disable-component-update --disable-sync \"$@\"",
            folder.path().join("arguments").display(),
            chromium().display()
        );
        let launch = Launch::new(program(folder.path(), "browser", &script));
        Stage { sandbox, host, page, folder, launch }
    }

    /// What the wrapper was called with, one argument a line.
    pub(crate) fn arguments(&self) -> PathBuf {
        self.folder.path().join("arguments")
    }

    pub(crate) fn user(&self, change: impl FnOnce(&mut SsoUser)) {
        change(self.sandbox.world().garmin.sso.user(EMAIL));
    }

    /// Watches the page as `fitferry login garmin --browser` does.
    pub(crate) async fn watch(
        &self,
        page: &str,
        patience: Duration,
    ) -> Result<Outcome<Ticket>, BrowserError> {
        let watches: Vec<Watch> = browser::watches(&self.host)
            .into_iter()
            .map(|watch| Watch {
                pattern: watch.pattern,
                moment: match watch.moment {
                    browser::Moment::Request => Moment::Request,
                    browser::Moment::Answer => Moment::Answer,
                },
            })
            .collect();
        self.watch_for(page, &watches, patience).await
    }

    pub(crate) async fn watch_for(
        &self,
        page: &str,
        watches: &[Watch],
        patience: Duration,
    ) -> Result<Outcome<Ticket>, BrowserError> {
        let watching = catch(&self.launch, page, watches, patience, |seen| {
            let addresses: Vec<&str> = [Some(seen.url), seen.sent_on_to].into_iter().flatten().collect();
            browser::ticket_in(&addresses, seen.body)
        });
        tokio::time::timeout(DEADLINE, watching).await.expect("the test hangs")
    }

    /// What was asked of the sign-in host, as `GET /path`, with the query where that shows a ticket.
    pub(crate) fn asked(&self) -> Vec<String> {
        let log = self.sandbox.log();
        let of_host = log.iter().filter(|seen| seen.service == Service::GarminSso);
        let of_host = of_host.filter(|seen| seen.path != "/favicon.ico");
        of_host
            .map(|seen| {
                let ticket = if seen.query.contains("ticket=") { "?ticket" } else { "" };
                format!("{} {}{ticket}", seen.method, seen.path)
            })
            .collect()
    }

    /// Makes a login of a ticket, which shows that nobody has used it up.
    pub(crate) async fn redeem(&self, ticket: &Ticket) -> Result<Login, SsoError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = |service| Url::parse(&self.sandbox.url(service)).unwrap();
        let endpoints = Endpoints {
            personal: url(Service::GarminPersonal),
            api: url(Service::GarminApi),
            auth: url(Service::GarminAuth),
        };
        let means = Means {
            http: &http,
            clock: &SandboxTime(self.sandbox.clock().clone()),
            meter: &Meter::default(),
        };
        sso::redeem(means, &endpoints, &self.host, ticket).await
    }

    /// That nothing of the browser is left: neither a process nor a file.
    pub(crate) fn nothing_is_left(&self) {
        let arguments = fs::read_to_string(self.arguments()).unwrap();
        let profile = arguments.lines().find_map(|line| line.strip_prefix("--user-data-dir=")).unwrap();
        assert!(!Path::new(profile).exists(), "the profile is left");
        // Killed processes may take a moment to leave the table; their command lines go at once.
        let alive = processes_with(profile);
        assert!(alive.is_empty(), "processes are left: {alive:?}");
    }
}

fn processes_with(text: &str) -> Vec<String> {
    let lines = fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = lines.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(text))
        .collect()
}

struct SandboxTime(fitferry_sandbox::Clock);

#[async_trait]
impl Clock for SandboxTime {
    fn now(&self) -> jiff::Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

fn chromium() -> PathBuf {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let mut files = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    files.find(|file| file.is_file()).expect("this test needs Chromium: run `make setup`, which installs it")
}
