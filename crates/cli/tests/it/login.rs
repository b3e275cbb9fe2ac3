//! Signing in: with a person at the sandbox's page of Strava, with pasted answers, with tokens and keys.

#![expect(clippy::unwrap_used, reason = "a test tells by panicking")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use fitferry_core::ports::{SecretName, Vault as _};
use fitferry_sandbox::{Options, Phase, RequestEvent, World, garmin, strava};
use fitferry_store::SqliteStore;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::home::{Home, Ran, add_run, list, time_shifter, world};
use crate::kill::{Point, Trap};
use crate::program::program;

#[test]
fn granted_in_the_browser_the_login_is_kept_and_the_page_says_so() {
    let mut home = newcomer();
    let (ran, page) = home.strava_login(&["--json"], |form| form);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let document = ran.json();
    assert_eq!((&document["service"], &document["ok"]), (&json!("strava"), &json!(true)), "{document}");
    assert_eq!(document["athlete"], "me");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("Signed in to Strava"), "{page}");
    let status = home.home.run(&["status", "--json"]).json();
    assert_eq!(status["logins"]["strava"]["ok"], true, "{status}");
    assert_eq!(status["logins"]["strava"]["app"], strava::CLIENT_ID.to_string());
}

#[test]
fn an_unticked_box_is_named_and_decides_what_is_kept() {
    let mut home = newcomer();
    let without =
        |scope: &'static str| move |form: String| form.replace(&format!("&granted={}", encoded(scope)), "");
    let (ran, page) = home.strava_login(&[], without("activity:write"));
    assert_eq!(ran.exit, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("activity:write"), "{ran:?}");
    assert!(page.contains("Not signed in") && page.contains("activity:write"), "{page}");
    assert_eq!(home.home.run(&["status", "--json"]).json()["logins"]["strava"]["ok"], false);

    let (ran, page) = home.strava_login(&[], without("activity:read_all"));
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("warning:") && ran.stderr.contains("activity:read_all"), "{ran:?}");
    assert!(page.contains("Signed in to Strava") && page.contains("activity:read_all"), "{page}");
    let found = home.home.run(&["doctor", "--json"]);
    assert_eq!(found.exit, Some(1), "{found:?}");
    assert_eq!(found.json()["findings"][1]["kind"], "scope", "{found:?}");
}

#[test]
fn denied_or_answered_to_another_question_nobody_is_signed_in() {
    let mut home = newcomer();
    let (ran, page) =
        home.strava_login(&["--json"], |form| form.replace("decision=authorize", "decision=cancel"));
    assert_eq!(ran.exit, Some(3), "{ran:?}");
    assert_eq!(ran.json()["error"]["kind"], "login_denied");
    assert_eq!(ran.json()["ok"], false);
    assert!(page.contains("Not signed in"), "{page}");

    let (ran, page) = home.strava_login(&["--json"], |form| {
        let start = form.find("state=").unwrap();
        form.replace(&form[start..start + 38], "state=somebody-elses")
    });
    assert_eq!(ran.exit, Some(3), "{ran:?}");
    assert_eq!(ran.json()["error"]["kind"], "login_refused");
    assert!(page.starts_with("HTTP/1.1 400"), "{page}");
}

#[test]
fn a_wrong_secret_is_a_matter_of_configuration() {
    let mut home = newcomer();
    home.secret = "0".repeat(40);
    let (ran, page) = home.strava_login(&["--json"], |form| form);
    assert_eq!(ran.exit, Some(2), "{ran:?}");
    assert_eq!(ran.json()["error"]["kind"], "misconfigured");
    assert!(page.contains("Not signed in"), "{page}");
}

#[test]
fn a_port_in_use_is_told_with_the_key_that_chooses_another() {
    let home = newcomer();
    let _other = TcpListener::bind(("127.0.0.1", home.port)).unwrap();
    let ran = home.finished(&["login", "strava", "--client-secret-stdin"], strava::CLIENT_SECRET);
    assert_eq!(ran.exit, Some(2), "{ran:?}");
    assert!(ran.stderr.contains(&home.port.to_string()), "{ran:?}");
    assert!(ran.stderr.contains("`[strava] redirect_port`"), "{ran:?}");
    assert_eq!(home.home.mark(), 0, "no request was made");
}

