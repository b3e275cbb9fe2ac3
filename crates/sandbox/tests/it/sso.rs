//! Garmin's sign-in host: what it lets through, and whom it takes for a robot.

use fitferry_sandbox::garmin::sso::{Block, BlockForm, EMAIL, Mfa, PASSWORD, SsoUser, Standing, Tried};
use fitferry_sandbox::garmin::{ATHLETE, Region};
use fitferry_sandbox::{Fault, Reply, Request, Route, Service, What, When};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::asked::Asked;

const HOST: &str = "127.0.0.1:4000";
const AGENT: &str = "Mozilla/5.0 (a browser)";
const IOS: &str = "https://mobile.integration.garmin.com/gcm/ios";
const QUERY: &str =
    "clientId=GCM_IOS_DARK&service=https%3A%2F%2Fmobile.integration.garmin.com%2Fgcm%2Fios&locale=en-US";
const PAGE: &str = "/mobile/sso/en_US/sign-in?clientId=GCM_IOS_DARK\
    &service=https%3A%2F%2Fmobile.integration.garmin.com%2Fgcm%2Fios";
const APP: &str = "GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2";

#[test]
fn a_password_becomes_a_ticket_that_is_good_once_for_its_service() {
    let mut visit = Visit::open();
    let answer = visit.password(PASSWORD);
    let body = answer.body_json();
    assert_eq!(body["responseStatus"]["type"], "SUCCESSFUL");
    assert_eq!((&body["serviceURL"], &body["authType"]), (&json!(IOS), &json!("CAS")));
    let ticket = body["serviceTicketId"].as_str().unwrap().to_owned();
    assert!(ticket.starts_with("ST-") && ticket.ends_with("-sso"), "{ticket}");
    assert!(answer.headers.iter().any(|(_, value)| value.starts_with("CASTGC=")));
    assert!(visit.exchange(&ticket, IOS));
    assert!(!visit.exchange(&ticket, IOS));
    assert_eq!(visit.tried(), Tried { passwords: 1, tickets: 1, ..Tried::default() });
}

#[test]
fn a_ticket_that_is_shown_for_another_service_is_burnt_unless_a_test_says_otherwise() {
    for spares in [false, true] {
        let mut visit = Visit::open();
        visit.asked.world.garmin.tokens.a_wrong_service_spares_the_ticket = spares;
        let ticket = visit.password(PASSWORD).body_json()["serviceTicketId"].as_str().unwrap().to_owned();
        assert!(!visit.exchange(&ticket, "https://mobile.integration.garmin.com/gcm/android"));
        assert_eq!(visit.exchange(&ticket, IOS), spares);
    }
}

#[test]
fn whoever_posts_without_the_page_its_cookie_or_its_headers_is_limited() {
    let posts = [
        ("no cookie", "cookie", None),
        ("no referer", "referer", None),
        ("the page before", "referer", Some("http://127.0.0.1:4000/mobile/sso/en/sign-in")),
        ("no origin", "origin", None),
        ("another browser", "user-agent", Some("Mozilla/5.0 (another)")),
        ("a form", "content-type", Some("application/x-www-form-urlencoded")),
        ("no accept", "accept", None),
    ];
    for (name, header, value) in posts {
        let mut visit = Visit::open();
        let mut request = without(visit.post("/mobile/api/login", &credentials(PASSWORD)), header);
        if let Some(value) = value {
            request = request.with_header(header, value);
        }
        assert_eq!(visit.asked.ask(Service::GarminSso, &request).status, 429, "{name}");
        assert_eq!(visit.tried().passwords, 0, "{name}");
        assert_eq!(visit.password(PASSWORD).status, 200, "{name}: the visit itself is whole");
    }
    let mut asked = Asked::new();
    let page = asked.ask(Service::GarminSso, &Request::get(PAGE).with_header("host", HOST));
    assert_eq!((page.status, page.header("cf-mitigated")), (403, Some("challenge")));
}

