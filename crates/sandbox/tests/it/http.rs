//! Over sockets: what only the skin can do wrong.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fitferry_sandbox::garmin::{API_KEY, GarminActivity};
use fitferry_sandbox::generate::GenerateSpec;
use fitferry_sandbox::strava::CLIENT_SECRET;
use fitferry_sandbox::{Clock, Fault, Options, Phase, Route, Sandbox, Service, What, When, Wire, World};
use jiff::{SignedDuration, Timestamp};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Response};
use serde_json::Value;

const ALL: &[&str] = &["read", "activity:read_all", "activity:write"];

#[tokio::test]
async fn an_activity_crosses_from_end_to_end() {
    let here = Here::new(one_run());
    let key = format!("ApiKey {API_KEY}");
    let url = here.garmin("/personalapitoken-service/personal-api/personal-api-key/token");
    let bearer =
        here.client.post(url).header("authorization", key).send().await.unwrap().text().await.unwrap();
    let list = here.garmin("/activitylist-service/activities/search/activities?start=0&limit=20");
    let list: Value =
        here.client.get(list).bearer_auth(bearer.trim()).send().await.unwrap().json().await.unwrap();
    let id = list[0]["activityId"].as_u64().unwrap();
    let download = here.garmin(&format!("/download-service/files/activity/{id}"));
    let download = here.client.get(download).bearer_auth(bearer.trim()).send().await.unwrap();
    assert_eq!(download.headers()["content-type"], "application/x-zip-compressed");
    assert_eq!(download.content_length(), None, "a download is chunked");
    let file = unzip(&download.bytes().await.unwrap());

    let token = here.sign_in_on_the_page().await;
    let posted = here.upload(&token, file, id).await;
    assert_eq!(posted.status(), 201);
    assert_eq!(posted.headers()["x-readratelimit-usage"], ",");
    let posted: Value = posted.json().await.unwrap();
    assert_eq!(posted["status"], "Your activity is still being processed.");
    here.sandbox.clock().shift(SignedDuration::from_secs(2));
    let ready = here.strava_get(&token, &format!("/uploads/{}", posted["id"])).await;
    assert_eq!(ready.headers()["date"], "Mon, 23 Nov 2026 06:00:02 GMT");
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["status"], "Your activity is ready.");
    let shown: Value = here.strava_get(&token, "/athlete/activities").await.json().await.unwrap();
    assert_eq!(shown[0]["id"], ready["activity_id"]);
    assert_eq!(shown[0]["external_id"], format!("garmin-{id}.fit"));
    assert_eq!(shown[0]["start_date"], "2026-11-22T06:10:00Z");

    let counts = here.sandbox.counts();
    assert_eq!((counts.garmin_api, counts.strava_api, counts.tokens, counts.other), (2, 3, 2, 2));
}

#[tokio::test]
async fn an_answer_can_be_lost_before_and_after_its_effect() {
    for (what, uploads, status) in [(What::DropBefore, 0, None), (What::DropAfter, 1, Some(201))] {
        let here = Here::new(one_run());
        let token = here.signed_in();
        here.sandbox.world().faults.push(Fault { route: Route::StravaUpload, when: When::Nth(1), what });
        let sent = here.try_upload(&token, b"bytes".to_vec(), 1).await;
        assert!(sent.is_err(), "the connection ended without an answer");
        assert_eq!(here.sandbox.world().uploads_received(), uploads);
        assert_eq!(here.sandbox.log()[0].status, status);
        assert_eq!(here.strava_get(&token, "/athlete").await.status(), 200, "the next request is served");
    }
}

