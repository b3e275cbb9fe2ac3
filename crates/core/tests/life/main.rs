//! The life of one activity: the whole table, and the laws that hold on any path through it.

use expect_test::expect;
use fitferry_core::activity::{StravaId, UploadId};
use fitferry_core::ledger::{Event, How, RejectReason, SkipReason, State, StateName};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;

fn states() -> Vec<State> {
    let at = Timestamp::UNIX_EPOCH;
    vec![
        State::Wanted,
        State::Submitting { attempt: 1, send_before: at },
        State::Submitted { upload: UploadId(5), since: at },
        State::Published { strava: StravaId(9), how: How::Uploaded },
        State::Skipped { reason: SkipReason::Rule, detail: None },
        State::Rejected { reason: RejectReason::RefusedByStrava, detail: None },
    ]
}

fn events() -> Vec<(&'static str, Event)> {
    let at = Timestamp::UNIX_EPOCH;
    let text = String::new;
    vec![
        ("UploadStarts", Event::UploadStarts { attempt: 2, send_before: at }),
        ("UploadAccepted", Event::UploadAccepted { upload: UploadId(6), at }),
        ("NotTaken", Event::NotTaken),
        ("FileRefused", Event::FileRefused { reason: RejectReason::MalformedFile, detail: text() }),
        ("FileUnfit", Event::FileUnfit { reason: RejectReason::NotAnActivity, detail: text() }),
        ("FoundOnStrava", Event::FoundOnStrava { strava: StravaId(8), how: How::AlreadyThere }),
        ("ProcessingReady", Event::ProcessingReady { strava: StravaId(7) }),
        ("OverlapsOther", Event::OverlapsOther { detail: text() }),
        ("DoubtSettledAbsent", Event::DoubtSettledAbsent),
        ("OutcomeUnknown", Event::OutcomeUnknown { detail: text() }),
        ("DeletedThere", Event::DeletedThere),
        ("NoFile", Event::DownloadGivenUp { no_file: true, detail: text() }),
        ("GarminError", Event::DownloadGivenUp { no_file: false, detail: text() }),
        ("UserSkips", Event::UserSkips),
        ("UserRetries", Event::UserRetries),
    ]
}

#[test]
fn the_table_of_all_transitions() {
    let mut table = String::new();
    for state in states() {
        for (name, event) in events() {
            if let Ok(next) = state.on(event) {
                table += &format!("{:<10} {name:<18} -> {}\n", state.name().key(), next.name());
            }
        }
    }
    expect![[r#"
        wanted     UploadStarts       -> submitting
        wanted     FileUnfit          -> rejected
        wanted     FoundOnStrava      -> published
        wanted     NoFile             -> skipped
        wanted     GarminError        -> rejected
        wanted     UserSkips          -> skipped
        wanted     UserRetries        -> wanted
        submitting UploadAccepted     -> submitted
        submitting NotTaken           -> wanted
        submitting FileRefused        -> rejected
        submitting FoundOnStrava      -> published
        submitting OverlapsOther      -> rejected
        submitting DoubtSettledAbsent -> wanted
        submitting OutcomeUnknown     -> rejected
        submitted  FileRefused        -> rejected
        submitted  FoundOnStrava      -> published
        submitted  ProcessingReady    -> published
        submitted  OverlapsOther      -> rejected
        submitted  OutcomeUnknown     -> rejected
        submitted  DeletedThere       -> rejected
        skipped    UserSkips          -> skipped
        skipped    UserRetries        -> wanted
        rejected   UserSkips          -> skipped
        rejected   UserRetries        -> wanted
    "#]]
    .assert_eq(&table);
}

fn any_path() -> impl Strategy<Value = (State, Vec<Event>)> {
    let event = select(events()).prop_map(|(_, event)| event);
    (select(states()), prop::collection::vec(event, 0..40))
}

proptest! {
    /// No transition loses an activity: a refused event changes nothing, and where no event is refused the
    /// state is one of the six.
    #[test]
    fn an_event_that_does_not_fit_changes_nothing((mut state, events) in any_path()) {
        for event in events {
            let before = state.clone();
            match state.on(event) {
                Ok(next) => state = next,
                Err(refused) => {
                    prop_assert_eq!(&refused.state, &before);
                    prop_assert_eq!(&state, &before);
                }
            }
            prop_assert!(StateName::ALL.contains(&state.name()));
        }
    }

    #[test]
    fn final_is_final_until_the_users_word((mut state, events) in any_path()) {
        for event in events {
            let users_word = matches!(event, Event::UserRetries | Event::UserSkips);
            if let Ok(next) = state.on(event) {
                prop_assert!(state.is_open() || users_word, "{:?} became {:?}", state, next);
                state = next;
            }
        }
    }

    /// From the moment that Strava has taken a file, no path leads to another upload but through a final
    /// state and the user's `retry`.
    #[test]
    fn what_was_submitted_is_never_sent_again((mut state, events) in any_path()) {
        let mut taken = matches!(state, State::Submitted { .. });
        for event in events {
            let retried = event == Event::UserRetries;
            let Ok(next) = state.on(event) else { continue };
            let sends = matches!(next, State::Submitting { .. });
            prop_assert!(!taken || !sends, "sent again");
            taken = (taken && !retried) || matches!(next, State::Submitted { .. });
            state = next;
        }
    }

    /// Published is for good: not even the user's word sends it again.
    #[test]
    fn what_is_published_stays_published(events in prop::collection::vec(select(events()), 0..20)) {
        let state = State::Published { strava: StravaId(9), how: How::Uploaded };
        for (_, event) in events {
            prop_assert!(state.on(event).is_err());
        }
    }
}
