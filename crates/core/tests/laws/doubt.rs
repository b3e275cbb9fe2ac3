//! *Doubt*: an upload without an answer. Only Strava or time settles it, and time only with two looks.
//!
//! Seconds count from the moment at which the upload starts; the request has ended for certain at 80 s
//! (20 s to begin, 60 s to end), and the doubt's quarter of an hour is over at 980 s.

use expect_test::expect;
use fitferry_core::activity::{FileKind, Sha256, StravaId, UploadId};
use fitferry_core::ledger::{Cause, DuplicateClaim, FileFacts, How, RejectReason, Row, SkipReason, State};
use jiff::Timestamp;

use crate::given::{DAY, HOUR, MINUTE, at, secs, timing, wanted, without_start};

const RIPE: i64 = 20 + 60 + 15 * MINUTE;
const TWO_MINUTES: i64 = 2 * MINUTE;

#[test]
fn it_is_looked_for_every_two_minutes_and_again_when_it_may_be_settled() {
    let mut row = in_doubt_at(5);
    let mut looks = vec![wait_of(&row)];
    while let Some(next) = looks.last().copied().filter(|_| row.state != State::Wanted) {
        row.looked_in_vain(true, at(next), &timing()).unwrap();
        looks.extend(row.not_before.map(|moment| moment.duration_since(at(0)).as_secs()));
        assert_ne!(row.state == State::Wanted, row.cause == Some(Cause::InDoubt));
        if row.not_before.is_none() {
            break;
        }
    }
    // The last two are the ones that count.
    assert_eq!(looks, [125, 245, 365, 485, 605, 725, 845, 965, RIPE, RIPE + TWO_MINUTES]);
    assert_eq!((row.state, row.not_before, row.cause), (State::Wanted, None, None));
    assert_eq!((row.sends, row.counted_resends), (1, 1));
}

#[test]
fn one_that_died_without_an_answer_is_looked_for_at_once() {
    let row = sent(wanted(), 0);
    assert_eq!(row.state, State::Submitting { attempt: 1, send_before: at(20) });
    assert!(row.is_due(at(1)));
}

#[test]
fn two_looks_settle_it_only_if_both_come_after_the_quarter_of_an_hour_and_apart() {
    let cases: [(&[i64], bool); 8] = [
        (&[RIPE - 1, RIPE + TWO_MINUTES], false),
        (&[RIPE, RIPE + TWO_MINUTES - 1], false),
        (&[RIPE, RIPE + TWO_MINUTES], true),
        (&[RIPE, RIPE + 60, RIPE + TWO_MINUTES], true),
        (&[RIPE, RIPE + 60, RIPE + TWO_MINUTES - 1], false),
        (&[100, 300, 500, 700, 900], false),
        (&[9 * DAY], false),
        (&[9 * DAY, 9 * DAY + TWO_MINUTES], true),
    ];
    for (looks, settled) in cases {
        let mut row = in_doubt_at(5);
        for look in looks {
            row.looked_in_vain(true, at(*look), &timing()).unwrap();
        }
        assert_eq!(row.state == State::Wanted, settled, "{looks:?}");
    }
}

#[test]
fn the_doubt_begins_anew_with_each_send() {
    let mut row = in_doubt_at(5);
    settled_absent(&mut row, RIPE);
    let again = RIPE + TWO_MINUTES + 1;
    let mut row = sent(row, again);
    assert_eq!(row.state, State::Submitting { attempt: 2, send_before: at(again + 20) });
    assert_eq!(row.first_absent, None);
    row.looked_in_vain(true, at(again + RIPE - 1), &timing()).unwrap();
    row.looked_in_vain(true, at(again + RIPE + TWO_MINUTES), &timing()).unwrap();
    assert!(matches!(row.state, State::Submitting { .. }), "only one of them counts");

    // Nor does a look at an earlier send count for this one.
    row.not_taken("no byte left", at(2 * HOUR)).unwrap();
    let mut row = sent(row, 3 * HOUR);
    row.looked_in_vain(true, at(3 * HOUR + RIPE), &timing()).unwrap();
    assert!(matches!(row.state, State::Submitting { .. }));
}