#[tokio::test]
async fn a_body_may_be_halved_cut_or_slow() {
    let here = Here::new(one_run());
    let token = here.signed_in();
    for (what, ends_well, is_json) in [
        (What::HalfBody, true, false),
        (What::CutBody, false, false),
        (What::SlowBody(Duration::from_millis(20)), true, true),
    ] {
        here.sandbox.world().faults.push(Fault { route: Route::StravaAthlete, when: When::Always, what });
        let answer = here.strava_get(&token, "/athlete").await;
        assert_eq!(answer.status(), 200);
        match answer.bytes().await {
            Ok(bytes) => assert!(ends_well && serde_json::from_slice::<Value>(&bytes).is_ok() == is_json),
            Err(_) => assert!(!ends_well),
        }
        here.sandbox.world().faults.clear();
    }
}

#[tokio::test]
async fn trouble_of_the_wire_is_as_named_and_the_next_request_is_served() {
    let trouble: [(Wire, usize, Option<bool>); 9] = [
        (Wire::ResetBefore, 0, None),
        (Wire::ResetAfter, 1, None),
        (Wire::SilenceBefore, 0, None),
        (Wire::SilenceAfter, 1, None),
        (Wire::Garbage, 1, None),
        (Wire::SilentBody, 1, Some(false)),
        (Wire::Length(7), 1, Some(false)),
        (Wire::Length(-7), 1, Some(true)),
        (Wire::Blanks(1 << 20), 1, Some(true)),
    ];
    for (wire, uploads, body_ends_well) in trouble {
        let here = Here::new(one_run());
        let token = here.signed_in();
        let what = What::Wire(wire);
        here.sandbox.world().faults.push(Fault { route: Route::StravaUpload, when: When::Nth(1), what });
        let patience = Duration::from_millis(400);
        let sent = tokio::time::timeout(patience, here.try_upload(&token, b"bytes".to_vec(), 1)).await;
        let body = match sent {
            Ok(Ok(answer)) => Some(matches!(tokio::time::timeout(patience, answer.bytes()).await, Ok(Ok(_)))),
            Ok(Err(_)) | Err(_) => None,
        };
        assert_eq!(body, body_ends_well, "{wire:?}");
        assert_eq!(here.sandbox.world().uploads_received(), uploads, "{wire:?}");
        assert_eq!(here.strava_get(&token, "/athlete").await.status(), 200, "{wire:?}");
    }
}

#[tokio::test]
async fn a_hook_is_told_before_after_and_when_the_answer_is_out() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    let options = Options {
        clock: Clock::standing(now()),
        on_request: Some(Arc::new(move |event| {
            if event.request.route == Route::StravaAthlete {
                told.lock().unwrap().push((event.phase, event.request.status));
            }
        })),
    };
    let here = Here::with(one_run(), options);
    let token = here.signed_in();
    here.strava_get(&token, "/athlete").await.bytes().await.unwrap();
    // The next request proves that the server is done with the one before.
    here.strava_get(&token, "/athlete/activities").await.bytes().await.unwrap();
    let expected = [(Phase::Before, None), (Phase::After, Some(200)), (Phase::Answered, Some(200))];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn a_sandbox_needs_no_runtime_around_it_and_leaves_nothing_behind() {
    let world = Arc::new(Mutex::new(World::empty(1)));
    let sandbox = Sandbox::start(world.clone(), Options::default()).unwrap();
    let address = sandbox.url(Service::Strava).strip_prefix("http://").unwrap().to_owned();
    let open = std::net::TcpStream::connect(&address).unwrap();
    drop(sandbox);
    assert_eq!(Arc::strong_count(&world), 1, "the server still holds the world");
    drop(open);
}

#[test]
fn the_environment_names_all_six_endpoints() {
    let here = Sandbox::start(Arc::new(Mutex::new(World::empty(1))), Options::default()).unwrap();
    let env = here.env();
    assert_eq!(env.len(), 6);
    assert!(
        env.iter()
            .all(|(name, url)| name.starts_with("FITFERRY_ENDPOINTS__") && url.starts_with("http://127."))
    );
    assert!(env.iter().any(|(name, url)| name.ends_with("STRAVA_API") && url.ends_with("/api/v3")));
}