#[test]
fn nobody_answers_for_five_minutes_and_the_login_ends() {
    let home = newcomer();
    let mut login = home.home.command(&["login", "strava", "--json"]);
    login.env("FITFERRY_STRAVA__CLIENT_SECRET", strava::CLIENT_SECRET);
    let ran: Ran = hurried(&login).output().unwrap().into();
    assert_eq!(ran.exit, Some(3), "{ran:?}");
    assert_eq!(ran.json()["error"]["kind"], "login_timeout");
    assert!(ran.stderr.contains("--no-browser"), "{ran:?}");
    assert_eq!(home.home.mark(), 0, "no request was made");
    TcpListener::bind(("127.0.0.1", home.port)).expect("the port is free again");
}

#[test]
fn without_a_browser_here_the_answer_is_pasted() {
    let home = newcomer();
    let mut child = home.started(&["login", "strava", "--client-secret-stdin", "--no-browser"]);
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{}", strava::CLIENT_SECRET).unwrap();
    let mut told = Vec::new();
    let mut stderr = child.stderr.take().unwrap();
    let url = loop {
        let mut part = [0; 1024];
        let count = stderr.read(&mut part).unwrap();
        assert!(count > 0, "no address in {}", String::from_utf8_lossy(&told));
        told.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&told).into_owned();
        let found =
            text.lines().map(str::trim).find(|line| line.starts_with("http") && text.contains("copy it"));
        if let Some(url) = found {
            break url.to_owned();
        }
    };
    writeln!(stdin, "{}", consent(&url, |form| form)).unwrap();
    drop(stdin);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.exit, Some(0), "{ran:?}");
}

#[test]
fn get_token_signs_in_first_and_prints_the_token_and_nothing_else() {
    let mut home = newcomer();
    let (first, _) = home.strava_login(&["--print-refresh-token"], |form| form);
    assert_eq!(first.exit, Some(0), "{first:?}");
    let token = first.stdout.trim().to_owned();
    assert_eq!(first.stdout, format!("{token}\n"));
    assert!(token.len() == 40 && !first.stderr.contains(&token), "{first:?}");
    assert!(first.stderr.contains("ends the login here"), "{first:?}");

    let mark = home.home.mark();
    let again = home.home.run(&["login", "strava", "--print-refresh-token"]);
    assert_eq!((again.exit, again.stdout.trim()), (Some(0), token.as_str()), "{again:?}");
    assert_eq!(home.home.mark(), mark, "the stored token needs no request");
    for arguments in [
        ["--json", "login", "strava", "--print-refresh-token"],
        ["login", "strava", "--print-refresh-token", "--json"],
    ] {
        let both = home.home.run(&arguments);
        assert_eq!(both.exit, Some(2), "{both:?}");
        assert!(!both.stdout.contains(&token), "a document is no place for it: {both:?}");
    }
}