#[test]
fn a_password_that_comes_too_soon_is_limited() {
    let mut visit = Visit::open();
    visit.asked.world.garmin.sso.least_pause = SignedDuration::from_secs(2);
    assert_eq!(visit.password(PASSWORD).status, 429);
    visit.asked.pass(SignedDuration::from_secs(2));
    assert_eq!(visit.password(PASSWORD).status, 200);
}

#[test]
fn parameters_must_be_those_of_the_page() {
    let mut visit = Visit::open();
    let mut request = visit.post("/mobile/api/login", &credentials(PASSWORD));
    request.query = QUERY.replace("IOS", "ANDROID");
    assert_eq!(visit.asked.ask(Service::GarminSso, &request).status, 400);
    let missing = json!({"username": EMAIL, "password": PASSWORD});
    let request = visit.post("/mobile/api/login", &missing);
    assert_eq!(visit.asked.ask(Service::GarminSso, &request).status, 400);
    let elsewhere = PAGE.replace("garmin.com", "garmin.cn");
    assert_eq!(get(&mut visit.asked, &elsewhere, None).status, 400);
}

#[test]
fn wrong_passwords_lock_the_account_and_do_not_tell_who_exists() {
    let mut visit = Visit::open();
    for _ in 0..5 {
        assert!(is(&visit.password("wrong"), 401, "INVALID_USERNAME_PASSWORD"));
    }
    let locked = visit.password(PASSWORD);
    assert!(is(&locked, 403, "ACCOUNT_LOCKED"));
    assert_eq!(locked.body_json()["responseStatus"]["message"], "generalLoginAccountLocked");
    let mut nobody = credentials(PASSWORD);
    nobody["username"] = json!("nobody@garmin.example");
    let request = visit.post("/mobile/api/login", &nobody);
    assert!(is(&visit.asked.ask(Service::GarminSso, &request), 401, "INVALID_USERNAME_PASSWORD"));
}

#[test]
fn a_captcha_comes_before_the_password_counts() {
    let mut visit = Visit::open();
    visit.user().wants_captcha = true;
    assert!(is(&visit.password(PASSWORD), 200, "CAPTCHA_REQUIRED"));
    assert!(is(&visit.password("wrong"), 200, "CAPTCHA_REQUIRED"));
    assert_eq!(visit.tried().wrong_passwords, 0);
}

#[test]
fn every_second_factor_asks_for_its_own_code() {
    for (mfa, method, email, phone) in [
        (Mfa::email(), "email", json!("sa*****@garmin.example"), Value::Null),
        (Mfa::sms(), "sms", Value::Null, json!("*******89")),
        (Mfa::app(), "totp", Value::Null, Value::Null),
    ] {
        let mut visit = Visit::open();
        visit.user().mfa = Some(mfa);
        let wanted = visit.password(PASSWORD);
        assert!(is(&wanted, 200, "MFA_REQUIRED"));
        assert!(wanted.headers.iter().all(|(_, value)| !value.starts_with("CASTGC=")));
        let info = &wanted.body_json()["customerMfaInfo"];
        assert_eq!((&info["email"], &info["phoneNumber"]), (&email, &phone));
        assert_eq!(info["mfaLastMethodUsed"], method);
        let wrong = visit.code(method, "x");
        assert!(is(&wrong, 401, "INVALID_MFA_CODE"));
        assert_eq!(wrong.body_json()["responseStatus"]["message"], "codeEntryInvalid");
        let now = visit.asked.now;
        let code = visit.asked.world.garmin.sso.code(EMAIL, now).unwrap();
        assert_eq!(visit.code("another", &code).status, 400);
        let done = visit.code(method, &code);
        assert!(is(&done, 200, "SUCCESSFUL"));
        assert!(done.body_json().get("customerMfaInfo").is_none());
        assert!(is(&visit.code(method, &code), 401, "SESSION_EXPIRED"), "nothing is waited for any more");
    }
}