/// A sandbox and a client of it.
struct Here {
    sandbox: Sandbox,
    client: Client,
}

fn now() -> Timestamp {
    "2026-11-23T06:00:00Z".parse().unwrap()
}

fn one_run() -> World {
    let mut world = World::empty(1);
    let start = "2026-11-22T06:10:00Z".parse().unwrap();
    world.garmin.add(GarminActivity::recorded(
        "Morning Run",
        "running",
        &GenerateSpec::run(start, 5000.0, 1),
    ));
    world
}

fn unzip(bytes: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut file = Vec::new();
    std::io::copy(&mut zip.by_index(0).unwrap(), &mut file).unwrap();
    file
}

impl Here {
    fn new(world: World) -> Here {
        Here::with(world, Options { clock: Clock::standing(now()), on_request: None })
    }

    fn with(world: World, options: Options) -> Here {
        // A second test in the same process finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Here { sandbox: Sandbox::start(Arc::new(Mutex::new(world)), options).unwrap(), client }
    }

    fn garmin(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.url(Service::GarminPersonal))
    }

    fn strava(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.url(Service::Strava))
    }

    fn signed_in(&self) -> String {
        self.sandbox.world().strava_login(ALL, now()).access_token
    }

    /// As a person would: open the page, leave the boxes ticked, press the button.
    async fn sign_in_on_the_page(&self) -> String {
        let asked = [
            ("client_id", "12345"),
            ("redirect_uri", "http://localhost:9321/back"),
            ("response_type", "code"),
            ("scope", "read,activity:read_all,activity:write"),
            ("state", "xyz"),
        ];
        let page = self.client.get(self.strava("/oauth/authorize")).query(&asked).send().await.unwrap();
        let page = page.text().await.unwrap();
        assert_eq!(page.matches("type=\"checkbox\"").count(), 3);
        let mut form = asked.to_vec();
        form.extend(ALL.iter().map(|scope| ("granted", *scope)));
        form.push(("decision", "authorize"));
        let back = self.client.post(self.strava("/oauth/authorize")).form(&form).send().await.unwrap();
        assert_eq!(back.status(), 302);
        let back = back.headers()["location"].to_str().unwrap().to_owned();
        let back = reqwest::Url::parse(&back).unwrap();
        let answer = |name: &str| back.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        assert_eq!(
            (answer("state"), answer("scope")),
            ("xyz".into(), "read,activity:read_all,activity:write".into())
        );
        let code = answer("code");
        let form = [
            ("client_id", "12345"),
            ("client_secret", CLIENT_SECRET),
            ("code", &code),
            ("grant_type", "authorization_code"),
        ];
        let tokens = self.client.post(self.strava("/oauth/token")).form(&form).send().await.unwrap();
        assert!(tokens.headers().get("x-ratelimit-usage").is_none());
        let tokens: Value = tokens.json().await.unwrap();
        assert_eq!(tokens["expires_in"], 21_600);
        tokens["access_token"].as_str().unwrap().to_owned()
    }

    async fn upload(&self, token: &str, file: Vec<u8>, garmin_id: u64) -> Response {
        self.try_upload(token, file, garmin_id).await.unwrap()
    }

    async fn try_upload(&self, token: &str, file: Vec<u8>, garmin_id: u64) -> reqwest::Result<Response> {
        let part = Part::bytes(file).file_name(format!("garmin-{garmin_id}.fit"));
        let form = Form::new()
            .text("data_type", "fit")
            .text("external_id", format!("garmin-{garmin_id}"))
            .part("file", part);
        self.client.post(self.strava("/api/v3/uploads")).bearer_auth(token).multipart(form).send().await
    }

    async fn strava_get(&self, token: &str, path: &str) -> Response {
        self.client.get(self.strava(&format!("/api/v3{path}"))).bearer_auth(token).send().await.unwrap()
    }
}