#[test]
fn make_get_token_signs_in_and_prints_the_token_and_nothing_else() {
    let home = newcomer();
    let program = home.home.command(&[]);
    let mut make = Command::new("make");
    make.args(["get-token", &format!("FITFERRY={}", env!("CARGO_BIN_EXE_fitferry"))])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .env_clear()
        .envs(program.get_envs().filter_map(|(key, value)| Some((key, value?))))
        .env("FITFERRY_STRAVA__CLIENT_SECRET", strava::CLIENT_SECRET)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let (ran, page) = home.answered(make.spawn().unwrap(), |form| form);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert!(page.contains("Signed in to Strava"), "{page}");
    let token = ran.stdout.strip_suffix('\n').unwrap();
    assert!(token.len() == 40 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{ran:?}");
    assert_eq!(home.home.run(&["login", "strava", "--print-refresh-token"]).stdout, ran.stdout);
}

#[test]
fn an_import_that_was_killed_after_the_trade_goes_on_with_the_same_token() {
    for is_there in [false, true] {
        let mut world = world();
        world.strava.settings.rotation = strava::Rotation::Always;
        let trap = Trap::default();
        let hook = trap.clone();
        let options = Options {
            on_request: Some(Arc::new(move |event: &RequestEvent| hook.sees(event))),
            ..Options::default()
        };
        let mut home = newcomer_in(world, options);
        if is_there {
            assert_eq!(home.strava_login(&[], |form| form).0.exit, Some(0));
        }
        let now = home.home.sandbox.clock().now();
        let scopes = ["read", "activity:read_all", "activity:write"];
        let token = home.home.world().strava_login(&scopes, now).refresh_token;
        let login = ["login", "strava", "--client-secret-stdin", "--refresh-token-stdin", "--json"];
        let lines = format!("{}\n{token}\n", strava::CLIENT_SECRET);

        // The trade is the first request.
        trap.arm(Point::Request(2, Phase::Before), home.home.mark());
        let mut child = home.started(&login);
        trap.is_for(&child);
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        assert_eq!(Ran::from(child.wait_with_output().unwrap()).exit, None, "it was killed");
        trap.disarm();

        let again = home.finished(&login, &lines);
        assert_eq!(again.exit, Some(0), "{is_there}: {again:?}");
        let status = home.home.run(&["status", "--json"]).json();
        assert_eq!(status["logins"]["strava"]["ok"], true, "{status}");
    }
}

#[test]
fn a_refresh_token_is_proven_for_reading_and_for_writing() {
    let home = newcomer();
    let login = ["login", "strava", "--client-secret-stdin", "--refresh-token-stdin", "--json"];
    let token = |scopes: &[&str]| {
        let now = home.home.sandbox.clock().now();
        home.home.world().strava_login(scopes, now).refresh_token
    };
    let lines = |token: &str| format!("  {}  \n{token}\n", strava::CLIENT_SECRET);

    let dead = home.finished(&login, &lines(&"0".repeat(40)));
    assert_eq!(dead.exit, Some(3), "{dead:?}");
    let reads_only = home.finished(&login, &lines(&token(&["read", "activity:read_all"])));
    assert_eq!(reads_only.exit, Some(3), "{reads_only:?}");
    assert!(reads_only.stderr.contains("activity:write"), "{reads_only:?}");
    let writes_only = home.finished(&login, &lines(&token(&["read", "activity:write"])));
    assert_eq!(writes_only.exit, Some(3), "{writes_only:?}");
    let good = home.finished(&login, &lines(&token(&["read", "activity:read_all", "activity:write"])));
    assert_eq!(good.exit, Some(0), "{good:?}");
    assert_eq!(good.json()["ok"], true);
}

#[test]
fn signing_in_ends_the_pause_of_an_app_that_was_inactive() {
    let mut world = world();
    add_run(&mut world, "Morning Run", 1.0);
    let home = Home::signed_in(world, Options::default());
    let activate = |active: bool| {
        for app in home.world().strava.apps.values_mut() {
            app.active = active;
        }
    };
    activate(false);
    assert_eq!(home.sync(4)["error"]["kind"], "app_inactive");
    activate(true);
    home.sign_in();
    assert_eq!(list(&home.sync(0), "published").len(), 1);
}

#[test]
fn another_athletes_login_is_replaced_only_with_yes() {
    let mut home = newcomer();
    assert_eq!(home.strava_login(&[], |form| form).0.exit, Some(0));
    let other = strava::ATHLETE + 1;
    {
        let mut world = home.home.world();
        let twin = world.strava.athletes[&strava::ATHLETE].clone();
        world.strava.athletes.insert(other, twin);
        world.strava.browser = other;
        for app in world.strava.apps.values_mut() {
            app.capacity = 10;
        }
    }
    let (refused, page) = home.strava_login(&["--json"], |form| form);
    assert_eq!(refused.exit, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("--yes") && page.contains("--yes"), "{refused:?} {page}");
    let stored = || home.home.run(&["status"]).stdout;
    assert!(stored().contains(&format!("({})", strava::ATHLETE)), "{}", stored());

    // A token of the other athlete is as much another's login.
    let import = ["login", "strava", "--client-secret-stdin", "--refresh-token-stdin", "--json"];
    let token = {
        let now = home.home.sandbox.clock().now();
        let World { strava, rng, .. } = &mut *home.home.world();
        let scopes = ["read", "activity:read_all", "activity:write"];
        strava.sign_in(strava::CLIENT_ID, other, &scopes, now, rng).unwrap().refresh_token
    };
    let lines = format!("{}\n{token}\n", strava::CLIENT_SECRET);
    let refused = home.finished(&import, &lines);
    assert_eq!((refused.exit, refused.json()["ok"].as_bool()), (Some(2), Some(false)), "{refused:?}");
    assert!(stored().contains(&format!("({})", strava::ATHLETE)), "{}", stored());
    let taken = home.finished(&[&import[..], &["--yes"]].concat(), &lines);
    assert_eq!(taken.exit, Some(0), "{taken:?}");
    assert!(stored().contains(&format!("({other})")), "{}", stored());

    home.home.world().strava.browser = strava::ATHLETE;
    let (replaced, _) = home.strava_login(&["--yes"], |form| form);
    assert_eq!(replaced.exit, Some(0), "{replaced:?}");
    assert!(replaced.stderr.contains(&format!("({})", strava::ATHLETE)), "{replaced:?}");
}

#[test]
fn what_is_missing_without_a_terminal_ends_with_2_before_any_request() {
    let home = newcomer();
    for (arguments, input, named) in [
        (&["login", "strava"][..], "", "FITFERRY_STRAVA__CLIENT_SECRET"),
        (&["login", "strava", "--client-secret-stdin"], "", "--client-secret-stdin"),
        (
            &["login", "strava", "--client-secret-stdin", "--refresh-token-stdin"],
            "secret\n",
            "--refresh-token",
        ),
        (&["login", "garmin"], "", "FITFERRY_GARMIN__API_KEY"),
        (&["login", "garmin", "--api-key-stdin"], "  \n", "--api-key-stdin"),
        (&["login", "garmin", "--import", "/nowhere"], "", "--import"),
    ] {
        let ran = home.finished(arguments, input);
        assert_eq!(ran.exit, Some(2), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(named), "{arguments:?}: {ran:?}");
    }
    assert_eq!(home.home.mark(), 0, "a request was made");
}

#[test]
fn garmins_key_comes_from_standard_input_a_variable_a_file_or_garmins_own_place() {
    let home = newcomer();
    let kind = || home.home.run(&["status", "--json"]).json()["logins"]["garmin"].clone();
    let login = home.finished(
        &["login", "garmin", "--api-key-stdin", "--key-ends", "2099-01-31", "--json"],
        &format!("  {}\r\n", garmin::API_KEY),
    );
    assert_eq!(login.exit, Some(0), "{login:?}");
    assert_eq!(login.json()["service"], "garmin");
    assert_eq!(kind(), json!({"kind": "personal", "ok": true, "ends": "2099-01-31T00:00:00Z"}));

    let file = home.home.path().join("key");
    std::fs::write(&file, format!("{}\n", garmin::API_KEY)).unwrap();
    for (variable, value) in [
        ("FITFERRY_GARMIN__API_KEY", garmin::API_KEY),
        ("FITFERRY_GARMIN__API_KEY_FILE", file.to_str().unwrap()),
        ("GARMIN_PERSONAL_API_KEY", garmin::API_KEY),
    ] {
        let ran: Ran = home.home.command(&["login", "garmin"]).env(variable, value).output().unwrap().into();
        assert_eq!(ran.exit, Some(0), "{variable}: {ran:?}");
    }
    let own = home.home.path().join(".config/garmin");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::rename(&file, own.join("connect-personal-api-key")).unwrap();
    let ran = home.home.run(&["login", "garmin"]);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert_eq!(kind()["ends"], Value::Null, "a new login says nothing of its end");

    let wrong = home.finished(&["login", "garmin", "--api-key-stdin", "--json"], "wrong-key\n");
    assert_eq!(wrong.exit, Some(3), "{wrong:?}");
    assert_eq!(wrong.json()["error"]["kind"], "login_refused");
    assert_eq!(kind()["ok"], true, "a login that never worked does not replace one that did");
}

#[test]
fn another_tools_garmin_tokens_are_taken_over_and_renewed() {
    let mut world = world();
    add_run(&mut world, "Morning Run", 1.0);
    let mut home = newcomer_in(world, Options::default());
    let app = "GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2";
    let now = home.home.sandbox.clock().now();
    let pair = home.home.world().garmin_login(app, now);
    let file = home.home.path().join("garmin_tokens.json");
    let tokens = json!({
        "di_token": pair.access_token, "di_refresh_token": pair.refresh_token, "di_client_id": app,
    });
    std::fs::write(&file, tokens.to_string()).unwrap();
    let login = home.home.run(&["login", "garmin", "--import", file.to_str().unwrap(), "--json"]);
    assert_eq!(login.exit, Some(0), "{login:?}");
    assert!(login.stderr.contains("signed out"), "{login:?}");
    assert_eq!(home.strava_login(&[], |form| form).0.exit, Some(0));
    let published =
        home.home.sync_until_settled().iter().map(|tick| list(tick, "published").len()).sum::<usize>();
    assert_eq!(published, 1);
    assert_eq!(home.garmin_tokens()["current"]["refresh"], pair.refresh_token, "nothing was renewed yet");

    // Twice, since only the pair that the first renewal brought can be renewed again.
    let mut before = json!(pair.refresh_token);
    for _ in 0..2 {
        home.home.world().garmin.tokens.revoke_bearers(garmin::ATHLETE);
        home.home.sync(0);
        let stored = home.garmin_tokens();
        assert_eq!(stored["before"]["refresh"], before);
        assert_ne!(stored["current"]["refresh"], before);
        before = stored["current"]["refresh"].clone();
    }
}

/// A home with a browser: a program that writes down the address and leaves the rest to the test.
struct Newcomer {
    home: Home,
    port: u16,
    secret: String,
}

fn newcomer() -> Newcomer {
    newcomer_in(world(), Options::default())
}

fn newcomer_in(world: World, options: Options) -> Newcomer {
    let mut home = Home::new(world, options);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = "printf %s \"$1\" > \"$FITFERRY_HOME/url.part\"\nmv \"$FITFERRY_HOME/url.part\" \"$FITFERRY_HOME/url\"";
    let browser = program(home.path(), "browser", script);
    home.set("FITFERRY_BROWSER", browser.to_str().unwrap());
    home.set("FITFERRY_STRAVA__CLIENT_ID", &strava::CLIENT_ID.to_string());
    home.set("FITFERRY_STRAVA__REDIRECT_PORT", &port.to_string());
    Newcomer { home, port, secret: strava::CLIENT_SECRET.to_owned() }
}

impl Newcomer {
    /// `login strava` with a person who fills in the form of Strava's page as `person` says; how it ended,
    /// and the page that the browser ended at.
    fn strava_login(&mut self, flags: &[&str], person: impl FnOnce(String) -> String) -> (Ran, String) {
        let mut child = self.started(&[&["login", "strava", "--client-secret-stdin"], flags].concat());
        writeln!(child.stdin.take().unwrap(), "{}", self.secret).unwrap();
        self.answered(child, person)
    }

    /// The person's part in a login that has started.
    fn answered(&self, mut child: Child, person: impl FnOnce(String) -> String) -> (Ran, String) {
        let file = self.home.path().join("url");
        let url = loop {
            if let Ok(url) = std::fs::read_to_string(&file) {
                break url;
            }
            assert!(child.try_wait().unwrap().is_none(), "{:?}", child.wait_with_output());
            std::thread::yield_now();
        };
        std::fs::remove_file(file).unwrap();
        let page = get(&consent(&url, person));
        (child.wait_with_output().unwrap().into(), page)
    }

    /// The stored login to Garmin.
    fn garmin_tokens(&self) -> Value {
        let store = SqliteStore::open_for_reading(&self.home.store()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let login = runtime.block_on(store.athlete("me").get(SecretName::GarminLogin)).unwrap();
        serde_json::from_str(login.unwrap().0.expose_secret()).unwrap()
    }

    fn started(&self, arguments: &[&str]) -> Child {
        self.home.command(arguments).stdin(Stdio::piped()).spawn().unwrap()
    }

    fn finished(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = self.started(arguments);
        // It may end without reading.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap().into()
    }
}

/// The same command in a time that runs 150 times as fast, where there is a `faketime` to make it.
fn hurried(command: &Command) -> Command {
    let mut hurried = Command::new(command.get_program());
    hurried
        .args(command.get_args())
        .env_clear()
        .envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))))
        .stdin(Stdio::null());
    if let Some(library) = time_shifter() {
        hurried.env("LD_PRELOAD", library).env("FAKETIME", "+0 x150");
    }
    hurried
}