#[test]
fn a_code_ends_after_ten_minutes_and_a_session_after_five_wrong_ones() {
    let mut visit = Visit::open();
    visit.user().mfa = Some(Mfa::email());
    visit.password(PASSWORD);
    visit.asked.pass(SignedDuration::from_mins(10));
    let late = visit.code("email", "000000");
    assert!(is(&late, 401, "MFA_CODE_EXPIRED"));
    assert_eq!(late.body_json()["responseStatus"]["message"], "codeEntryExpired");

    visit.password(PASSWORD);
    for _ in 0..4 {
        assert!(is(&visit.code("email", "x"), 401, "INVALID_MFA_CODE"));
    }
    assert!(is(&visit.code("email", "x"), 401, "SESSION_EXPIRED"));
    assert_eq!(visit.password(PASSWORD).status, 429, "the visit is over");
}

#[test]
fn the_cast_is_told_on_the_page_and_does_what_is_told() {
    for (name, status, kind) in [
        ("sample", 200, "SUCCESSFUL"),
        ("mail", 200, "MFA_REQUIRED"),
        ("sms", 200, "MFA_REQUIRED"),
        ("app", 200, "MFA_REQUIRED"),
        ("text", 200, "SUCCESSFUL"),
        ("captcha", 0, "CAPTCHA_REQUIRED"),
        ("blocked", 429, ""),
        ("locked", 0, ""),
        ("reset", 0, ""),
    ] {
        let mut visit = Visit::open();
        let now = visit.asked.now;
        visit.asked.world.garmin.sso.add_cast(now);
        let email = format!("{name}@garmin.example");
        let page = get(&mut visit.asked, &embedded_path(""), None);
        assert!(text(&page).contains(&email) && text(&page).contains(PASSWORD), "{}", text(&page));
        let mut body = credentials(PASSWORD);
        body["username"] = json!(email);
        let post = visit.post("/mobile/api/login", &body);
        let reply = visit.asked.ask(Service::GarminSso, &post);
        assert!(status == 0 || reply.status == status, "{name}: {}", reply.status);
        if kind.is_empty() {
            assert!(!text(&reply).contains("SUCCESSFUL"), "{name}");
        } else {
            assert_eq!(reply.body_json()["responseStatus"]["type"], kind, "{name}");
        }
    }
}

#[test]
fn a_blocked_account_is_refused_in_three_forms_and_each_try_begins_the_while_anew() {
    for (form, status, is_json) in
        [(BlockForm::Html, 427, false), (BlockForm::Json, 427, true), (BlockForm::JsonWithin200, 200, true)]
    {
        let mut visit = Visit::open();
        let lasts = SignedDuration::from_hours(2);
        let until = visit.asked.now + lasts;
        visit.user().block = Some(Block { until, lasts, status: 427, retry_after: Some(60), form });
        visit.asked.pass(SignedDuration::from_hours(1));
        let refused = visit.password(PASSWORD);
        assert_eq!((refused.status, refused.header("retry-after")), (status, Some("60")));
        assert_eq!(refused.body_json()["error"]["status-code"] == "427", is_json);
        visit.asked.pass(SignedDuration::from_hours(1));
        assert_eq!(visit.password(PASSWORD).status, status);
        visit.asked.pass(lasts);
        assert!(is(&visit.password(PASSWORD), 200, "SUCCESSFUL"));
        assert_eq!(visit.tried().blocked, 2);
    }
}

#[test]
fn faults_hit_pages_passwords_and_codes_apart() {
    let mut visit = Visit::open();
    let faults = [
        (Route::GarminSsoPage, What::Html(427)),
        (Route::GarminSsoLogin, What::TooManyRequests { retry_after: Some(14) }),
        (Route::GarminSsoCode, What::Answer(fitferry_sandbox::garmin::sso::cloudflare(403))),
    ];
    for (route, what) in faults {
        visit.asked.world.faults.push(Fault { route, when: When::Always, what });
    }
    assert_eq!(get(&mut visit.asked, PAGE, None).status, 427);
    assert_eq!(visit.password(PASSWORD).header("retry-after"), Some("14"));
    assert_eq!(visit.code("email", "x").header("cf-mitigated"), Some("challenge"));
    visit.asked.world.faults.clear();
    visit.asked.world.faults.push(Fault {
        route: Route::AnyGarminSso,
        when: When::Always,
        what: What::Status(503),
    });
    assert_eq!(visit.password(PASSWORD).status, 503);
    assert_eq!(get(&mut visit.asked, "/sso/embed", None).status, 503);
}

