//! What leaves with an upload, and what each kind of answer means for it (rule *Doubt*).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fitferry_core::activity::{FileKind, StravaId, UploadId};
use fitferry_core::budget::{FullReason, Kind, Purpose};
use fitferry_core::ports::{Destination, Requests, SendError, Sent};
use fitferry_strava::Endpoints;

use crate::bench::{
    ACCESS, Bench, CREDENTIALS, INACTIVE, NO_WRITE, REFRESH_DEAD, TAKEN, TOKEN_VOID, failure, login_text,
    new_pair, nowhere, send_name,
};
use crate::server::{Reply, Request, Server};

#[tokio::test]
async fn the_file_goes_up_byte_for_byte_with_its_names_and_its_length() {
    let bench = Bench::new(|_| Reply::json(201, TAKEN)).await;
    let answer = bench.client.upload(&bench.an_upload()).await.unwrap();
    assert_eq!(answer.value, Sent::Accepted(UploadId(55)));

    let requests = bench.server.requests();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/api/v3/uploads"));
    assert_eq!(request.header("authorization"), format!("Bearer {ACCESS}"));
    assert_eq!(request.header("content-encoding"), "");
    assert_eq!(request.header("content-length"), request.body.len().to_string());
    assert!(request.header("user-agent").starts_with("fitferry/"));
    let parts = parts(request);
    let shown: Vec<_> = parts.iter().map(|(head, body)| (head.as_str(), body.as_slice())).collect();
    assert_eq!(
        shown,
        [
            (r#"form-data; name="data_type""#, b"fit".as_slice()),
            (r#"form-data; name="external_id""#, b"garmin-20000000001"),
            (r#"form-data; name="name""#, b"Morning Run"),
            (r#"form-data; name="file"; filename="garmin-20000000001.fit""#, b"0123456789"),
        ]
    );
    assert_eq!(bench.meter.read(), Requests { garmin: 0, strava: 1, tokens: 0 });
}

#[tokio::test]
async fn an_activity_without_a_title_goes_up_without_a_name_and_any_byte_survives() {
    let bench = Bench::new(|_| Reply::json(201, TAKEN)).await;
    let every_byte: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let mut upload = bench.an_upload();
    upload.name = None;
    upload.kind = FileKind::Tcx;
    upload.bytes = every_byte.clone().into();
    bench.client.upload(&upload).await.unwrap();
    let parts = parts(&bench.server.requests()[0]);
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[0].1, b"tcx");
    assert_eq!(parts[2].0, r#"form-data; name="file"; filename="garmin-20000000001.tcx""#);
    assert!(parts[2].1 == every_byte, "the file is the file");
}

#[tokio::test]
async fn a_title_in_any_language_arrives_as_it_is() {
    let bench = Bench::new(|_| Reply::json(201, TAKEN)).await;
    let title = "Läufchen \"früh\" ⛰\r\n--x & <b>";
    let mut upload = bench.an_upload();
    upload.name = Some(title.to_owned());
    bench.client.upload(&upload).await.unwrap();
    let parts = parts(&bench.server.requests()[0]);
    assert_eq!(String::from_utf8(parts[2].1.clone()).unwrap(), title);
}

#[tokio::test]
async fn both_bases_work_with_and_without_the_prefix_and_a_slash() {
    for (prefix, path) in [("/api/v3", "/api/v3/uploads"), ("/api/v3/", "/api/v3/uploads"), ("", "/uploads")]
    {
        let bench = Bench::at(prefix, &login_text(300), |_| Reply::json(201, TAKEN)).await;
        bench.client.upload(&bench.an_upload()).await.unwrap();
        assert_eq!(bench.server.calls(), [format!("POST {path}")], "{prefix}");
    }
}

#[tokio::test]
async fn a_duplicate_names_the_other_activity() {
    let bench = Bench::new(|_| {
        Reply::json(400, r#"{"id":5,"error":"a.fit duplicate of <a href='/activities/99'>T 7</a>"}"#)
    })
    .await;
    let answer = bench.client.upload(&bench.an_upload()).await.unwrap();
    let text = "a.fit duplicate of T 7".to_owned();
    assert_eq!(answer.value, Sent::Duplicate { of: Some(StravaId(99)), text });
}

#[tokio::test]
async fn answers_are_taken_for_what_they_say_and_for_nothing_more() {
    let cut = |status, body: &str| Reply::Cut { status, body: body.as_bytes().to_vec() };
    let table = [
        (Reply::HangUp, "in doubt: down -"),
        (cut(201, r#"{"id":55"#), "in doubt: down 201"),
        (cut(400, r#"{"error":"#), "in doubt: down 400"),
        (cut(500, "<html>"), "in doubt: down 500"),
        (cut(404, "<html>"), "not taken: refused 404"),
        (Reply::html(200, "<html>Welcome</html>"), "in doubt: refused 200"),
        (Reply::html(201, ""), "in doubt: down 201"),
        (Reply::json(408, ""), "in doubt: down 408"),
        (Reply::html(500, "<h1>Oops</h1>"), "in doubt: down 500"),
        (Reply::html(503, ""), "in doubt: down 503"),
        (Reply::html(302, "").with("Location", "/login"), "not taken: refused 302"),
        (Reply::html(307, "").with("Location", "/api/v3/uploads"), "not taken: refused 307"),
        (Reply::json(401, CREDENTIALS), "not taken: misconfigured"),
        (Reply::json(401, NO_WRITE), "not taken: login needed"),
        (Reply::json(403, INACTIVE), "not taken: inactive until 2026-11-24T06:07:00Z"),
        (Reply::json(403, ""), "not taken: refused 403"),
        (Reply::json(404, ""), "not taken: refused 404"),
        (Reply::json(429, "{}"), "not taken: limited until 2026-11-23T06:15:00Z"),
    ];
    for (reply, expected) in table {
        let script = reply.clone();
        let bench = Bench::new(move |_| script.clone()).await;
        let error = bench.client.upload(&bench.an_upload()).await.unwrap_err();
        assert_eq!(send_name(&error), expected, "{reply:?}");
        assert_eq!(bench.server.requests().len(), 1, "sent once: {reply:?}");
    }
}

#[tokio::test]
async fn where_nothing_listens_nothing_was_taken() {
    let (_socket, url) = nowhere();
    let server = Server::start(|_| Reply::HangUp).await;
    let endpoints = Endpoints { api: url.clone(), oauth: url };
    let bench = Bench::over(server, endpoints, &login_text(300), Purpose::Everyday);
    let error = bench.client.upload(&bench.an_upload()).await.unwrap_err();
    assert_eq!(send_name(&error), "not taken: down -");
}

#[tokio::test]
async fn a_401_renews_the_token_and_sends_once_more() {
    let bench = Bench::new(|request: &Request| match request.header("authorization") {
        "" => new_pair("new"),
        "Bearer new-access-token" => Reply::json(201, TAKEN),
        _ => Reply::json(401, TOKEN_VOID),
    })
    .await;
    let answer = bench.client.upload(&bench.an_upload()).await.unwrap();
    assert_eq!(answer.value, Sent::Accepted(UploadId(55)));
    assert_eq!(bench.server.calls(), ["POST /api/v3/uploads", "POST /oauth/token", "POST /api/v3/uploads"]);
    assert_eq!(bench.budget.kinds(), [Kind::Upload, Kind::Upload], "each send is charged");
    assert_eq!(bench.stored()["current"]["access"], "new-access-token");
    assert_eq!(bench.meter.read(), Requests { garmin: 0, strava: 2, tokens: 1 });
}

#[tokio::test]
async fn a_401_to_the_token_just_issued_is_an_outage() {
    let bench =
        Bench::new(|request| if request.is_token() { new_pair("new") } else { Reply::json(401, TOKEN_VOID) })
            .await;
    let error = bench.client.upload(&bench.an_upload()).await.unwrap_err();
    assert_eq!(send_name(&error), "not taken: down 401");
    assert_eq!(bench.server.requests().len(), 3, "and it ends there");
}

#[tokio::test]
async fn a_401_whose_renewal_fails_took_nothing() {
    let table = [
        (Reply::json(400, REFRESH_DEAD), "not taken: login needed"),
        (Reply::json(401, CREDENTIALS), "not taken: misconfigured"),
        (Reply::html(502, ""), "not taken: down 502"),
        (Reply::HangUp, "not taken: down -"),
    ];
    for (reply, expected) in table {
        let bench = Bench::new(
            move |request| {
                if request.is_token() { reply.clone() } else { Reply::json(401, TOKEN_VOID) }
            },
        )
        .await;
        let error = bench.client.upload(&bench.an_upload()).await.unwrap_err();
        assert_eq!(send_name(&error), expected);
        assert!(failure(&error).usage.is_some(), "the upload's answer told the account");
    }
}

#[tokio::test]
async fn the_replay_starts_in_time_or_not_at_all() {
    let clock = Arc::new(std::sync::OnceLock::new());
    let hand = clock.clone();
    let bench = Bench::new(move |request: &Request| {
        if request.is_token() {
            let clock: &Arc<crate::fakes::StillClock> = hand.get().unwrap();
            clock.advance(Duration::from_secs(21));
            return new_pair("new");
        }
        Reply::json(401, TOKEN_VOID)
    })
    .await;
    clock.set(bench.clock.clone()).ok().unwrap();
    let error = bench.client.upload(&bench.an_upload()).await.unwrap_err();
    assert_eq!(send_name(&error), "not taken: out of time");
    assert_eq!(bench.server.calls(), ["POST /api/v3/uploads", "POST /oauth/token"]);
}

#[tokio::test]
async fn a_request_that_is_late_is_not_made() {
    let bench = Bench::new(|_| Reply::json(201, TAKEN)).await;
    let late = bench.an_upload();
    bench.clock.advance(Duration::from_secs(20));
    assert!(matches!(bench.client.upload(&late).await, Err(SendError::NotTaken(_))));
    let mut ending = bench.an_upload();
    ending.deadline = Some(ending.start_before - Duration::from_secs(18));
    assert!(matches!(bench.client.upload(&ending).await, Err(SendError::NotTaken(_))));
    assert!(bench.server.requests().is_empty());
}

#[tokio::test]
async fn a_limit_and_an_inactive_app_pause_the_account() {
    let turn = AtomicU32::new(0);
    let bench = Bench::new(move |_| match turn.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::json(429, "{}")
            .with("X-RateLimit-Limit", "200,2000")
            .with("X-RateLimit-Usage", "201,2000")
            .with("Date", "Mon, 23 Nov 2026 06:20:00 GMT"),
        _ => Reply::json(403, INACTIVE),
    })
    .await;
    let error = bench.client.upload(&bench.an_upload()).await.unwrap_err();
    assert_eq!(send_name(&error), "not taken: limited until 2026-11-24T00:00:00Z");
    let failure = failure(&error);
    assert_eq!(failure.usage.unwrap().overall_15min.used, 201);
    assert_eq!(failure.server_time, Some("2026-11-23T06:20:00Z".parse().unwrap()));
    let pause = bench.budget.pauses.lock().unwrap()[0];
    assert_eq!((pause.until, pause.why), ("2026-11-24T00:00:00Z".parse().unwrap(), FullReason::Limited));

    // The account says so from here on, without a request.
    let error = bench.client.upload(&bench.an_upload()).await.unwrap_err();
    assert_eq!(send_name(&error), "not taken: limited until 2026-11-24T00:00:00Z");
    assert_eq!(bench.server.requests().len(), 1);

    bench.clock.advance(Duration::from_secs(18 * 3600));
    bench.vault.set(&login_text(3000));
    let error = bench.client.upload(&bench.an_upload()).await.unwrap_err();
    assert_eq!(send_name(&error), "not taken: inactive until 2026-11-25T00:20:00Z", "by Strava's clock");
    assert_eq!(bench.budget.pauses.lock().unwrap()[1].why, FullReason::Inactive);
}

#[tokio::test]
async fn an_accepted_upload_is_not_lost_to_an_account_that_cannot_be_written() {
    let bench = Bench::new(|_| Reply::json(201, TAKEN)).await;
    bench.budget.uncorrectable.store(true, Ordering::Relaxed);
    let answer = bench.client.upload(&bench.an_upload()).await.unwrap();
    assert_eq!(answer.value, Sent::Accepted(UploadId(55)));
    assert_eq!(answer.usage, None);
}

/// Head and bytes of each part.
fn parts(request: &Request) -> Vec<(String, Vec<u8>)> {
    let boundary = request.header("content-type").split("boundary=").nth(1).unwrap();
    let separator = format!("--{boundary}").into_bytes();
    split(&request.body, &separator)
        .iter()
        .filter(|part| part.starts_with(b"\r\n"))
        .map(|part| {
            let head_end = part.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
            let head = String::from_utf8(part[2..head_end].to_vec()).unwrap();
            let disposition = head.split("\r\n").find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-disposition").then(|| value.to_owned())
            });
            (disposition.unwrap(), part[head_end + 4..part.len() - 2].to_vec())
        })
        .filter(|(head, _)| !head.is_empty())
        .collect()
}

fn split<'a>(bytes: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(separator.len()).position(|part| part == separator) {
        parts.push(&rest[..at]);
        rest = &rest[at + separator.len()..];
    }
    // What follows the last boundary is its two dashes.
    assert_eq!(rest, b"--\r\n");
    parts
}