/// Plays the person at Strava's page; where Strava sends the browser to.
pub fn consent(url: &str, person: impl FnOnce(String) -> String) -> String {
    let page = get(url);
    assert!(page.contains("<form"), "{page}");
    let fields: Vec<String> = page
        .split("<input ")
        .skip(1)
        .map(|input| format!("{}={}", attribute(input, "name"), encoded(&attribute(input, "value"))))
        .collect();
    let form = person(format!("{}&decision=authorize", fields.join("&")));
    let target = url.split('?').next().unwrap();
    let answer = http(
        target,
        &format!(
            "POST {} HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}",
            path(target),
            form.len()
        ),
        &form,
    );
    let location = answer.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
    });
    location.unwrap_or_else(|| panic!("no redirect: {answer}"))
}

fn attribute(tag: &str, name: &str) -> String {
    let start = tag.find(&format!("{name}=\"")).unwrap() + name.len() + 2;
    let end = start + tag[start..].find('"').unwrap();
    tag[start..end].replace("&amp;", "&")
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

fn get(url: &str) -> String {
    http(url, &format!("GET {} HTTP/1.1", path(url)), "")
}

fn path(url: &str) -> &str {
    let rest = url.strip_prefix("http://").unwrap();
    rest.find('/').map_or("/", |slash| &rest[slash..])
}

fn http(url: &str, head: &str, body: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    let host = rest.split('/').next().unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "{head}\r\nHost: {host}\r\nConnection: close\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
