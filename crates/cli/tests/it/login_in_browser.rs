//! Signing in with a real browser, which runs without a screen: a wrapper that `FITFERRY_BROWSER` names starts
//! Chromium, and a hand fills in the sandbox's pages through DevTools.

#![expect(clippy::unwrap_used, reason = "a test tells by panicking")]

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use fitferry_sandbox::garmin::sso::{EMAIL, Mfa, PASSWORD};
use fitferry_sandbox::{Options, Service, strava};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::hand::Hand;
use crate::home::{Home, Ran, world};
use crate::program::program;

/// A test that has hung fails with this and not by the patience of whoever runs it.
const DEADLINE: Duration = Duration::from_secs(120);

/// Somebody with a browser.
struct Desk {
    home: Home,
}

impl Desk {
    fn new() -> Desk {
        let mut home = Home::new(world(), Options::default());
        // A page is opened by its address alone, a watched window with flags of its own.
        let script = format!(
            "case \"$1\" in http*)\n\
             set -- --remote-debugging-port=0 --user-data-dir=\"$FITFERRY_HOME/profile\" --no-first-run \"$1\"\n\
             exec 2> /dev/null ;;\n\
             esac\n\
             echo $$ > \"$FITFERRY_HOME/browser.pid\"\n\
             printf '%s\\n' \"$@\" about:blank > \"$FITFERRY_HOME/arguments\"\n\
             exec '{}' --headless --no-sandbox --disable-gpu --disable-quic --disable-background-networking \
             --disable-component-update --disable-sync \"$@\"",
            chromium().display()
        );
        let browser = program(home.path(), "browser", &script);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        home.set("FITFERRY_BROWSER", browser.to_str().unwrap());
        home.set("FITFERRY_STRAVA__CLIENT_ID", &strava::CLIENT_ID.to_string());
        home.set("FITFERRY_STRAVA__REDIRECT_PORT", &port.to_string());
        Desk { home }
    }

    fn arguments(&self) -> PathBuf {
        self.home.path().join("arguments")
    }

    /// Starts a login; standard input has these lines.
    fn start(&self, arguments: &[&str], input: &str) -> Child {
        let mut child = self.home.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child
    }

    /// Does the person's part, and waits for the program's end.
    async fn with_person(&self, mut child: Child, person: impl Future<Output = ()>) -> Ran {
        if tokio::time::timeout(DEADLINE, person).await.is_err() {
            child.kill().unwrap();
            panic!("the person still waits: {:?}", Ran::from(child.wait_with_output().unwrap()));
        }
        child.wait_with_output().unwrap().into()
    }
}

impl Drop for Desk {
    /// A browser that opened a page for the person stays open, as it should.
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.home.path().join("browser.pid")).ok();
        if let Some(pid) = pid.and_then(|pid| pid.trim().parse().ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

fn chromium() -> PathBuf {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut files = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    files.find(|file| file.is_file()).expect("this test needs Chromium: run `make setup`, which installs it")
}

/// That the browser has left no profile behind.
fn nothing_is_left(arguments: &Path) {
    let told = fs::read_to_string(arguments).unwrap();
    let profile = told.lines().find_map(|line| line.strip_prefix("--user-data-dir=")).unwrap();
    assert!(!Path::new(profile).exists(), "the profile is left");
}

#[tokio::test]
async fn somebody_signs_in_on_garmins_page_with_a_code() {
    let desk = Desk::new();
    desk.home.world().garmin.sso.user(EMAIL).mfa = Some(Mfa::email());
    let child = desk.start(&["login", "garmin", "--browser", "--json"], "");
    let ran = desk
        .with_person(child, async {
            let mut hand = Hand::on_page(&desk.arguments(), "/sso/signin").await;
            hand.write("#username", EMAIL).await;
            hand.write("#password", PASSWORD).await;
            hand.press("#login-btn-signin").await;
            hand.until("document.querySelector('#mfa-code') !== null").await;
            let now = desk.home.sandbox.clock().now();
            let code = desk.home.world().garmin.sso.code(EMAIL, now).unwrap();
            hand.write("#mfa-code", &code).await;
            hand.press("#mfa-verification-code-submit").await;
        })
        .await;
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert_eq!(ran.json()["ok"], true);
    assert_eq!(desk.home.run(&["status", "--json"]).json()["logins"]["garmin"]["kind"], "connect");
    nothing_is_left(&desk.arguments());
}

#[tokio::test]
async fn whoever_closes_the_window_is_not_signed_in() {
    let desk = Desk::new();
    let child = desk.start(&["login", "garmin", "--browser", "--json"], "");
    let ran = desk
        .with_person(child, async {
            Hand::on_page(&desk.arguments(), "/sso/signin").await.close_window().await;
        })
        .await;
    assert_eq!(ran.exit, Some(3), "{ran:?}");
    let document = ran.json();
    assert_eq!((&document["ok"], &document["error"]["kind"]), (&json!(false), &json!("login_denied")));
    assert_eq!(desk.home.run(&["status", "--json"]).json()["logins"]["garmin"]["kind"], Value::Null);
    nothing_is_left(&desk.arguments());
}

#[test]
fn without_a_browser_here_garmins_page_is_told_and_the_answer_pasted() {
    let mut home = Home::new(world(), Options::default());
    let broken = program(home.path(), "broken", "echo no screen here >&2\nexit 3");
    for browser in [Path::new("/nowhere/browser"), &broken] {
        home.set("FITFERRY_BROWSER", browser.to_str().unwrap());
        let mark = home.mark();
        let nothing = home.run(&["login", "garmin", "--browser", "--json"]);
        assert_eq!(nothing.exit, Some(2), "{nothing:?}");
        assert_eq!(home.mark(), mark, "a request was made");
        let page = format!("{}/sso/signin?", home.sandbox.url(Service::GarminSso));
        assert!(nothing.stderr.contains(&page), "{nothing:?}");
        let embed = format!("{}/sso/embed", home.sandbox.url(Service::GarminSso));
        let ticket = home.world().garmin_ticket(&embed, home.sandbox.clock().now());
        let ran = home.run_with(&["login", "garmin", "--browser"], &format!("{embed}?ticket={ticket}\n"));
        assert_eq!(ran.exit, Some(0), "{ran:?}");
    }
}

#[tokio::test]
async fn somebody_authorizes_on_stravas_page_or_cancels() {
    for (button, exit, shown) in [("#authorize", 0, "Signed in to Strava"), ("#cancel", 3, "Not signed in")] {
        let desk = Desk::new();
        let login = ["login", "strava", "--client-secret-stdin", "--json"];
        let child = desk.start(&login, &format!("{}\n", strava::CLIENT_SECRET));
        let ran = desk
            .with_person(child, async {
                let mut hand = Hand::on_page(&desk.arguments(), "/oauth/authorize").await;
                hand.press(button).await;
                hand.until(&format!("document.body.innerText.includes('{shown}')")).await;
                hand.ask_in("", "Browser.close", json!({})).await;
            })
            .await;
        assert_eq!(ran.exit, Some(exit), "{button}: {ran:?}");
        let ok = desk.home.run(&["status", "--json"]).json()["logins"]["strava"]["ok"].clone();
        assert_eq!(ok, exit == 0);
    }
}
