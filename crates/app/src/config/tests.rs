//! What is in force, and what is told, as files, variables and flags go in.

use fitferry_core::timing::Timing;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::*;
use fitferry_core::engine::Hold;

#[test]
fn without_a_file_the_defaults_are_those_of_the_contract() {
    let house = House::new("");
    let settings = house.settings(&[]);
    assert_eq!(settings.athlete, "me");
    assert_eq!(settings.types, ["running"]);
    assert_eq!(settings.since, None);
    assert_eq!(settings.lookback, SignedDuration::from_hours(30 * 24));
    assert_eq!(settings.sweep, SignedDuration::from_hours(6));
    assert_eq!(settings.every, SignedDuration::from_secs(60));
    assert_eq!(settings.hold, Hold::Auto);
    assert_eq!(settings.redirect_port, 9321);
    assert_eq!(settings.timing, Timing::default());
    assert!(!settings.settle_is_set);
    assert_eq!(settings.store, StoreUrl::Sqlite(house.path().join("fitferry.db")));
    assert_eq!(settings.endpoints.strava_api.as_str(), "https://www.strava.com/api/v3");
    assert_eq!(settings.shown, house.settings(&[]).shown);
    assert_eq!(Settings::defaults(house.path()).timing, settings.timing);
}

#[test]
fn the_contracts_own_example_is_right() {
    let house = House::new(
        r#"
        [garmin]
        domain  = "garmin.com"
        [strava]
        client_id = "12345"
        redirect_port = 9321
        [sync]
        types    = ["running"]
        since    = "2026-11-01"
        lookback = "30d"
        sweep    = "6h"
        hold     = "auto"
        every    = "60s"
        [[rules]]
        when = { type = "trail_running", name = "(?i)warm.?up", min_distance_km = 3 }
        skip = "warm-ups stay on Garmin"
        [store]
        url   = "sqlite:fitferry.db"
        vault = "store"
        [athletes.anna]
        sync = { types = ["*"] }
        [timing]
        garmin_spacing = "2s"
        first_confirm  = "3s"
        settle         = "60s"
        send_within    = "20s"
        upload_timeout = "60s"
        doubt          = "15m"
        doubt_looks    = "2m"
        retry_base     = "2m"
        [endpoints]
        garmin_sso = "https://sso.garmin.com"
        strava_oauth = "https://www.strava.com/oauth"
        "#,
    );
    let settings = house.settings(&[]);
    assert_eq!(settings.warnings, []);
    assert_eq!(settings.client_id.as_deref(), Some("12345"));
    assert_eq!(settings.since, Some(Since::Date(jiff::civil::date(2026, 11, 1))));
    assert!(settings.settle_is_set);
    assert_eq!(settings.endpoints.set, ["garmin_sso", "strava_oauth"]);
    let [rule] = &settings.rules[..] else { panic!("one rule: {:?}", settings.rules) };
    assert_eq!(rule.type_key.as_deref(), Some("trail_running"));
    assert_eq!(rule.min_distance_km, Some(3.0));
    assert_eq!(rule.skip, "warm-ups stay on Garmin");
    assert!(rule.name.as_ref().is_some_and(|name| name.is_match("Morning Warm-Up")));
}