#[test]
fn an_account_of_the_other_region_is_not_known_and_its_tokens_are_not_renewed() {
    let mut visit = Visit::open();
    let mut elsewhere = SsoUser::new(7, "secret");
    elsewhere.standing = Standing::Good;
    visit.asked.world.garmin.sso.add("chen@garmin.example", elsewhere);
    visit.asked.world.garmin.tokens.elsewhere.insert(7);
    let mut theirs = credentials("secret");
    theirs["username"] = json!("chen@garmin.example");
    let request = visit.post("/mobile/api/login", &theirs);
    assert!(is(&visit.asked.ask(Service::GarminSso, &request), 401, "INVALID_USERNAME_PASSWORD"));
    let Asked { world, now } = &mut visit.asked;
    let pair = world.garmin.tokens.pair(7, APP, *now, &mut world.rng);
    let refused = world.garmin.tokens.refresh(&pair.refresh_token, APP, *now, &mut world.rng).unwrap_err();
    assert!(refused.starts_with("User doesn't exist in DB for GarminGUID: "), "{refused}");
}

#[test]
fn in_china_services_and_issuer_are_chinas() {
    let mut visit = Visit::open();
    visit.asked.world.garmin.tokens.region = Region::China;
    assert_eq!(get(&mut visit.asked, PAGE, None).status, 400);
    assert_eq!(get(&mut visit.asked, &PAGE.replace("garmin.com", "garmin.cn"), None).status, 200);
    let pair = visit.asked.world.garmin_login(APP, visit.asked.now);
    use base64::Engine;
    let claims = pair.access_token.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["iss"], "https://diauth.garmin.cn");
}

// ------------------------------------------------------------------------------ the embedded page

