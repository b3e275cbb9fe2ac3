//! *Blame*: what is about this very activity uses up its attempts, on a ladder that ends; what is the
//! service's trouble uses up none. And the ladder of looks for what Strava processes.

use expect_test::expect;
use fitferry_core::activity::{FileKind, Sha256, UploadId};
use fitferry_core::head::{Head, Pause, PauseCause};
use fitferry_core::ledger::DownloadTrouble::{NoFile, Other};
use fitferry_core::ledger::{Cause, DownloadTrouble, FileFacts, RejectReason, Row, Shown, SkipReason, State};
use fitferry_core::ports::Service;
use fitferry_core::timing::Timing;

use crate::given::{DAY, HOUR, MINUTE, at, secs, timing, wanted};

const LADDER: [i64; 5] = [2, 10, 60, 6 * 60, 24 * 60];

#[test]
fn a_download_is_tried_again_after_2_10_60_min_6_and_24_h_and_then_given_up() {
    let cases: [(DownloadTrouble, State); 2] = [
        (NoFile, State::Skipped { reason: SkipReason::NoFile, detail: Some("404".to_owned()) }),
        (Other, State::Rejected { reason: RejectReason::GarminError, detail: Some("404".to_owned()) }),
    ];
    for (trouble, end) in cases {
        let mut row = wanted();
        let mut now = 0;
        for (tries, minutes) in (1..).zip(LADDER) {
            row.download_begins(at(now));
            row.download_failed(trouble, "404", at(now), &timing()).unwrap();
            now += minutes * MINUTE;
            assert_eq!(row.not_before, Some(at(now)), "{tries}");
            assert_eq!(row.cause, Some(Cause::GarminDownloadUnavailable));
            assert_eq!((&row.state, row.attempts(), row.download_begun), (&State::Wanted, tries, None));
        }
        row.download_failed(trouble, "404", at(now), &timing()).unwrap();
        assert_eq!(row.state, end);
        assert_eq!((row.not_before, row.attempts()), (None, 5));
    }
}

#[test]
fn the_last_answer_says_how_a_download_ends() {
    let mut row = wanted();
    for _ in 0..5 {
        row.download_failed(Other, "500", at(0), &timing()).unwrap();
    }
    row.download_failed(NoFile, "404", at(0), &timing()).unwrap();
    assert!(matches!(row.state, State::Skipped { reason: SkipReason::NoFile, .. }));
}

#[test]
fn the_services_trouble_uses_up_no_attempt_and_lets_the_others_go_first() {
    let mut row = wanted();
    for put_offs in 1..=50 {
        row.download_begins(at(0));
        row.download_put_off();
        assert_eq!((&row.state, row.attempts(), row.download_begun), (&State::Wanted, 0, None));
        assert!(row.is_due(at(0)), "the pause is the service's");
        assert_eq!(row.turn() > 0, put_offs >= 3);
    }
}

#[test]
fn a_retry_begins_the_ladder_anew() {
    let mut row = wanted();
    for _ in 0..6 {
        row.download_failed(NoFile, "404", at(0), &timing()).unwrap();
    }
    row.user_retries(false, at(DAY)).unwrap();
    assert_eq!((&row.state, row.attempts()), (&State::Wanted, 0));
    row.download_failed(NoFile, "404", at(DAY), &timing()).unwrap();
    assert_eq!(row.not_before, Some(at(DAY + 2 * MINUTE)));
}

#[test]
fn what_strava_processes_is_asked_about_after_2_10_60_min_6_h_then_daily_until_seven_days_are_over() {
    let mut row = submitted();
    let mut waits = Vec::new();
    let mut now = 60;
    while row.state.is_open() {
        row.still_processing(at(now), &timing()).unwrap();
        let Some(next) = row.not_before else { break };
        assert_eq!((row.state.clone(), row.cause), (submitted().state, Some(Cause::Processing)));
        let next = next.duration_since(at(0)).as_secs();
        waits.push((next - now) / MINUTE);
        now = next;
    }
    assert_eq!(waits[..5], LADDER);
    assert!(waits[5..].iter().all(|wait| *wait == 24 * 60), "{waits:?}");
    assert!((7 * DAY..8 * DAY).contains(&now), "ended at {now} s");
    let State::Rejected { reason, detail } = &row.state else { panic!("{:?}", row.state) };
    assert_eq!(*reason, RejectReason::UnknownOutcome);
    expect!["Strava took the upload and never said what became of it"]
        .assert_eq(detail.as_deref().unwrap_or_default());
}

#[test]
fn seven_days_count_from_the_moment_at_which_strava_took_it() {
    for (now, open) in [(7 * DAY - 1, true), (7 * DAY, false)] {
        let mut row = submitted();
        row.still_processing(at(now), &timing()).unwrap();
        assert_eq!(row.state.is_open(), open);
    }
}

#[test]
fn an_upload_that_nobody_asked_for_is_not_given_up_however_long_ago_it_was_taken() {
    let mut row = submitted();
    row.not_asked_for(at(9 * DAY), &timing());
    assert_eq!((row.state.clone(), row.confirms), (submitted().state, 0), "nothing has become known");
    assert_eq!(row.not_before, Some(at(9 * DAY + LADDER[0] * MINUTE)), "a later tick asks, and soon");
    row.still_processing(at(9 * DAY), &timing()).unwrap();
    assert!(!row.state.is_open(), "once it was asked for, it is");
}