#[test]
fn each_layer_stands_above_the_one_before() {
    let house = House::new(
        "[sync]\ntypes = [\"walking\"]\nsweep = \"1h\"\nlookback = \"10d\"\nevery = \"5m\"\n\
         [store]\nurl = \"sqlite:file.db\"\n\
         [athletes.anna.sync]\nlookback = \"20d\"\nevery = \"6m\"\n",
    );
    let every = ("FITFERRY_SYNC__EVERY", "7m");
    let settings = house
        .load(
            &Asked { athlete: Some("anna".into()), store: Some("sqlite:flag.db".into()), config: None },
            &[every, ("FITFERRY_STORE__URL", "sqlite:variable.db")],
        )
        .unwrap();
    assert_eq!(settings.types, ["walking"], "the file over the default");
    assert_eq!(settings.lookback, SignedDuration::from_hours(20 * 24), "the athlete over the file");
    assert_eq!(settings.every, SignedDuration::from_mins(7), "the environment over the athlete");
    assert_eq!(settings.store, StoreUrl::Sqlite(house.path().join("flag.db")), "a flag over all");
    let origins: Vec<String> = ["sync.hold", "sync.types", "sync.lookback", "sync.every", "store.url"]
        .iter()
        .map(|key| origin(&settings, key))
        .collect();
    assert_eq!(
        origins,
        ["default", "file, line 2", "athlete's section, line 9", "FITFERRY_SYNC__EVERY", "--store"]
    );
    let me = house.settings(&[every]);
    assert_eq!(me.lookback, SignedDuration::from_hours(10 * 24), "another athlete's section is not mine");
    let by_variable = house.settings(&[("FITFERRY_ATHLETE", "anna")]);
    assert_eq!(by_variable.athlete, "anna");
}

#[test]
fn an_athletes_rules_take_the_place_of_everyones() {
    let house = House::new(
        "[[rules]]\nwhen = { type = \"running\" }\nskip = \"everyone\"\n\
         [[athletes.anna.rules]]\nwhen = { type = \"cycling\" }\nskip = \"anna\"\n\
         [athletes.bob]\nrules = []\n",
    );
    let skips = |athlete: &str| -> Vec<String> {
        let settings = house.settings(&[("FITFERRY_ATHLETE", athlete)]);
        settings.rules.iter().map(|rule| rule.skip.clone()).collect()
    };
    assert_eq!(skips("me"), ["everyone"]);
    assert_eq!(skips("anna"), ["anna"]);
    assert_eq!(skips("bob"), [""; 0]);
}

