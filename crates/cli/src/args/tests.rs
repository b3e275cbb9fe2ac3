//! What can be typed, and what cannot.

use clap::CommandFactory;

use super::*;

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn global_flags_stand_before_or_after_the_command() {
    let before = read("fitferry --json --athlete anna -v sync --dry-run").unwrap();
    let after = read("fitferry sync --dry-run --json --athlete anna -v").unwrap();
    for cli in [before, after] {
        assert!(cli.global.json);
        assert_eq!(cli.global.athlete.as_deref(), Some("anna"));
        assert_eq!(cli.global.verbose, 1);
        assert!(matches!(cli.command, Command::Sync(SyncArgs { dry_run: true, busy_ok: false })));
    }
    let nested = read("fitferry login strava --no-browser --store sqlite:x.db -vv").unwrap();
    assert_eq!(nested.global.store.as_deref(), Some("sqlite:x.db"));
    assert_eq!(nested.global.verbose, 2);
}

#[test]
fn json_and_colour_are_seen_in_a_line_that_cannot_be_read() {
    let argv = words("fitferry sync --nonsense --json --color never");
    assert!(parse(&argv).is_err());
    assert!(wants_json(&argv));
    assert_eq!(wanted_color(&argv), Color::Never);
    assert!(!wants_json(&words("fitferry show -- --json")));
}

#[test]
fn usage_errors_end_with_2_and_help_with_0() {
    let exit = |line: &str| read(line).unwrap_err().exit_code();
    assert_eq!(exit("fitferry"), 2);
    assert_eq!(exit("fitferry snyc"), 2);
    assert_eq!(exit("fitferry show twelve"), 2);
    assert_eq!(exit("fitferry retry"), 2);
    assert_eq!(exit("fitferry sync -v -q"), 2);
    assert_eq!(exit("fitferry activities --state open"), 2);
    assert_eq!(exit("fitferry watch --every 0s"), 2);
    assert_eq!(exit("fitferry login strava --print-refresh-token --json"), 2);
    assert_eq!(exit("fitferry --help"), 0);
    assert_eq!(exit("fitferry sync --help"), 0);
    assert_eq!(exit("fitferry --version"), 0);
}

#[test]
fn a_key_ends_on_a_date_or_in_days() {
    assert_eq!(key_ends("365"), Ok(KeyEnds::InDays(365)));
    assert_eq!(key_ends("2027-10-31"), Ok(KeyEnds::On(jiff::civil::date(2027, 10, 31))));
    assert!(key_ends("soon").is_err());
}

#[test]
fn no_help_text_names_a_command_that_is_absent() {
    let mut root = Cli::command();
    root.build();
    let known: Vec<String> = root.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for text in help_texts(&mut root) {
        let named = text
            .split("fitferry ")
            .skip(1)
            .filter_map(|rest| rest.split(|c: char| !c.is_ascii_lowercase()).next())
            .filter(|word| !word.is_empty());
        for word in named {
            // A table of that name may stand before another store.
            let prose = ["there", "sqlite"].contains(&word);
            assert!(prose || known.iter().any(|name| name == word), "`fitferry {word}` in:\n{text}");
        }
        for absent in ["export", "rules", "dashboard"] {
            assert!(!text.contains(&format!("fitferry {absent}")), "{absent} in:\n{text}");
        }
    }
}

fn help_texts(command: &mut clap::Command) -> Vec<String> {
    let mut texts = vec![command.render_help().to_string(), command.render_long_help().to_string()];
    for child in command.get_subcommands_mut() {
        texts.extend(help_texts(child));
    }
    texts
}

fn words(line: &str) -> Vec<OsString> {
    line.split(' ').map(OsString::from).collect()
}

fn read(line: &str) -> Result<Cli, clap::Error> {
    parse(&words(line))
}