#[test]
fn a_refusal_says_what_strava_and_what_we_saw() {
    let mut clean = submitted();
    clean.refused("The file is empty", at(9)).unwrap();
    expect!["refused_by_strava: Strava: The file is empty"].assert_eq(&end_of(&clean));
    let mut damaged = wanted();
    damaged.downloaded(
        FileFacts {
            sha256: Sha256([0; 32]),
            bytes: 99,
            kind: FileKind::Fit,
            damage: Some("the file's CRC is wrong".to_owned()),
            start: None,
            elapsed: None,
        },
        at(0),
    );
    damaged.upload_starts(at(20), at(0)).unwrap();
    damaged.refused("Malformed", at(9)).unwrap();
    expect!["malformed_file: Strava: Malformed; seen here: the file's CRC is wrong"]
        .assert_eq(&end_of(&damaged));
}

#[test]
fn all_ladders_scale_with_retry_base_and_the_days_with_them() {
    let quick = Timing { retry_base: secs(1), ..timing() };
    let mut row = wanted();
    row.download_failed(NoFile, "404", at(0), &quick).unwrap();
    assert_eq!(row.not_before, Some(at(1)));
    row.download_failed(NoFile, "404", at(1), &quick).unwrap();
    assert_eq!(row.not_before, Some(at(6)));
    let mut row = submitted();
    row.still_processing(at(7 * DAY / 120), &quick).unwrap();
    assert!(!row.state.is_open());
    let pauses: Vec<i64> = (0..6).map(|step| timing().pause(step).as_secs() / MINUTE).collect();
    assert_eq!(pauses, [1, 2, 5, 15, 15, 15]);
}

#[test]
fn a_row_waits_for_the_later_of_its_own_moment_and_the_pauses_of_the_services_that_it_needs() {
    let paused = |service, cause, until: Option<i64>| {
        let mut head = Head::default();
        let pause = Pause { cause, until: until.map(at), what: String::new(), key: None };
        head.set_pause(service, Some(pause));
        head
    };
    let garmin = |until| paused(Service::Garmin, PauseCause::Down, Some(until));
    let strava = |until| paused(Service::Strava, PauseCause::Limit, Some(until));
    let until = |second| Some(at(second));
    let mut held = wanted();
    held.hold(at(60));
    let mut processed = submitted();
    processed.still_processing(at(0), &timing()).unwrap();
    let for_good = paused(Service::Strava, PauseCause::LoginNeeded, None);
    let cases = [
        (wanted(), Head::default(), None, Shown::Wanted),
        (held.clone(), Head::default(), Some((until(60), Cause::Hold)), Shown::Waiting),
        (held.clone(), garmin(30), Some((until(60), Cause::Hold)), Shown::Waiting),
        (held.clone(), garmin(90), Some((until(90), Cause::GarminDown)), Shown::Waiting),
        (held, for_good, Some((None, Cause::StravaError)), Shown::Waiting),
        (wanted(), strava(90), Some((until(90), Cause::StravaLimit)), Shown::Waiting),
        (wanted(), strava(0), None, Shown::Wanted),
        (sent(), garmin(90), None, Shown::Submitting),
        (sent(), strava(90), Some((until(90), Cause::StravaLimit)), Shown::Waiting),
        (processed, strava(90), Some((until(120), Cause::Processing)), Shown::Submitted),
    ];
    for (row, head, waits, shown) in cases {
        assert_eq!(row.waits(&head, at(0)), waits, "{:?}", row.state);
        assert_eq!(row.shown(&head, at(0)), shown, "{:?}", row.state);
    }
}

#[test]
fn a_login_clears_all_pauses_but_a_429s() {
    use PauseCause::{Budget, Down, Error, Inactive, Limit, LoginNeeded, Misconfigured};
    for cause in [LoginNeeded, Misconfigured, Limit, Budget, Down, Error, Inactive] {
        let mut head = Head { strava_rung: 3, next_due: Some(at(HOUR)), ..Head::default() };
        let pause = Pause { cause, until: Some(at(60)), what: String::new(), key: None };
        head.set_pause(Service::Strava, Some(pause));
        head.clear_pauses();
        assert_eq!(head.strava_pause.is_some(), cause == Limit, "{cause:?}");
        assert_eq!((head.strava_rung, head.next_due), (0, None));
    }
}

// ------------------------------------------------------------------------------------- helpers

fn sent() -> Row {
    let mut row = wanted();
    row.upload_starts(at(20), at(0)).unwrap();
    row
}

/// Taken by Strava at 0 s.
fn submitted() -> Row {
    let mut row = sent();
    row.accepted(UploadId(5), at(0)).unwrap();
    row
}

fn end_of(row: &Row) -> String {
    let State::Rejected { reason, detail } = &row.state else { panic!("{:?}", row.state) };
    format!("{reason}: {}", detail.as_deref().unwrap_or_default())
}
