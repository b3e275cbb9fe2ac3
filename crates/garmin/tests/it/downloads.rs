//! The answers to a download: about this activity, or about the service.

use fitferry_core::activity::{FileKind, GarminId};
use fitferry_core::ports::{Download, Source};
use jiff::SignedDuration;

use crate::archives::{fit, zip_of};
use crate::fakes::{Stage, jwt, key_login, kind, noon, token_login};
use crate::server::{Reply, Seen};

const ID: GarminId = GarminId(20_000_000_001);

#[tokio::test]
async fn a_file_arrives_byte_for_byte() {
    let file = fit(4);
    let archive = zip_of(&[("20000000001_ACTIVITY.fit", &file)]);
    let stage = answering(Reply::new(200, "application/x-zip-compressed", archive)).await;
    let answer = stage.client.download(ID).await.unwrap();
    let Download::File(original) = answer.value else { panic!("{:?}", answer.value) };
    assert_eq!((&*original.bytes, original.kind), (&*file, FileKind::Fit));
    assert_eq!(original.objection, None);
    assert_eq!(answer.server_time, Some(noon()));
    let request = &stage.server.seen()[1];
    assert_eq!(request.path, "/personal/download-service/files/activity/20000000001");
    assert_eq!(
        request.header("accept"),
        "application/zip, application/x-zip-compressed, application/octet-stream"
    );
}

#[tokio::test]
async fn the_connect_api_is_asked_for_anything() {
    let login = token_login(SignedDuration::from_hours(5), "r-1");
    let stage = Stage::new(Some(&login), |_| Reply::empty(404)).await;
    assert_eq!(stage.client.download(ID).await.unwrap().value, Download::NoFile);
    assert_eq!(stage.server.seen()[0].header("accept"), "*/*");
}

/// The catalogue for downloads (dossier garmin.md §7, §9).
#[tokio::test]
async fn the_answers_to_a_download_are_told_apart() {
    let archive = zip_of(&[("a.fit", &fit(1))]);
    let zip = |body: &[u8]| Reply::new(200, "application/x-zip-compressed", body);
    let cases = [
        (zip(&archive), "file"),
        (Reply::html(200).with_header("x", "y"), "broken"),
        (Reply::new(200, "text/html", archive.clone()), "file"),
        (Reply::new(200, "text/html", fit(1)), "file"),
        (Reply::new(200, "application/octet-stream", "<!doctype html><html lang=en>"), "broken"),
        (Reply::new(200, "text/html", "no"), "broken"),
        (Reply::new(200, "text/xml", "<gpx></gpx>"), "file"),
        (zip(&archive).cut(), "broken"),
        (zip(&archive[..archive.len() / 2]), "broken"),
        (zip(b""), "broken"),
        (Reply::empty(204), "broken"),
        (Reply::json(200, r#"{"message":"x"}"#), "broken"),
        (Reply::empty(404), "no file"),
        (Reply::json(404, r#"{"message":"HTTP 404 Not Found","error":"NotFoundException"}"#), "no file"),
        (Reply::empty(410), "no file"),
        (
            Reply::json(500, r#"{"message":null,"error":"NullPointerException"}"#),
            "unavailable: Garmin answers 500: NullPointerException",
        ),
        (Reply::empty(500), "unavailable: Garmin answers HTTP 500, no body"),
        (
            Reply::json(403, r#"{"message":"Only owner of activity","error":"UnauthorizedException"}"#),
            "unavailable: Garmin answers 403: Only owner of activity",
        ),
        (Reply::json(400, r#"{"message":"bad id"}"#), "unavailable: Garmin answers 400: bad id"),
        (Reply::html(403), "refused 403"),
        (Reply::empty(403), "refused 403"),
        (Reply::html(400), "refused 400"),
        (Reply::empty(302).with_header("location", "/sign-in"), "refused 302"),
        (Reply::empty(401), "refused 401"),
        (Reply::empty(429).with_header("retry-after", "30"), "limited 30"),
        (Reply::empty(408), "down 408"),
        (Reply::html(502), "down 502"),
        (Reply::html(503), "down 503"),
        (Reply::html(504), "down 504"),
        (Reply::empty(405), "refused 405"),
    ];
    for (reply, expected) in cases {
        let shown = format!("{reply:?}");
        let stage = answering(reply).await;
        let outcome = stage.client.download(ID).await;
        let word = match &outcome {
            Ok(answer) => match &answer.value {
                Download::File(_) => "file".to_owned(),
                Download::NoFile => "no file".to_owned(),
                Download::Unavailable(text) => format!("unavailable: {text}"),
                Download::Broken(_) => "broken".to_owned(),
                Download::Unfit { reason, .. } => reason.to_string(),
            },
            Err(_) => kind(&outcome),
        };
        assert_eq!(word, expected, "{shown}");
    }
}

#[tokio::test]
async fn more_than_64_mb_are_too_large() {
    let stage = answering(Reply::new(200, "application/zip", vec![b'P'; 64 * 1024 * 1024 + 1])).await;
    let Download::Unfit { reason, detail } = stage.client.download(ID).await.unwrap().value else { panic!() };
    assert_eq!((reason.key(), detail.as_str()), ("too_large", "the download has more than 64 MB"));
}

async fn answering(reply: Reply) -> Stage {
    Stage::new(Some(&key_login()), move |seen: &Seen| {
        let token = jwt(noon() + SignedDuration::from_hours(24), "a");
        if seen.is_token_call() { Reply::new(200, "text/plain", token) } else { reply.clone() }
    })
    .await
}