#[test]
fn what_is_wrong_is_told_with_place_and_cure() {
    let cases = [
        ("[sync]\ntyps = [\"running\"]", "2:1: unknown key `typs` in [sync]", "`types` in `[sync]`"),
        ("[snyc]\ntypes = []", "1:2: unknown section [snyc]", "`[sync]`"),
        ("types = []", "1:1: unknown section `types`", "`types` in `[sync]`"),
        ("[strava]\ntypes = []", "2:1: unknown key `types` in [strava]", "`types` in `[sync]`"),
        ("[sync]\nsweep = 6", "2:9: `sweep`: expected a duration", "Correct `sweep` in `[sync]`"),
        ("[sync]\nsweep = \"1mo\"", "2:9: `sweep`: expected a duration", "Correct `sweep`"),
        ("[sync]\ntypes = \"running\"", "2:9: `types`: expected a list", "Correct `types`"),
        ("[sync]\nsince = \"1.11.2026\"", "2:9: `since`: expected a date", "all"),
        ("[strava]\nredirect_port = 0", "2:17: `redirect_port`: expected a port", "Correct"),
        ("[store]\nvault = \"keyring\"", "2:9: `vault`: expected \"store\" or", "Correct"),
        ("[store]\nurl = \"dynamodb:t\"", "2:7: `url`: expected \"sqlite:FILE\" or", "Correct"),
        ("[endpoints]\nstrava_api = \"http://x.test\"", "2:14: `strava_api`: plain http goes to", "Correct"),
        ("[athletes.Anna]", "1:11: `Anna` cannot be an athlete's name", "`[athletes.NAME]`"),
        (
            "[athletes.a.sync]\ntyps = []",
            "2:1: unknown key `typs` in [athletes.a.sync]",
            "`[athletes.a.sync]`",
        ),
        ("[athletes.a.athletes.b]", "1:13: unknown section [athletes.a.athletes]", "`[athletes.a."),
        ("sync = 3", "1:8: [sync]: expected a table", "`fitferry config show`"),
        ("[sync\n", "1:6: ", "`fitferry config check`"),
        ("[sync]\nsweep = \"1h\"\nsweep = \"2h\"", "3:1: ", "`fitferry config check`"),
        ("[rules]\nx = 1", "1:1: `rules` is a list", "`[[rules]]`"),
        ("[[rules]]\nskip = \"x\"", "1:1: this rule has no `when`", "`[[rules]]`"),
        ("[[rules]]\nwhen = { type = \"running\" }", "1:1: this rule has no `skip`", "`skip"),
        ("[[rules]]\nwhen = {}\nskip = \"x\"", "2:8: `when` is empty", "`when"),
        (
            "[[rules]]\nwhen = { typ = \"x\" }\nskip = \"x\"",
            "2:10: unknown key `typ` in `when`",
            "nearest known key is `type`",
        ),
        (
            "[[rules]]\nwhen = { type = \"running\" }\nset = { gear = \"x\" }\nskip = \"x\"",
            "3:1: unknown key `set` in [[rules]]",
            "known are `when`, `skip`",
        ),
        (
            "[[rules]]\nwhen = { name = \"(\" }\nskip = \"x\"",
            "2:17: `name` is no regular expression: unclosed group",
            "Correct `name`",
        ),
        (
            "[[rules]]\nwhen = { min_distance_km = \"3\" }\nskip = \"x\"",
            "2:28: `min_distance_km`: expected kilometres",
            "3.5",
        ),
    ];
    for (file, message, help) in cases {
        let house = House::new(file);
        let problems = house.problems(&[]);
        let [problem] = &problems[..] else { panic!("one problem of {file:?}, not {problems:#?}") };
        let expected = format!("{}:{message}", house.file().display());
        assert!(problem.to_string().starts_with(&expected), "{problem}\n{expected}");
        assert!(problem.help.contains(help), "{}\n{help}", problem.help);
        let error = house.load(&Asked::default(), &[]).unwrap_err();
        assert_eq!((error.exit_code(), error.kind().key()), (2, "config"));
    }
}

#[test]
fn a_secret_in_the_file_is_refused_and_never_repeated() {
    for (line, variable) in [
        ("[garmin]\napi_key = \"CANARY\"", "FITFERRY_GARMIN__API_KEY"),
        ("[garmin]\nemail = \"CANARY\"", "FITFERRY_GARMIN__EMAIL"),
        ("[garmin]\npassword = \"CANARY\"", "FITFERRY_GARMIN__PASSWORD"),
        ("[strava]\nclient_secret = \"CANARY\"", "FITFERRY_STRAVA__CLIENT_SECRET"),
        ("[strava]\nrefresh_token = \"CANARY\"", "`fitferry login strava`"),
        ("[sync]\nclient_secret = \"CANARY\"", "FITFERRY_STRAVA__CLIENT_SECRET"),
        ("client_secret = \"CANARY\"", "FITFERRY_STRAVA__CLIENT_SECRET"),
        ("[athletes.a.garmin]\napi_key = \"CANARY\"", "FITFERRY_GARMIN__API_KEY"),
        ("[strava]\nclient_id = \"CANARY\"", "`client_id`"),
        ("[strava]\nclient_secret = \"CANARY\n", "`fitferry config check`"),
        ("[strava]\nclient_secret = CANARY\n", "`fitferry config check`"),
    ] {
        let problems = House::new(line).problems(&[]);
        let text = format!("{problems:?}");
        assert!(!problems.is_empty() && !text.contains("CANARY"), "{line}: {text}");
        assert!(problems[0].help.contains(variable), "{line}: {text}");
    }
}