#[test]
fn after_two_counted_resends_nobody_will_know() {
    let mut row = wanted();
    let mut now = 0;
    for resends in 0..=2 {
        assert_eq!(row.counted_resends, resends);
        row = sent(row, now);
        row.in_doubt(false, "cut", at(now + 5), &timing());
        settled_absent(&mut row, now + RIPE);
        now += HOUR;
    }
    assert_eq!((row.sends, row.attempts()), (3, 2));
    expect!["unknown_outcome: sent three times, each time without an answer or a trace on Strava"]
        .assert_eq(&end_of(&row));
    row.upload_starts(at(now), at(now)).unwrap_err();
}

#[test]
fn resends_after_a_5xx_use_up_no_attempt_and_are_15_min_1_6_and_24_h_apart() {
    let mut row = wanted();
    let mut now = 0;
    let mut apart = Vec::new();
    for _ in 0..6 {
        row = sent(row, now);
        row.in_doubt(true, "503", at(now + 5), &timing());
        settled_absent(&mut row, now + RIPE);
        assert_eq!((&row.state, row.cause), (&State::Wanted, Some(Cause::StravaDown)));
        let next = wait_of(&row);
        apart.push((next - (now + 20)) / MINUTE);
        now = next.max(now + RIPE + TWO_MINUTES);
    }
    assert_eq!(apart, [15, 60, 6 * 60, 24 * 60, 24 * 60, 24 * 60]);
    assert_eq!((row.sends, row.attempts()), (6, 0));
}

#[test]
fn only_the_answer_to_the_last_send_says_whether_the_resend_counts() {
    let mut row = in_doubt_at(5);
    settled_absent(&mut row, RIPE);
    let mut row = sent(row, HOUR);
    row.in_doubt(true, "503", at(HOUR + 5), &timing());
    settled_absent(&mut row, HOUR + RIPE);
    assert_eq!((row.counted_resends, row.resends_after_5xx), (1, 1));
    // It dies in the next one: nobody saw an answer.
    let mut row = sent(row, 2 * HOUR);
    settled_absent(&mut row, 2 * HOUR + RIPE);
    assert_eq!((row.counted_resends, row.resends_after_5xx), (2, 1));
}

#[test]
fn without_sight_of_private_ones_it_is_never_sent_again_and_ends_after_a_day_with_the_cure() {
    let mut row = in_doubt_at(5);
    let mut looks = 0;
    while row.state.is_open() {
        let next = wait_of(&row);
        row.looked_in_vain(false, at(next), &timing()).unwrap();
        assert_ne!(row.state, State::Wanted);
        looks += 1;
        assert!(next < 20 + 25 * HOUR && looks < 100, "it does not end");
    }
    assert!(looks < 40, "{looks} looks in a day");
    expect![[
        "unknown_outcome: without the scope activity:read_all nobody can tell whether the upload arrived; \
         look on Strava, then run `fitferry retry` or `fitferry skip`, and `fitferry login strava` to grant \
         the scope"
    ]]
    .assert_eq(&end_of(&row));

    for (look, ended) in [(20 + DAY - 1, false), (20 + DAY, true)] {
        let mut row = in_doubt_at(5);
        row.looked_in_vain(false, at(look), &timing()).unwrap();
        assert_eq!(!row.state.is_open(), ended);
    }
}

#[test]
fn looks_without_sight_prove_nothing_for_later_ones_with_it() {
    let mut row = in_doubt_at(5);
    row.looked_in_vain(false, at(RIPE), &timing()).unwrap();
    row.looked_in_vain(true, at(RIPE + TWO_MINUTES), &timing()).unwrap();
    assert!(matches!(row.state, State::Submitting { .. }));
    row.looked_in_vain(true, at(RIPE + 2 * TWO_MINUTES), &timing()).unwrap();
    assert_eq!(row.state, State::Wanted);
}