#[test]
fn the_embedded_page_ends_in_a_script_with_a_ticket() {
    let mut visit = Visit::embedded("");
    assert!(visit.page.contains("<title>GARMIN Authentication Application</title>"));
    let wrong = visit.form("/sso/signin", &[("username", EMAIL), ("password", "wrong")]);
    assert_eq!(wrong.status, 401);
    assert!(text(&wrong).contains("var status = \"FAIL\";"));
    let done = visit.form("/sso/signin", &[("username", EMAIL), ("password", PASSWORD)]);
    let page = text(&done);
    assert!(page.contains("<title>Success</title>"));
    assert!(page.contains(r#"var response_url = "http:\/\/127.0.0.1:4000\/sso\/embed?ticket=ST-"#), "{page}");
    let ticket = ticket(&page);
    assert!(ticket.ends_with("-cas"), "{ticket}");
    let landing = get(&mut visit.asked, &format!("/sso/embed?ticket={ticket}"), None);
    assert_eq!(landing.status, 200);
    assert!(visit.exchange(&ticket, EMBED), "the page did not use it up");
}

#[test]
fn the_embedded_page_asks_for_a_code_on_a_page_of_its_own() {
    let mut visit = Visit::embedded("");
    visit.user().mfa = Some(Mfa::email());
    let sent_on = visit.form("/sso/signin", &[("username", EMAIL), ("password", PASSWORD)]);
    assert_eq!(sent_on.status, 302);
    let next = sent_on.header("location").unwrap().to_owned();
    assert!(next.starts_with("/sso/verifyMFA/loginEnterMfaCode?"));
    visit.load(&next);
    assert!(visit.page.contains("var codeSentTo = \"sa*****@garmin.example\";"));
    let code = |code: &'static str| [("mfa-code", code), ("fromPage", "setupEnterMfaCode")];
    let wrong = visit.form("/sso/verifyMFA/loginEnterMfaCode", &code("x"));
    assert_eq!(wrong.status, 401);
    let now = visit.asked.now;
    let right = visit.asked.world.garmin.sso.code(EMAIL, now).unwrap();
    let fields = [("mfa-code", right.as_str()), ("fromPage", "setupEnterMfaCode")];
    let next = visit.form("/sso/verifyMFA/loginEnterMfaCode", &fields);
    let next = next.header("location").unwrap().to_owned();
    assert!(next.starts_with("/sso/login?logintoken="), "{next}");
    let done = get(&mut visit.asked, &next, Some(&visit.cookies));
    let ticket = ticket(&text(&done));
    assert!(visit.exchange(&ticket, EMBED));
    assert_eq!(get(&mut visit.asked, &next, Some(&visit.cookies)).status, 403, "the way there is used up");
}

#[test]
fn a_browser_that_is_signed_in_gets_a_new_ticket_without_a_password() {
    let mut visit = Visit::embedded("");
    visit.form("/sso/signin", &[("username", EMAIL), ("password", PASSWORD)]);
    visit.load(&embedded_path(""));
    assert!(visit.page.contains("<title>Success</title>"));
    assert_eq!(visit.tried().tickets, 2);
}

#[test]
fn the_embedded_page_checks_its_hidden_field_and_the_service() {
    let mut visit = Visit::embedded("");
    visit.csrf = "0".repeat(100);
    assert_eq!(visit.form("/sso/signin", &[("username", EMAIL), ("password", PASSWORD)]).status, 403);
    let foreign = embedded_path("").replace("127.0.0.1%3A4000%2Fsso%2Fembed&source", "example.org%2F&source");
    assert_eq!(get(&mut visit.asked, &foreign, None).status, 400);
}

#[test]
fn on_the_embedded_page_a_person_gets_past_a_captcha() {
    let mut visit = Visit::embedded("");
    visit.user().wants_captcha = true;
    let again = visit.form("/sso/signin", &[("username", EMAIL), ("password", PASSWORD)]);
    assert!(text(&again).contains("I am a person"));
    let fields = [("username", EMAIL), ("password", PASSWORD), ("captcha", "person")];
    assert!(text(&visit.form("/sso/signin", &fields)).contains("<title>Success</title>"));
}

#[test]
fn some_accounts_see_their_ticket_as_text() {
    let mut visit = Visit::embedded("");
    visit.user().sees_ticket_as_text = true;
    let done = text(&visit.form("/sso/signin", &[("username", EMAIL), ("password", PASSWORD)]));
    assert!(done.contains("{serviceUrl: 'http://127.0.0.1:4000/sso/embed', serviceTicket: 'ST-"), "{done}");
    assert!(!done.contains("response_url"));
}

#[test]
fn a_locked_account_is_told_by_the_title() {
    let mut visit = Visit::embedded("");
    visit.user().standing = Standing::Locked;
    let barred = text(&visit.form("/sso/signin", &[("username", EMAIL), ("password", PASSWORD)]));
    assert!(barred.contains("<title>Account locked</title>"));
}

// ------------------------------------------------------------------------------------- a visit

/// A browser at the sign-in host.
struct Visit {
    asked: Asked,
    /// Path and query of the page that it sees.
    at: String,
    page: String,
    cookies: String,
    csrf: String,
}

const EMBED: &str = "http://127.0.0.1:4000/sso/embed";

fn embedded_path(more: &str) -> String {
    let embed = "http%3A%2F%2F127.0.0.1%3A4000%2Fsso%2Fembed";
    format!(
        "/sso/signin?id=gauth-widget&embedWidget=true&gauthHost={embed}&service={embed}&source={embed}\
         &redirectAfterAccountLoginUrl={embed}&redirectAfterAccountCreationUrl={embed}{more}"
    )
}

impl Visit {
    fn open() -> Visit {
        Visit::at(PAGE)
    }

    fn embedded(more: &str) -> Visit {
        Visit::at(&embedded_path(more))
    }

    fn at(path: &str) -> Visit {
        let mut visit = Visit {
            asked: Asked::new(),
            at: String::new(),
            page: String::new(),
            cookies: String::new(),
            csrf: String::new(),
        };
        visit.load(path);
        visit
    }

    fn load(&mut self, path: &str) {
        let page = get(&mut self.asked, path, Some(&self.cookies));
        assert_eq!(page.status, 200, "{}", text(&page));
        self.at = path.to_owned();
        self.see(&page);
    }

    fn see(&mut self, page: &Reply) {
        for (_, value) in page.headers.iter().filter(|(name, _)| name == "Set-Cookie") {
            let pair = value.split(';').next().unwrap();
            self.cookies = format!("{pair}; {}", self.cookies);
        }
        self.page = text(page);
        if let Some((_, rest)) = self.page.split_once("name=\"_csrf\" value=\"") {
            self.csrf = rest.split('"').next().unwrap().to_owned();
        }
    }

    fn referer(&self) -> String {
        format!("http://{HOST}{}", self.at)
    }

    fn post(&self, path: &str, body: &Value) -> Request {
        let request = Request::new("POST", &format!("{path}?{QUERY}"));
        Request { body: body.to_string().into_bytes(), ..request }
            .with_header("host", HOST)
            .with_header("user-agent", AGENT)
            .with_header("accept", "application/json, text/plain, */*")
            .with_header("content-type", "application/json")
            .with_header("origin", "http://127.0.0.1:4000")
            .with_header("referer", &self.referer())
            .with_header("cookie", &self.cookies)
    }

    fn password(&mut self, password: &str) -> Reply {
        let request = self.post("/mobile/api/login", &credentials(password));
        self.asked.ask(Service::GarminSso, &request)
    }

    fn code(&mut self, method: &str, code: &str) -> Reply {
        let body = json!({
            "mfaMethod": method,
            "mfaVerificationCode": code,
            "rememberMyBrowser": true,
            "reconsentList": [],
            "mfaSetup": false,
        });
        let request = self.post("/mobile/api/mfa/verifyCode", &body);
        self.asked.ask(Service::GarminSso, &request)
    }

    fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let csrf = self.csrf.clone();
        let all = [&[("_csrf", csrf.as_str()), ("embed", "true")], fields].concat();
        let query = self.at.split_once('?').unwrap().1.to_owned();
        let mut request = Request::form(path, &all)
            .with_header("host", HOST)
            .with_header("user-agent", AGENT)
            .with_header("referer", &self.referer())
            .with_header("cookie", &self.cookies);
        request.query = query;
        let reply = self.asked.ask(Service::GarminSso, &request);
        self.see(&reply);
        reply
    }

    fn exchange(&mut self, ticket: &str, service: &str) -> bool {
        let Asked { world, now } = &mut self.asked;
        let pair = world.garmin.tokens.exchange_ticket(ticket, service, APP, *now, &mut world.rng);
        pair.is_ok_and(|pair| {
            let tier = fitferry_sandbox::garmin::Tier::Connect;
            world.garmin.tokens.athlete(tier, &pair.access_token, *now) == Some(ATHLETE)
        })
    }

    fn user(&mut self) -> &mut SsoUser {
        self.asked.world.garmin.sso.user(EMAIL)
    }

    fn tried(&mut self) -> Tried {
        self.user().tried
    }
}

fn credentials(password: &str) -> Value {
    json!({"username": EMAIL.to_uppercase(), "password": password, "rememberMe": true, "captchaToken": ""})
}

fn get(asked: &mut Asked, path: &str, cookies: Option<&str>) -> Reply {
    let request = Request::get(path)
        .with_header("host", HOST)
        .with_header("user-agent", AGENT)
        .with_header("accept", "text/html")
        .with_header("cookie", cookies.unwrap_or_default());
    asked.ask(Service::GarminSso, &request)
}

fn without(mut request: Request, name: &str) -> Request {
    request.headers.retain(|(key, _)| key != name);
    request
}

fn is(reply: &Reply, status: u16, kind: &str) -> bool {
    reply.status == status && reply.body_json()["responseStatus"]["type"] == kind
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.clone()).unwrap()
}

fn ticket(page: &str) -> String {
    let (_, rest) = page.split_once("?ticket=").unwrap();
    rest.split('"').next().unwrap().to_owned()
}