#[test]
fn unknown_variables_are_errors_with_the_nearest_known_one() {
    let house = House::new("");
    for (variable, nearest) in [
        ("FITFERRY_SYNC__TYPS", "`FITFERRY_SYNC__TYPES`"),
        ("FITFERRY_ENDPOINTS__STRAVA", "`FITFERRY_ENDPOINTS__STRAVA_"),
        ("FITFERRY_STRAVA__CLIENT_SECRT", "`FITFERRY_STRAVA__CLIENT_SECRET`"),
        ("FITFERRY_RULES__SKIP", "`FITFERRY_"),
        ("FITFERRY_sync__types", "`FITFERRY_"),
    ] {
        let problems = house.problems(&[(variable, "x")]);
        let [problem] = &problems[..] else { panic!("{variable}: {problems:#?}") };
        assert_eq!(problem.to_string(), format!("{variable}: unknown variable"));
        assert!(problem.help.contains(nearest), "{}", problem.help);
    }
    assert_eq!(house.problems(&[("FITFERRY_SEED", "7"), ("FITFERRY_SYNC__TYPES", "")]), []);
    let wrong = house.problems(&[("FITFERRY_SYNC__SWEEP", "often")]);
    assert_eq!(wrong.len(), 1);
    assert!(wrong[0].to_string().starts_with("FITFERRY_SYNC__SWEEP: expected a duration"), "{}", wrong[0]);
}

#[test]
fn secrets_come_from_a_variable_or_a_file_and_are_masked() {
    let house = House::new("");
    let file = house.path().join("secret.txt");
    std::fs::write(&file, "  CANARY-2\n").unwrap();
    let settings = house.settings(&[
        ("FITFERRY_GARMIN__API_KEY", " CANARY-1 "),
        ("FITFERRY_STRAVA__CLIENT_SECRET_FILE", file.to_str().unwrap()),
    ]);
    let secret = |key| settings.secret(key).unwrap().map(|secret| secret.expose_secret().to_owned());
    assert_eq!(secret(SecretKey::GarminApiKey).as_deref(), Some("CANARY-1"));
    assert_eq!(secret(SecretKey::StravaClientSecret).as_deref(), Some("CANARY-2"));
    assert_eq!(secret(SecretKey::GarminPassword), None);
    let shown = format!("{:?} {settings:?}", settings.shown);
    assert!(!shown.contains("CANARY"), "{shown}");
    assert_eq!(origin(&settings, "garmin.api_key"), "FITFERRY_GARMIN__API_KEY");

    let both = [("FITFERRY_GARMIN__API_KEY", "x"), ("FITFERRY_GARMIN__API_KEY_FILE", "/dev/null")];
    assert!(house.problems(&both)[0].help.contains("Keep one"));
    let gone = house.problems(&[("FITFERRY_GARMIN__API_KEY_FILE", "/nowhere/at/all")]);
    assert!(gone[0].to_string().contains("cannot read /nowhere/at/all"), "{}", gone[0]);
}

#[test]
fn garmin_in_china_moves_the_hosts_that_nobody_has_set() {
    let house = House::new("[garmin]\ndomain = \"garmin.cn\"\n");
    let api = ("FITFERRY_ENDPOINTS__GARMIN_API", "http://127.0.0.1:8080/api");
    let endpoints = house.settings(&[api]).endpoints;
    assert_eq!(endpoints.garmin_auth.as_str(), "https://diauth.garmin.cn/");
    assert_eq!(endpoints.garmin_personal.as_str(), "https://personal.connectapi.garmin.cn/");
    assert_eq!(endpoints.garmin_api.as_str(), "http://127.0.0.1:8080/api");
    assert_eq!(endpoints.strava_oauth.as_str(), "https://www.strava.com/oauth");
    assert!(!endpoints.all_on_loopback());
}