#[test]
fn without_any_start_it_is_never_sent_again() {
    let mut row = sent(without_start(), 0);
    settled_absent(&mut row, RIPE);
    expect!["unknown_outcome: sent without an answer, and it has no start by which to find it"]
        .assert_eq(&end_of(&row));

    let mut row = without_start();
    row.downloaded(file_that_starts(Some(at(0))), at(0));
    let mut row = sent(row, 0);
    settled_absent(&mut row, RIPE);
    assert_eq!(row.state, State::Wanted, "the file's start is one");
}

#[test]
fn what_a_look_shows_is_published_whatever_was_believed() {
    let cases = [
        (wanted(), true, How::AlreadyThere),
        (wanted(), false, How::AlreadyThere),
        (in_doubt_at(5), true, How::Uploaded),
        (in_doubt_at(5), false, How::AlreadyThere),
        (claimed(None), true, How::Duplicate),
        (claimed(None), false, How::Duplicate),
    ];
    for (mut row, ours, how) in cases {
        let before = row.state.clone();
        row.found(StravaId(9), ours, at(60)).unwrap();
        assert_eq!(row.state, State::Published { strava: StravaId(9), how }, "{before:?}, ours: {ours}");
        assert_eq!((row.not_before, row.cause), (None, None));
    }
    let mut after_a_resend = in_doubt_at(5);
    settled_absent(&mut after_a_resend, RIPE);
    after_a_resend.found(StravaId(9), true, at(HOUR)).unwrap();
    assert_eq!(after_a_resend.state, State::Published { strava: StravaId(9), how: How::Uploaded });
}

#[test]
fn what_was_not_taken_is_as_if_it_had_not_been_tried() {
    let mut row = sent(wanted(), 0);
    row.not_taken("no route to host", at(3)).unwrap();
    assert_eq!((&row.state, row.sends, row.attempts()), (&State::Wanted, 0, 0));
    assert!(row.is_due(at(3)), "the service is paused, not the row");
    let row = sent(row, 60);
    assert_eq!(row.state, State::Submitting { attempt: 1, send_before: at(80) });
}

#[test]
fn a_retry_is_refused_while_in_doubt_or_with_strava_and_changes_nothing() {
    let mut submitted = sent(wanted(), 0);
    submitted.accepted(UploadId(5), at(2)).unwrap();
    let mut published = wanted();
    published.found(StravaId(9), false, at(1)).unwrap();
    for mut row in [sent(wanted(), 0), in_doubt_at(5), claimed(None), submitted, published] {
        let before = row.clone();
        row.user_retries(true, at(60)).unwrap_err();
        assert_eq!(row, before);
    }
}

#[test]
fn a_retry_of_what_ended_begins_anew() {
    let mut row = wanted();
    for resend in 0..=2 {
        row = sent(row, resend * HOUR);
        settled_absent(&mut row, resend * HOUR + RIPE);
    }
    let lines = row.history.len();
    row.user_retries(false, at(DAY)).unwrap();
    assert_eq!((&row.state, row.sends, row.attempts()), (&State::Wanted, 0, 0));
    assert_eq!((row.not_before, row.by_hand, row.force), (None, true, false));
    assert_eq!(row.history.len(), lines + 1, "what was stays in the history");
}

#[test]
fn a_skip_in_doubt_is_noted_and_applied_when_the_doubt_is_settled() {
    let by_hand = State::Skipped { reason: SkipReason::ByHand, detail: None };
    let noted = |mut row: Row| {
        let before = (row.state.clone(), row.not_before);
        row.user_skips(at(30)).unwrap();
        assert_eq!((row.state.clone(), row.not_before), before, "noted beside the state");
        assert!(row.skip_noted);
        row
    };

    let mut absent = noted(in_doubt_at(5));
    settled_absent(&mut absent, RIPE);
    assert_eq!(absent.state, by_hand);

    let mut not_taken = noted(sent(wanted(), 0));
    not_taken.not_taken("refused", at(40)).unwrap();
    assert_eq!(not_taken.state, by_hand);

    let mut there = noted(in_doubt_at(5));
    there.found(StravaId(9), true, at(40)).unwrap();
    assert_eq!(there.state, State::Published { strava: StravaId(9), how: How::Uploaded });

    // However the doubt ends without the activity on Strava, the user's word stands.
    let mut nobody_knows = noted(sent(without_start(), 0));
    settled_absent(&mut nobody_knows, RIPE);
    assert_eq!(nobody_knows.state, by_hand);

    let mut without_sight = noted(in_doubt_at(5));
    without_sight.looked_in_vain(false, at(2 * DAY), &timing()).unwrap();
    assert_eq!(without_sight.state, by_hand);

    let mut overlaps = noted(claimed(None));
    overlaps.looked_in_vain(true, at(HOUR), &timing()).unwrap();
    assert_eq!(overlaps.state, by_hand);
}

