//! Every error of the command says what to do.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use fitferry_app::config::{Place, Problem};
use fitferry_app::error::{CommandError, Kind};
use jiff::Timestamp;

use fitferry_core::ports::{PortError, PutError, Service, StoreError};
use fitferry_strava::login::StoreLoginError;

#[test]
fn every_kind_of_error_says_what_to_do() {
    let errors = every_error();
    for error in &errors {
        let help = error.help();
        let names = help.contains("`fitferry ")
            || help.contains("https://")
            || help.contains("`FITFERRY_")
            || help.contains("`[")
            || help.contains("`--");
        assert!(names, "{:?}: {help}", error.kind());
        let json = error.to_json();
        assert!(json["message"].as_str().is_some_and(|message| !message.is_empty()), "{json}");
        assert!(!error.to_string().ends_with('.'), "{error} is a fragment");
    }
    let seen: BTreeSet<&str> = errors.iter().map(|error| error.kind().key()).collect();
    let all: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.key()).collect();
    assert_eq!(seen, all, "a kind of error is not in the walk");
}

#[test]
fn exit_codes_are_those_of_the_contract() {
    let code = |error: PortError| CommandError::from(error).exit_code();
    let strava = Service::Strava;
    assert_eq!(code(PortError::LoginNeeded { service: strava, why: String::new() }), 3);
    assert_eq!(code(PortError::Misconfigured { service: strava, what: String::new() }), 2);
    assert_eq!(code(PortError::AppInactive { until: None }), 4);
    assert_eq!(code(PortError::BudgetFull { until: Timestamp::UNIX_EPOCH }), 4);
    assert_eq!(code(PortError::Busy), 5);
    assert_eq!(CommandError::interrupted().exit_code(), 130);
    assert_eq!(CommandError::from(PutError::Conflict).exit_code(), 5);
}

#[test]
fn no_login_says_exactly_what_to_type() {
    for (service, command) in
        [(Service::Garmin, "`fitferry login garmin`"), (Service::Strava, "`fitferry login strava`")]
    {
        let error = CommandError::from(fitferry_core::tokens::no_login(service));
        assert!(error.help().contains(command), "{}", error.help());
    }
}

fn every_error() -> Vec<CommandError> {
    let io = io::Error::from(io::ErrorKind::PermissionDenied);
    let mut errors: Vec<CommandError> = vec![
        CommandError::usage("x", "Run `fitferry --help`"),
        CommandError::interrupted(),
        CommandError::io("cannot read", &io),
        CommandError::no_home(),
        CommandError::store_folder(Path::new("/x"), &io),
        CommandError::from_problems(&[]),
        CommandError::from_problems(&[Problem::new(
            Place::File(PathBuf::from("/x")),
            "wrong",
            "Write `--store sqlite:FILE`",
        )]),
        PutError::Conflict.into(),
        StoreLoginError::Busy.into(),
        StoreLoginError::OtherAthlete { stored: athlete(1), new: athlete(2) }.into(),
        crate::oauth_listener::port_in_use(9321),
    ];
    errors.extend(crate::commands::login_strava::every_error());
    errors.extend(crate::commands::login_garmin::every_error());
    for service in [Service::Garmin, Service::Strava] {
        let what = String::new;
        errors.extend(
            [
                PortError::LoginNeeded { service, why: what() },
                PortError::Misconfigured { service, what: what() },
                PortError::Limited { service, until: None, retry_after: None },
                PortError::AppInactive { until: None },
                PortError::BudgetFull { until: Timestamp::UNIX_EPOCH },
                PortError::Down { service, status: None, what: what() },
                PortError::Refused { service, status: None, what: what() },
                PortError::OutOfTime,
                PortError::Moved { to: "dynamodb:fitferry".to_owned() },
                PortError::Busy,
                PortError::Store(StoreError { what: "disk full".into(), help: "Make room.".into() }),
            ]
            .map(CommandError::from),
        );
    }

    errors
}

fn athlete(id: u64) -> fitferry_strava::login::Athlete {
    fitferry_strava::login::Athlete { id, name: None }
}