#[test]
fn a_type_that_garmin_is_not_known_to_have_is_a_warning() {
    let house = House::new("[sync]\ntypes = [\"runing\", \"*\", \"trail_running\"]\n");
    let settings = house.settings(&[]);
    let [warning] = &settings.warnings[..] else { panic!("{:?}", settings.warnings) };
    assert!(warning.message.contains("`runing`") && warning.help.contains("`running`"), "{warning:?}");
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let house = House::new("");
    let missing = house.path().join("missing.toml");
    let named = Asked { config: Some(missing.clone()), ..Asked::default() };
    let error = house.load(&named, &[]).unwrap_err();
    assert!(error.to_string().starts_with("--config: cannot read"), "{error}");
    let variable = [("FITFERRY_CONFIG", missing.to_str().unwrap())];
    let error = house.load(&Asked::default(), &variable).unwrap_err();
    assert!(error.to_string().starts_with("FITFERRY_CONFIG: cannot read"), "{error}");
}

#[test]
fn all_problems_are_found_at_once_and_the_first_says_how_many_there_are() {
    let house = House::new("[sync]\ntyps = []\nsweep = \"x\"\n");
    let variable = [("FITFERRY_STORE__URL", "x")];
    assert_eq!(house.problems(&variable).len(), 3);
    let error = house.load(&Asked::default(), &variable).unwrap_err();
    assert!(error.help().contains("2 more") && error.help().contains("`fitferry config check`"), "{error:?}");
    let bad_name = Asked { athlete: Some("Anna B".into()), ..Asked::default() };
    assert!(House::new("").load(&bad_name, &[]).unwrap_err().help().contains("`--athlete`"));
}

#[test]
fn the_store_is_relative_to_the_data_folder_or_absolute() {
    let house = House::new("");
    let store = |url| house.settings(&[("FITFERRY_STORE__URL", url)]).store;
    assert_eq!(store("sqlite:a/b.db"), StoreUrl::Sqlite(house.path().join("a/b.db")));
    assert_eq!(store("sqlite:/var/lib/x.db"), StoreUrl::Sqlite(PathBuf::from("/var/lib/x.db")));
}

#[test]
fn a_data_folder_is_made_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let house = House::new("");
    let folder = house.path().join("data/deep");
    create_private(&folder).unwrap();
    create_private(&folder).unwrap();
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn an_endpoint_can_be_pointed_elsewhere_by_the_name_of_its_variable() {
    let mut endpoints = Settings::defaults(Path::new("/tmp")).endpoints;
    endpoints.point("FITFERRY_ENDPOINTS__STRAVA_API", "http://127.0.0.1:1/api/v3").unwrap();
    assert_eq!(endpoints.strava_api.as_str(), "http://127.0.0.1:1/api/v3");
    assert!(endpoints.point("FITFERRY_ENDPOINTS__STRAVA_API", "http://x.test").is_err());
    assert!(endpoints.point("FITFERRY_SYNC__TYPES", "http://127.0.0.1").is_err());
}

/// A home folder with a configuration file in it; none where the text is empty.
struct House {
    folder: TempDir,
}

impl House {
    fn new(text: &str) -> House {
        let house = House { folder: tempfile::tempdir().unwrap() };
        if !text.is_empty() {
            std::fs::write(house.file(), text).unwrap();
        }
        house
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self) -> PathBuf {
        self.path().join("config.toml")
    }

    fn environment(&self, variables: &[(&str, &str)]) -> Environment {
        let home = [("FITFERRY_HOME", self.path().to_str().unwrap())];
        Environment::of(home.iter().chain(variables).copied())
    }

    fn load(&self, asked: &Asked, variables: &[(&str, &str)]) -> Result<Settings, CommandError> {
        super::load(asked, &self.environment(variables))
    }

    fn settings(&self, variables: &[(&str, &str)]) -> Settings {
        self.load(&Asked::default(), variables).unwrap()
    }

    fn problems(&self, variables: &[(&str, &str)]) -> Vec<Problem> {
        examine(&Asked::default(), &self.environment(variables)).unwrap().problems
    }
}

fn origin(settings: &Settings, key: &str) -> String {
    settings.shown.iter().find(|shown| shown.key == key).unwrap().origin.to_string()
}