#[test]
fn a_skip_of_what_is_not_in_doubt_holds_at_once_and_of_what_strava_has_is_refused() {
    let mut row = wanted();
    row.user_skips(at(1)).unwrap();
    assert_eq!(row.state, State::Skipped { reason: SkipReason::ByHand, detail: None });
    let mut submitted = sent(wanted(), 0);
    submitted.accepted(UploadId(5), at(2)).unwrap();
    submitted.user_skips(at(3)).unwrap_err();
}

#[test]
fn a_duplicate_of_something_unseen_is_looked_for_again_after_the_doubt_and_then_it_overlaps() {
    let mut row = claimed(Some(StravaId(77)));
    assert_eq!((wait_of(&row), row.cause), (5 + 15 * MINUTE, Some(Cause::InDoubt)));
    let lines = row.history.len();
    let claim = row.duplicate.clone().unwrap();
    row.duplicate_unseen(claim, at(10), &timing());
    assert_eq!(row.history.len(), lines, "the same claim is told once");
    row.looked_in_vain(true, at(HOUR), &timing()).unwrap();
    expect!["overlaps_other: Strava: duplicate of activity 77; no look shows which activity it means"]
        .assert_eq(&end_of(&row));
}

#[test]
fn a_duplicate_that_shows_is_published_and_one_of_another_overlaps() {
    let mut same = claimed(Some(StravaId(77)));
    same.duplicate_of(StravaId(77), at(HOUR)).unwrap();
    assert_eq!(same.state, State::Published { strava: StravaId(77), how: How::Duplicate });
    let mut other = claimed(Some(StravaId(77)));
    other.overlaps_other("that is activity 77 (Lunch Ride)".to_owned(), at(HOUR)).unwrap();
    assert_eq!(end_of(&other), "overlaps_other: that is activity 77 (Lunch Ride)");
}

// ------------------------------------------------------------------------------------- helpers

/// A row whose upload starts at this second.
fn sent(mut row: Row, second: i64) -> Row {
    row.upload_starts(at(second + 20), at(second)).unwrap();
    row
}

/// Sent at 0, the answer was lost at this second.
fn in_doubt_at(second: i64) -> Row {
    let mut row = sent(wanted(), 0);
    row.in_doubt(false, "the connection was cut", at(second), &timing());
    row
}

/// Sent at 0, at 5 s Strava called it a duplicate of something.
fn claimed(of: Option<StravaId>) -> Row {
    let mut row = sent(wanted(), 0);
    row.duplicate_unseen(
        DuplicateClaim { of, text: "duplicate of activity 77".to_owned() },
        at(5),
        &timing(),
    );
    row
}

/// Two looks that count, the first at this second.
fn settled_absent(row: &mut Row, first_look: i64) {
    for look in [first_look, first_look + TWO_MINUTES] {
        row.looked_in_vain(true, at(look), &timing()).unwrap();
    }
}

/// The second before which it is not touched.
fn wait_of(row: &Row) -> i64 {
    row.not_before.expect("it waits").duration_since(at(0)).as_secs()
}

fn end_of(row: &Row) -> String {
    let State::Rejected { reason, detail } = &row.state else { panic!("{:?}", row.state) };
    assert_ne!(*reason, RejectReason::GarminError);
    format!("{reason}: {}", detail.as_deref().unwrap_or_default())
}

fn file_that_starts(start: Option<Timestamp>) -> FileFacts {
    let (sha256, elapsed) = (Sha256([0; 32]), Some(secs(HOUR)));
    FileFacts { sha256, bytes: 1, kind: FileKind::Fit, damage: None, start, elapsed }
}
