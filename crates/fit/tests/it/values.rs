//! What is read out of messages, and what is `None`.

use fitferry_fit::{Damage, FileType, Look, look};
use jiff::Timestamp;
use rustyfit::profile::mesgdef::{Record, Session};
use rustyfit::profile::typedef::{DateTime, File, Sport, SubSport};

use crate::samples::{START, encode, file_id, framed, run, runs, session};

#[test]
fn a_run_is_read_however_it_is_written() {
    for file in runs() {
        assert_eq!(
            look(&file),
            Look {
                file_type: Some(FileType::Activity),
                sport: Some("running".to_owned()),
                sub_sport: Some("trail".to_owned()),
                start: Some("2026-03-01T08:00:00Z".parse().unwrap()),
                elapsed_s: Some(1_800.25),
                distance_m: Some(5_000.12),
                total_elapsed_s: Some(1_800.25),
                total_distance_m: Some(5_000.12),
                sessions: 1,
                has_time: true,
                damage: None,
            }
        );
    }
}

#[test]
fn the_first_session_speaks_and_the_totals_count_all() {
    let mut pause = session(Sport::TRANSITION, SubSport::GENERIC);
    pause.start_time = DateTime(START + 2_000);
    pause.total_distance = u32::MAX;
    let triathlon = vec![
        file_id(File::ACTIVITY),
        session(Sport::SWIMMING, SubSport::OPEN_WATER).into(),
        pause.into(),
        session(Sport::CYCLING, SubSport::ROAD).into(),
    ];
    let look = look(&encode(triathlon));
    assert_eq!(look.sport.as_deref(), Some("swimming"));
    assert_eq!((look.sessions, look.elapsed_s, look.distance_m), (3, Some(1_800.25), Some(5_000.12)));
    assert_eq!((look.total_elapsed_s, look.total_distance_m), (Some(5_400.75), Some(10_000.24)));
}

#[test]
fn values_that_fit_calls_invalid_are_none() {
    let mut session = Session::new();
    session.message_index.0 = 0;
    let look = look(&encode(vec![file_id(File::ACTIVITY), session.into()]));
    let expected = Look { file_type: Some(FileType::Activity), sessions: 1, ..Look::default() };
    assert_eq!(look, expected);
}

#[test]
fn a_name_unknown_to_the_profile_is_its_number() {
    let look = look(&encode(vec![session(Sport(251), SubSport(252)).into()]));
    assert_eq!((look.sport.as_deref(), look.sub_sport.as_deref()), (Some("251"), Some("252")));
    assert_eq!(FileType::Other(200).to_string(), "200");
    assert_eq!(FileType::Other(File::COURSE.0).to_string(), "course");
}

#[test]
fn a_start_is_a_date_or_nothing() {
    let cases = [
        (0, None),
        (0x0FFF_FFFF, None),
        (0x1000_0000, Some(631_065_600 + 0x1000_0000)),
        (u32::MAX - 1, Some(631_065_600 + 0xFFFF_FFFE)),
        (u32::MAX, None),
    ];
    for (raw, unix_seconds) in cases {
        let mut session = session(Sport::RUNNING, SubSport::GENERIC);
        session.start_time = DateTime(raw);
        session.timestamp = DateTime(u32::MAX);
        let look = look(&encode(vec![session.into()]));
        assert_eq!(look.start.map(Timestamp::as_second), unix_seconds, "{raw:#x}");
        assert_eq!(look.has_time, unix_seconds.is_some(), "{raw:#x}");
    }
}

#[test]
fn a_record_with_a_date_is_enough_time() {
    let record = |raw| {
        let mut record = Record::new();
        record.timestamp = DateTime(raw);
        record.distance = 1;
        encode(vec![file_id(File::ACTIVITY), record.into()])
    };
    assert!(look(&record(START)).has_time);
    assert!(!look(&record(1_000)).has_time, "seconds since power-up are no date");
    assert_eq!(look(&record(START)).start, None, "no session, no start");
}

#[test]
fn one_activity_among_the_segments_makes_it_an_activity() {
    let settings = || encode(vec![file_id(File::SETTINGS)]);
    let course = || encode(vec![file_id(File::COURSE)]);
    let cases = [
        (vec![settings(), encode(run())], Some(FileType::Activity)),
        (vec![encode(run()), settings()], Some(FileType::Activity)),
        (vec![settings(), course()], Some(FileType::Other(File::SETTINGS.0))),
        (vec![framed(14, &[]), course()], Some(FileType::Other(File::COURSE.0))),
        (vec![framed(14, &[])], None),
    ];
    for (segments, file_type) in cases {
        assert_eq!(look(&segments.concat()).file_type, file_type);
    }
}

#[test]
fn a_damaged_file_still_says_what_it_can() {
    let whole = encode(run());
    let without_checksum = look(&whole[..whole.len() - 2]);
    assert_eq!(without_checksum.damage, Some(Damage::EndsEarly { missing_bytes: 2 }));
    assert_eq!(Look { damage: None, ..without_checksum }, look(&whole));

    let half = look(&whole[..whole.len() / 2]);
    assert_eq!(half.file_type, Some(FileType::Activity));
    assert_eq!(half.sessions, 0);
}
