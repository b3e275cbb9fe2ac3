//! The life of one activity: what every state makes of every event, and what holds on any path.

use expect_test::expect;
use fitferry_core::activity::{StravaId, UploadId};
use fitferry_core::ledger::{
    DuplicateClaim, Event, How, Refused, RejectReason, Row, SkipReason, State, StateName,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;

use crate::given::{at, secs, timing, wanted, without_start};

#[test]
fn what_every_state_makes_of_every_event() {
    let mut table = format!("{:<18}", "");
    for state in states() {
        table += &format!(" {:<17}", state.name().key());
    }
    table = table.trim_end().to_owned() + "\n";
    for (name, event) in events() {
        let mut line = format!("{name:<18}");
        for state in states() {
            let next = state.on(event.clone()).map_or_else(|_| ".".to_owned(), |next| told(&next));
            line += &format!(" {next:<17}");
        }
        table += line.trim_end();
        table += "\n";
    }
    expect![[r#"
                           wanted            submitting        submitted         published         skipped           rejected
        UploadStarts       submitting 2      .                 .                 .                 .                 .
        UploadAccepted     .                 submitted 6       .                 .                 .                 .
        NotTaken           .                 wanted            .                 .                 .                 .
        FileRefused        .                 malformed_file    malformed_file    .                 .                 .
        FileUnfit          not_an_activity   .                 .                 .                 .                 .
        FoundOnStrava      already_there 8   already_there 8   already_there 8   .                 .                 .
        ProcessingReady    .                 .                 uploaded 7        .                 .                 .
        OverlapsOther      .                 overlaps_other    overlaps_other    .                 .                 .
        DoubtSettledAbsent .                 wanted            .                 .                 .                 .
        OutcomeUnknown     .                 unknown_outcome   unknown_outcome   .                 .                 .
        DeletedThere       .                 .                 deleted_on_strava .                 .                 .
        NoFile             skipped no_file   .                 .                 .                 .                 .
        GarminError        garmin_error      .                 .                 .                 .                 .
        UserSkips          skipped by_hand   .                 .                 .                 skipped by_hand   skipped by_hand
        UserRetries        wanted            .                 .                 .                 wanted            wanted
        HistoryWants       .                 .                 .                 .                 wanted            .
    "#]].assert_eq(&table);
}

proptest! {
    /// No transition loses an activity, whatever happens in whatever order.
    #[test]
    fn a_refused_event_changes_nothing_and_says_what_it_met((mut state, events) in any_path()) {
        for event in events {
            match state.on(event.clone()) {
                Ok(next) => state = next,
                Err(refused) => {
                    prop_assert_eq!(&refused, &Refused { state: state.clone(), event });
                    prop_assert!(refused.to_string().ends_with(state.name().key()));
                }
            }
        }
    }

    #[test]
    fn what_is_final_stays_as_it_is_until_the_users_word((mut state, events) in any_path()) {
        for event in events {
            let users_word = matches!(event, Event::UserRetries | Event::UserSkips);
            // And until a backfill looks at what a rule skipped; what was skipped by hand stays that.
            let is_by_hand = matches!(state, State::Skipped { reason: SkipReason::ByHand, .. });
            let history = event == Event::HistoryWants && state.name() == StateName::Skipped && !is_by_hand;
            if let Ok(next) = state.on(event) {
                prop_assert!(state.is_open() || users_word || history, "{state:?} became {next:?}");
                state = next;
            }
        }
    }

    #[test]
    fn what_strava_has_taken_is_never_sent_again_without_a_retry((mut state, events) in any_path()) {
        let mut taken = matches!(state, State::Submitted { .. } | State::Published { .. });
        for event in events {
            taken &= event != Event::UserRetries || state.is_open();
            let Ok(next) = state.on(event) else { continue };
            prop_assert!(!taken || !matches!(next, State::Submitting { .. } | State::Wanted), "{next:?}");
            taken |= matches!(next, State::Submitted { .. } | State::Published { .. });
            state = next;
        }
    }

    /// The row, through everything that an engine may do to it.
    #[test]
    fn a_row_that_refuses_something_is_as_it_was(listed_start: bool, deeds in any_deeds()) {
        let mut row = if listed_start { wanted() } else { without_start() };
        let mut now = at(0);
        for (pause, (name, deed)) in deeds {
            now += pause;
            let before = row.clone();
            if deed(&mut row, now).is_err() {
                prop_assert_eq!(&row, &before, "{} was refused", name);
            }
        }
    }

    #[test]
    fn a_final_row_waits_for_nothing_and_a_waiting_one_says_why(deeds in any_deeds()) {
        let mut row = wanted();
        let mut now = at(0);
        for (pause, (name, deed)) in deeds {
            now += pause;
            let _refused = deed(&mut row, now);
            prop_assert!(row.state.is_open() || row.not_before.is_none(), "{}: {:?}", name, row);
            prop_assert!(row.not_before.is_none() || row.cause.is_some(), "{}: {:?}", name, row);
        }
    }

    /// *Doubt*, on every path: what may have left us is sent again only after the request has ended for
    /// certain, Strava has had its quarter of an hour, and two looks were apart. *Not taken* and the user's
    /// `retry` begin anew.
    #[test]
    fn no_path_sends_again_before_the_doubt_is_over(deeds in any_deeds()) {
        let mut row = wanted();
        let mut now = at(0);
        let mut earliest = None;
        for (pause, (name, deed)) in deeds {
            now += pause;
            if deed(&mut row, now).is_err() {
                continue;
            }
            match (name, &row.state) {
                ("upload_starts", State::Submitting { send_before, .. }) => {
                    prop_assert!(earliest.is_none_or(|earliest| now >= earliest), "sent again at {}", now);
                    let timing = timing();
                    earliest = Some(*send_before + timing.upload_timeout + timing.doubt + timing.doubt_looks);
                }
                ("not_taken" | "user_retries", _) => earliest = None,
                _ => {}
            }
            prop_assert!(row.counted_resends <= 2);
            prop_assert!(row.sends <= 1 + row.counted_resends + row.resends_after_5xx, "{:?}", row);
        }
    }
}

#[test]
fn a_long_history_keeps_its_beginning_and_its_end() {
    let mut row = wanted();
    for number in 1..=200 {
        row.note(at(number), format!("line {number}"));
    }
    assert_eq!(row.history.len(), 60);
    assert_eq!(row.history[0].event, "seen on Garmin");
    assert_eq!(row.history[29].event, "line 29");
    assert_eq!(row.history[59].event, "line 200");
}

fn states() -> Vec<State> {
    vec![
        State::Wanted,
        State::Submitting { attempt: 1, send_before: at(20) },
        State::Submitted { upload: UploadId(5), since: at(0) },
        State::Published { strava: StravaId(9), how: How::Uploaded },
        State::Skipped { reason: SkipReason::Rule, detail: None },
        State::Rejected { reason: RejectReason::RefusedByStrava, detail: None },
    ]
}

fn events() -> Vec<(&'static str, Event)> {
    let detail = || "so it was".to_owned();
    vec![
        ("UploadStarts", Event::UploadStarts { attempt: 2, send_before: at(20) }),
        ("UploadAccepted", Event::UploadAccepted { upload: UploadId(6), at: at(1) }),
        ("NotTaken", Event::NotTaken),
        ("FileRefused", Event::FileRefused { reason: RejectReason::MalformedFile, detail: detail() }),
        ("FileUnfit", Event::FileUnfit { reason: RejectReason::NotAnActivity, detail: detail() }),
        ("FoundOnStrava", Event::FoundOnStrava { strava: StravaId(8), how: How::AlreadyThere }),
        ("ProcessingReady", Event::ProcessingReady { strava: StravaId(7) }),
        ("OverlapsOther", Event::OverlapsOther { detail: detail() }),
        ("DoubtSettledAbsent", Event::DoubtSettledAbsent),
        ("OutcomeUnknown", Event::OutcomeUnknown { detail: detail() }),
        ("DeletedThere", Event::DeletedThere),
        ("NoFile", Event::DownloadGivenUp { no_file: true, detail: detail() }),
        ("GarminError", Event::DownloadGivenUp { no_file: false, detail: detail() }),
        ("UserSkips", Event::UserSkips),
        ("UserRetries", Event::UserRetries),
        ("HistoryWants", Event::HistoryWants),
    ]
}

/// A state with what makes it that one.
fn told(state: &State) -> String {
    match state {
        State::Wanted => "wanted".to_owned(),
        State::Submitting { attempt, .. } => format!("submitting {attempt}"),
        State::Submitted { upload, .. } => format!("submitted {upload}"),
        State::Published { strava, how } => format!("{how} {strava}"),
        State::Skipped { reason, .. } => format!("skipped {reason}"),
        State::Rejected { reason, .. } => format!("{reason}"),
    }
}

fn any_path() -> impl Strategy<Value = (State, Vec<Event>)> {
    let event = select(events()).prop_map(|(_, event)| event);
    (select(states()), prop::collection::vec(event, 0..40))
}

type Deed = fn(&mut Row, Timestamp) -> Result<(), Refused>;

/// What the engine and the user may do to a row, each where they would: most transitions at any time, the
/// bookkeeping only in the state that it belongs to.
fn deeds() -> Vec<(&'static str, Deed)> {
    use fitferry_core::ledger::DownloadTrouble::{NoFile, Other};
    fn when(fits: bool, deed: impl FnOnce()) -> Result<(), Refused> {
        if fits {
            deed();
        }
        Ok(())
    }
    fn is_submitting(row: &Row) -> bool {
        matches!(row.state, State::Submitting { .. })
    }
    vec![
        ("upload_starts", |row, now| row.upload_starts(now + secs(20), now)),
        ("accepted", |row, now| row.accepted(UploadId(5), now)),
        ("not_taken", |row, now| row.not_taken("refused", now)),
        ("in_doubt", |row, now| when(is_submitting(row), || row.in_doubt(false, "cut", now, &timing()))),
        ("in_doubt_5xx", |row, now| when(is_submitting(row), || row.in_doubt(true, "503", now, &timing()))),
        ("looked_in_vain", |row, now| row.looked_in_vain(true, now, &timing())),
        ("looked_again", |row, now| row.looked_in_vain(true, now, &timing())),
        ("looked_without_sight", |row, now| row.looked_in_vain(false, now, &timing())),
        ("found", |row, now| row.found(StravaId(9), true, now)),
        ("refused", |row, now| row.refused("no", now)),
        ("ready", |row, now| row.ready(StravaId(9), now)),
        ("deleted_there", |row, now| row.deleted_there(now)),
        ("still_processing", |row, now| row.still_processing(now, &timing())),
        ("unfit", |row, now| row.unfit(RejectReason::TooLarge, "large".to_owned(), now)),
        ("duplicate_unseen", |row, now| {
            let claim = DuplicateClaim { of: None, text: "duplicate".to_owned() };
            when(is_submitting(row), || row.duplicate_unseen(claim, now, &timing()))
        }),
        ("no_file", |row, now| match row.state {
            State::Wanted => row.download_failed(NoFile, "404", now, &timing()),
            _ => Ok(()),
        }),
        ("broken", |row, now| match row.state {
            State::Wanted => row.download_failed(Other, "cut", now, &timing()),
            _ => Ok(()),
        }),
        ("user_skips", |row, now| row.user_skips(now)),
        ("user_retries", |row, now| row.user_retries(false, now)),
    ]
}

/// Deeds with pauses between them, from seconds to half a day; sends and looks more often than the rest,
/// or a life would soon be over.
fn any_deeds() -> impl Strategy<Value = Vec<(SignedDuration, (&'static str, Deed))>> {
    let pause = prop_oneof![0..200_i64, 0..2_000_i64, 0..40_000_i64].prop_map(secs);
    let often: Vec<(&'static str, Deed)> = deeds()
        .into_iter()
        .filter(|(name, _)| name.starts_with("upload") || name.starts_with("looked_"))
        .collect();
    let deed = prop_oneof![3 => select(often), 1 => select(deeds())];
    prop::collection::vec((pause, deed), 0..60)
}
