//! Signing in at a terminal: what is asked, what is not shown, and how often.

use fitferry_sandbox::garmin::sso::{EMAIL, Mfa, PASSWORD};
use fitferry_sandbox::{Options, garmin, strava};

use crate::home::{Home, world};
use crate::login::consent;
use crate::terminal::Terminal;

fn garmin_login(home: &Home) -> serde_json::Value {
    home.run(&["status", "--json"]).json()["logins"]["garmin"].clone()
}

#[test]
fn the_key_is_asked_for_and_never_shown() {
    let home = Home::new(world(), Options::default());
    let mut terminal = Terminal::start(&home, &["login", "garmin"]);
    let shown = terminal.until("paste it here.");
    assert!(shown.contains("https://connect.garmin.com/app/settings/personalApiToken"), "{shown}");
    terminal.answer_unseen("Garmin API key (not shown):", garmin::API_KEY);
    terminal.answer("or nothing if you do not know:", "soon");
    terminal.answer("or nothing if you do not know:", "90");
    let (exit, screen) = terminal.end();
    assert_eq!(exit, Some(0), "{screen}");
    assert!(!screen.contains(garmin::API_KEY), "{screen}");
    assert!(screen.contains("Signed in to Garmin") && screen.contains("it ends on"), "{screen}");
    assert_eq!(garmin_login(&home)["kind"], "personal");
    assert!(garmin_login(&home)["ends"].is_string());
}

#[test]
fn a_wrong_key_says_where_to_make_another() {
    let home = Home::new(world(), Options::default());
    let mut terminal = Terminal::start(&home, &["login", "garmin"]);
    terminal.answer_unseen("Garmin API key (not shown):", "a-wrong-key");
    terminal.answer("or nothing if you do not know:", "");
    let (exit, screen) = terminal.end();
    assert_eq!(exit, Some(3), "{screen}");
    assert!(screen.contains("help:") && !screen.contains("a-wrong-key"), "{screen}");
}

#[test]
fn nobody_is_asked_when_a_key_ends_that_is_none_or_says_so_itself() {
    let home = Home::new(world(), Options::default());
    // {"alg":"RS256"}, {"exp":1801526400}
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjE4MDE1MjY0MDB9.x";
    home.world().garmin.tokens.add_key(token, garmin::ATHLETE);
    for (key, expected) in [("two words", 2), (token, 0)] {
        let mut terminal = Terminal::start(&home, &["login", "garmin"]);
        terminal.answer_unseen("Garmin API key (not shown):", key);
        let (exit, screen) = terminal.end();
        assert_eq!(exit, Some(expected), "{screen}");
        assert!(!screen.contains("When does it end?") && !screen.contains(key), "{screen}");
    }
    assert_eq!(garmin_login(&home)["ends"], "2027-02-02T00:00:00Z");
}

#[test]
fn password_and_codes_are_asked_for_unseen_and_the_code_three_times() {
    for (wrong_ones, exit) in [(0, 0), (2, 0), (3, 3)] {
        let home = Home::new(world(), Options::default());
        home.world().garmin.sso.user(EMAIL).mfa = Some(Mfa::email());
        let mut terminal = Terminal::start(&home, &["login", "garmin", "--email", EMAIL]);
        terminal.answer_unseen("Password of the Garmin account (not shown):", PASSWORD);
        terminal.until("Garmin has sent a code by e-mail to sa*****@garmin.example.");
        let code = home.world().garmin.sso.code(EMAIL, home.sandbox.clock().now()).expect("it was sent");
        let wrong = if code == "135790" { "135791" } else { "135790" };
        for left in (3 - wrong_ones..3).rev() {
            terminal.answer_unseen("Code (not shown):", wrong);
            if left > 0 {
                terminal.until(&format!("Garmin refuses this code; {left} "));
            }
        }
        if exit == 0 {
            terminal.answer_unseen("Code (not shown):", &code);
        }
        let (ended, screen) = terminal.end();
        assert_eq!(ended, Some(exit), "{wrong_ones}: {screen}");
        assert_eq!(screen.matches("has sent a code").count(), 1, "a wrong one brings no other: {screen}");
        for secret in [PASSWORD, &code, wrong] {
            assert!(!screen.contains(secret), "{secret} in {screen}");
        }
        assert_eq!(garmin_login(&home)["ok"], exit == 0);
    }
}

#[test]
fn the_address_may_be_asked_for_as_well() {
    let home = Home::new(world(), Options::default());
    let mut terminal = Terminal::start(&home, &["login", "garmin", "--password-stdin"]);
    terminal.answer("E-mail address of the Garmin account:", EMAIL);
    terminal.answer_unseen("Password of the Garmin account (not shown):", PASSWORD);
    let (exit, screen) = terminal.end();
    assert_eq!(exit, Some(0), "{screen}");
    assert!(!screen.contains(PASSWORD), "{screen}");
}

#[test]
fn a_ticket_is_asked_for_until_there_is_one() {
    let home = Home::new(world(), Options::default());
    let mut terminal = Terminal::start(&home, &["login", "garmin", "--ticket", "-"]);
    terminal.answer("Paste the address, or whatever holds the ticket:", "https://sso.garmin.com/sso/embed");
    // A page may have many lines, so nothing is one's end.
    terminal.line("");
    terminal.until("There is no ticket in that");
    let embed = format!("{}/sso/embed", home.sandbox.url(fitferry_sandbox::Service::GarminSso));
    let ticket = home.world().garmin_ticket(&embed, home.sandbox.clock().now());
    terminal.answer("Paste the address, or whatever holds the ticket:", &format!("{embed}?ticket={ticket}"));
    let (exit, screen) = terminal.end();
    assert_eq!(exit, Some(0), "{screen}");
}

#[test]
fn stravas_application_is_asked_for_and_the_answer_pasted() {
    let home = Home::new(world(), Options::default());
    let mut terminal = Terminal::start(&home, &["login", "strava"]);
    let shown = terminal.answer("Its client id:", &strava::CLIENT_ID.to_string());
    assert!(shown.contains("https://www.strava.com/settings/api") && shown.contains("localhost"), "{shown}");
    terminal.answer_unseen("Client secret (not shown):", strava::CLIENT_SECRET);
    let shown = terminal.until("Paste it here:");
    let url = shown.lines().map(str::trim).find(|line| line.starts_with("http")).expect("an address");
    terminal.line(&consent(url, |form| form));
    let (exit, screen) = terminal.end();
    assert_eq!(exit, Some(0), "{screen}");
    assert!(!screen.contains(strava::CLIENT_SECRET), "{screen}");
    assert!(screen.contains("Signed in to Strava as"), "{screen}");
}
