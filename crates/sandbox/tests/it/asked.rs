//! A world, a moment, and the requests of one athlete: what the tests without sockets speak through.

use std::path::PathBuf;

use fitferry_sandbox::generate::{self, GenerateSpec};
use fitferry_sandbox::strava::{ATHLETE, CLIENT_SECRET, StravaActivity};
use fitferry_sandbox::{Reply, Request, Service, World};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub(crate) const ALL: &[&str] = &["read", "activity:read_all", "activity:write"];

pub(crate) struct Asked {
    pub(crate) world: World,
    pub(crate) now: Timestamp,
}

impl Asked {
    pub(crate) fn new() -> Asked {
        Asked { world: World::empty(1), now: "2026-11-23T06:00:00Z".parse().unwrap() }
    }

    pub(crate) fn pass(&mut self, by: SignedDuration) {
        self.now += by;
    }

    pub(crate) fn ask(&mut self, service: Service, request: &Request) -> Reply {
        self.world.answer(service, request, self.now).reply
    }

    /// A bearer for Strava with these scopes.
    pub(crate) fn strava_token(&mut self, scopes: &[&str]) -> String {
        self.world.strava_login(scopes, self.now).access_token
    }

    pub(crate) fn strava(&mut self, token: &str, path: &str) -> Reply {
        let path = format!("/api/v3{path}");
        self.ask(Service::Strava, &Request::get(&path).with_bearer(token))
    }

    pub(crate) fn token_request(&mut self, fields: &[(&str, &str)]) -> Reply {
        let app = [("client_id", "12345"), ("client_secret", CLIENT_SECRET)];
        self.ask(Service::Strava, &Request::form("/oauth/token", &[&app[..], fields].concat()))
    }

    pub(crate) fn refresh(&mut self, refresh_token: &str) -> Reply {
        self.token_request(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)])
    }

    pub(crate) fn upload(&mut self, token: &str, external_id: &str, data_type: &str, file: &[u8]) -> Reply {
        let mut body = Vec::new();
        for (name, value) in [("data_type", data_type), ("external_id", external_id)] {
            body.extend(
                format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
            );
        }
        let filename = format!("{external_id}.{data_type}");
        let head =
            format!("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\n\r\n");
        body.extend(head.bytes());
        body.extend(file);
        body.extend(b"\r\n--b--\r\n");
        let request = Request { body, ..Request::new("POST", "/api/v3/uploads") }
            .with_bearer(token)
            .with_header("content-type", "multipart/form-data; boundary=b");
        self.ask(Service::Strava, &request)
    }

    /// Uploads, lets the processing time pass, and gives the answer of the poll.
    pub(crate) fn processed(
        &mut self,
        token: &str,
        external_id: &str,
        data_type: &str,
        file: &[u8],
    ) -> Value {
        let posted = self.upload(token, external_id, data_type, file);
        assert_eq!(posted.status, 201, "{}", String::from_utf8_lossy(&posted.body));
        self.pass(SignedDuration::from_secs(5));
        self.poll(token, &posted)
    }

    pub(crate) fn poll(&mut self, token: &str, posted: &Reply) -> Value {
        let id = posted.body_json()["id_str"].as_str().unwrap().to_owned();
        self.strava(token, &format!("/uploads/{id}")).body_json()
    }

    /// Puts activities on Strava that were not uploaded by us: one a day back from now, the newest first.
    pub(crate) fn fill_strava(&mut self, count: i64) {
        for day in 1..=count {
            let start = self.now - SignedDuration::from_hours(24 * day);
            self.world.strava.add(StravaActivity::other(ATHLETE, "Run", "Run", start, 1800.0));
        }
    }
}

pub(crate) fn a_run() -> Vec<u8> {
    generate::run(&run_at("2026-11-22T06:10:00Z", 1))
}

pub(crate) fn run_at(start: &str, seed: u64) -> GenerateSpec {
    GenerateSpec::run(start.parse().unwrap(), 5000.0, seed)
}

/// Resource, field and code of the first error.
pub(crate) fn fault(reply: &Reply) -> (u16, String, String, String) {
    let body = reply.body_json();
    let text = |key: &str| body["errors"][0][key].as_str().unwrap_or_default().to_owned();
    (reply.status, text("resource"), text("field"), text("code"))
}

pub(crate) fn is_fault(reply: &Reply, status: u16, resource: &str, field: &str, code: &str) -> bool {
    fault(reply) == (status, resource.to_owned(), field.to_owned(), code.to_owned())
}

/// The folder with shared test data, where there is one.
pub(crate) fn shared() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let named = std::env::var_os("FITFERRY_SHARED").map(PathBuf::from);
    Some(named.unwrap_or_else(|| root.join("../shared"))).filter(|path| path.join("fit").is_dir())
}
