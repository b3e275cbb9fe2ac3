//! Input that is hostile or mad, through the whole program: archives, lists, error pages, configurations, dates.
//!
//! What must hold of every input is in `crates/fuzz`; these are the cases that have names.

use std::io::Write as _;
use std::path::Path;

use fitferry_sandbox::garmin::{ATHLETE, GarminActivity};
use fitferry_sandbox::generate::{self, GenerateSpec};
use fitferry_sandbox::{Fault, Options, Reply, Route, What, When};
use jiff::Timestamp;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::home::{Home, add_run, list};
use crate::stage::{each, everything_is_there_once, like, merciless, settled, watched, well_behaved};

/// The same bound as everywhere: no archive makes the program large.
const PEAK_KIB_MAX: u64 = 260 << 10;

fn template() -> (Home, u64, Vec<u8>) {
    let mut world = merciless();
    let id = add_run(&mut world, "One", 1.0);
    let file = world.garmin.activities[&id].file.clone();
    (Home::signed_in(world, Options::default()), id, file)
}

/// What a tick makes of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The file in it crosses, byte for byte.
    Published,
    /// Told with this reason, for good.
    Rejected(&'static str),
    /// Asked for again later, as after a fault of transport.
    Waits,
}

#[test]
fn no_archive_hurts_and_a_whole_file_in_an_odd_one_crosses() {
    use Fate::{Published, Rejected, Waits};
    let (template, id, fit) = template();
    let name = format!("{id}_ACTIVITY.fit");
    let whole = zip(&[(&name, &fit)], CompressionMethod::Deflated);
    let mut bomb = fit.clone();
    bomb.resize(150 << 20, 0);
    let many: Vec<(String, &[u8])> = (0..500).map(|n| (format!("{n}.fit"), &fit[..])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    let nested = zip(&[("inner.zip", &whole)], CompressionMethod::Stored);
    let cases: Vec<(&str, Vec<u8>, Fate)> = vec![
        ("a bomb", zip(&[(&name, &bomb)], CompressionMethod::Deflated), Rejected("too_large")),
        ("five hundred files", zip(&many, CompressionMethod::Stored), Rejected("too_large")),
        ("an archive in an archive", nested, Rejected("not_an_activity")),
        (
            "a way up",
            zip(&[("../../../../../../tmp/fitferry-was-here.fit", &fit)], CompressionMethod::Deflated),
            Published,
        ),
        (
            "an absolute name",
            zip(&[("/tmp/fitferry-was-here.fit", &fit)], CompressionMethod::Deflated),
            Published,
        ),
        (
            "a name of Windows",
            zip(&[("C:\\..\\fitferry-was-here.fit", &fit)], CompressionMethod::Deflated),
            Published,
        ),
        (
            "a name with a zero and colours",
            zip(&[("\u{1b}[31m\0.fit", &fit)], CompressionMethod::Deflated),
            Published,
        ),
        ("no name", zip(&[("", &fit)], CompressionMethod::Deflated), Published),
        ("zip64, honest", zip64(&name, &fit), Published),
        // What it says of its sizes is not believed; the checksum is.
        ("4 GB packed, it says", claims(&whole, 20, u32::MAX - 1), Published),
        ("4 GB unpacked, it says", claims(&whole, 24, u32::MAX - 1), Published),
        ("zip64 without its record", claims(&whole, 20, u32::MAX), Published),
        ("begins beyond its end", claims(&whole, 42, u32::MAX - 1), Waits),
        ("cut", whole[..whole.len() / 2].to_vec(), Waits),
        ("nothing", Vec::new(), Waits),
    ];
    let count = cases.len();
    each(cases, 4, |(what, archive, fate)| {
        let home = like(&template, Options::default());
        let answer = What::Answer(Reply::bytes(200, "application/x-zip-compressed", archive));
        home.world().faults.push(Fault { route: Route::GarminDownload, when: When::Nth(1), what: answer });
        let (ran, peak) = watched(&home, &["sync", "--json"]);
        let document = well_behaved(&ran, &[0, 1]);
        assert!(peak <= PEAK_KIB_MAX, "{what}: {peak} KiB");
        let rejected = list(&document, "rejected").first().map(|entry| entry["reason"].clone());
        match fate {
            Rejected(reason) => assert_eq!(rejected, Some(json!(reason)), "{what}: {document:#}"),
            // Its wait may be over before the tick is; then it has been asked for again.
            Waits => {
                assert_eq!(rejected, None, "{what}: {document:#}");
                let asked =
                    home.sandbox.log().iter().filter(|seen| seen.route == Route::GarminDownload).count();
                assert!(ran.exit == Some(1) || asked > 1, "{what}: {document:#}");
            }
            Published => assert_eq!((rejected, ran.exit), (None, Some(0)), "{what}: {document:#}"),
        }
        if !matches!(fate, Rejected(_)) {
            assert_eq!(settled(&home), 0);
            everything_is_there_once(&home, what);
        } else {
            assert_eq!(home.world().uploads_received(), 0, "{what}");
        }
        assert!(!Path::new("/tmp/fitferry-was-here.fit").exists(), "{what}");
    });
    println!("hostile archives: {count} cases");
}

fn zip(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut archive = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        archive
            .start_file(*name, SimpleFileOptions::default().compression_method(method))
            .expect("a name of its own");
        archive.write_all(bytes).expect("memory takes everything");
    }
    archive.finish().expect("memory takes everything").into_inner()
}

fn zip64(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut archive = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file(name, SimpleFileOptions::default().large_file(true)).expect("a name");
    archive.write_all(bytes).expect("memory takes everything");
    archive.finish().expect("memory takes everything").into_inner()
}

/// The archive with another number in its directory: at 20 stands the packed size, at 24 the unpacked one, at 42
/// where the entry begins.
fn claims(archive: &[u8], at: usize, number: u32) -> Vec<u8> {
    let mut archive = archive.to_vec();
    let directory = archive.windows(4).position(|four| four == b"PK\x01\x02").expect("there is a directory");
    archive[directory + at..directory + at + 4].copy_from_slice(&number.to_le_bytes());
    archive
}

#[test]
fn no_list_hurts_and_what_is_whole_in_it_crosses() {
    let (template, id, _) = template();
    let item = |id: Value, more: Value| {
        let mut item = json!({"activityId": id, "activityName": "x", "activityType": {"typeKey": "running"}});
        item.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        item
    };
    let good = item(json!(id), json!({"distance": 5000.0}));
    let odd = [
        item(json!("7"), json!({"distance": "NaN", "duration": -1})),
        item(
            json!(8.0),
            json!({"distance": 1e308, "elapsedDuration": 1e308, "startTimeGMT": "1989-12-31 00:00:00"}),
        ),
        item(
            json!(9),
            json!({"startTimeGMT": "2106-02-07 06:28:16", "startTimeLocal": "9999-12-31 23:59:59"}),
        ),
        item(
            json!(10),
            json!({"beginTimestamp": i64::MAX, "parentId": -5, "activityName": "\u{1b}[2J\u{202e}"}),
        ),
        item(
            json!(11),
            json!({"startTimeGMT": "0000-00-00 00:00:00", "activityType": [[[]]], "manualActivity": "?"}),
        ),
        json!({"activityId": null}),
        json!([1, 2, 3]),
        json!("text"),
    ];
    let deep_name = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let deep: Value = serde_json::from_str(&deep_name).expect("a hundred levels are read");
    let mut with_odd = vec![good.clone()];
    with_odd.extend(odd);
    let list_of = |items: &[Value]| serde_json::to_vec(items).expect("JSON");
    // What is no list at all is asked for again; a list with odd items is read.
    let cases: Vec<(&str, Vec<u8>, bool)> = vec![
        ("odd items", list_of(&with_odd), true),
        ("a deep item", list_of(&[good.clone(), item(json!(12), json!({"new": deep}))]), true),
        ("a hundred thousand levels", "[".repeat(100_000).into_bytes(), false),
        (
            "invalid UTF-8",
            [b"[{\"activityId\":1,\"activityName\":\"".as_slice(), &[0xff, 0xfe], b"\"}]"].concat(),
            false,
        ),
        ("NaN", br#"[{"activityId":1,"distance":NaN}]"#.to_vec(), false),
        ("a number beyond all numbers", br#"[{"activityId":1,"distance":1e999}]"#.to_vec(), false),
        ("no ids", br#"[{"id":1},{"id":2}]"#.to_vec(), false),
        ("an object", br#"{"activityId":1}"#.to_vec(), false),
        ("a text", b"\"list\"".to_vec(), false),
    ];
    let count = cases.len();
    each(cases, 4, |(what, body, is_read)| {
        let home = like(&template, Options::default());
        let answer = What::Answer(Reply::bytes(200, "application/json", body));
        home.world().faults.push(Fault { route: Route::GarminList, when: When::Nth(1), what: answer });
        let (ran, peak) = watched(&home, &["sync", "--json"]);
        let document = well_behaved(&ran, if is_read { &[0, 1] } else { &[4] });
        assert!(peak <= PEAK_KIB_MAX, "{what}: {peak} KiB");
        assert!(!ran.stderr.contains('\u{1b}') && !ran.stdout.contains('\u{1b}'), "{what}: {ran:?}");
        if is_read {
            assert!(
                !list(&document, "published").is_empty() || !list(&document, "submitted").is_empty(),
                "{document:#}"
            );
            // The others are no activities of this Garmin's: they have no file, and end.
            let table = home.run(&["activities"]);
            assert!(!table.stdout.contains('\u{1b}') && !table.stdout.contains('\u{202e}'), "{table:?}");
        } else {
            assert_eq!(settled(&home), 0);
        }
        let world = home.world();
        let there: Vec<u64> =
            world.strava.of_athlete(fitferry_sandbox::strava::ATHLETE).map(|there| there.id).collect();
        assert!(is_read || there.len() == 1, "{what}: {there:?}");
    });
    println!("hostile lists: {count} cases");
}

#[test]
fn error_pages_are_told_in_one_clean_line() {
    let (template, _, _) = template();
    let pages = [
        "<html><head><title>502</title><script>alert(1)</script></head><body>\u{1b}[2J\u{1b}]0;owned\u{7}Bad</body></html>".to_owned(),
        format!("<html>{}</html>", "x".repeat(3 << 20)),
        "<".repeat(1 << 20),
        "&lt;script&gt;&#27;[31m&#x1b;[0m".repeat(1_000),
        "\u{feff}<!doctype html>\r\n\0\0\0".to_owned(),
    ];
    let routes = [Route::GarminList, Route::StravaList, Route::StravaUpload, Route::GarminPersonalToken];
    let cases: Vec<_> =
        routes.iter().flat_map(|route| pages.iter().map(move |page| (*route, page))).collect();
    let count = cases.len();
    each(cases, 4, |(route, page)| {
        let home = like(&template, Options::default());
        if route == Route::GarminPersonalToken {
            home.world().garmin.tokens.revoke_bearers(ATHLETE);
        }
        let what = What::Answer(Reply::html(502, page));
        home.world().faults.push(Fault { route, when: When::Next(2), what });
        let ran = home.run(&["sync", "--json", "-vv"]);
        well_behaved(&ran, &[0, 1, 4]);
        assert!(!ran.stderr.contains(['\u{1b}', '\u{7}', '\0']), "{ran:?}");
        assert!(ran.stderr.lines().all(|line| line.chars().count() < 1_000), "{:?}", ran.stderr.len());
        home.world().faults.clear();
        assert_eq!(settled(&home), 0);
        everything_is_there_once(&home, &format!("{route:?}"));
    });
    println!("hostile error pages: {count} cases");
}

/// FIT counts seconds from the end of 1989 in 32 bits; Unix's 32 bits end in 2106.
#[test]
fn an_activity_of_1989_and_one_of_2106_end_and_hold_up_nobody() {
    let (template, _, _) = template();
    let starts = [
        "1989-12-31T00:00:00Z",
        "1998-07-01T00:00:00Z",
        "2038-01-19T03:14:07Z",
        "2106-02-07T06:28:15Z",
        "2106-02-07T06:28:16Z",
    ];
    each(starts.to_vec(), 4, |start| {
        let home = like(&template, Options::default());
        let at: Timestamp = start.parse().expect("a time in RFC 3339");
        let spec = GenerateSpec::run(at, 5_000.0, 3);
        let mut activity = GarminActivity::recorded("Out of time", "running", &spec);
        activity.file = generate::run(&spec);
        let odd = home.world().garmin.add(activity);
        for _ in 0..3 {
            well_behaved(&home.run(&["sync", "--json"]), &[0, 1, 4]);
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        let shown = home.run(&["show", &odd.to_string(), "--json"]);
        assert_eq!(shown.exit, Some(0), "{start}: {shown:?}");
        let listed = home.run(&["activities", "--json"]).json();
        let state = |id: u64| {
            list(&listed, "activities")
                .iter()
                .find(|entry| entry["garmin_id"] == id)
                .map(|entry| entry["state"].clone())
        };
        let others = list(&listed, "activities").iter().filter(|entry| entry["garmin_id"] != odd);
        assert!(others.clone().count() > 0);
        for other in others {
            assert_eq!(other["state"], "published", "{start}: {listed:#}");
        }
        let state = state(odd).expect("it is in the ledger");
        assert!(state == "published" || state == "rejected", "{start}: {listed:#}");
    });
}

#[test]
fn no_configuration_hurts_and_a_bad_one_names_its_place() {
    let (template, _, _) = template();
    let deep = format!("[sync]\ntypes = {}{}", "[".repeat(50_000), "]".repeat(50_000));
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("deep", deep.into_bytes()),
        ("invalid UTF-8", b"[sync]\ntypes = [\"\xff\"]\n".to_vec()),
        ("zeros", vec![0; 1 << 20]),
        ("long", format!("[sync]\ntypes = [\"{}\"]\nevrey = 1\n", "x".repeat(4 << 20)).into_bytes()),
        ("colours", b"[\"\\u001b[31msink\"]\n\"\\u001b[2J\" = 1\n".to_vec()),
        (
            "a pattern that explodes",
            b"[[rules]]\nwhen = { name = \"(a{1000}){1000}{1000}\" }\nskip = \"x\"\n".to_vec(),
        ),
        ("a distance that is none", b"[[rules]]\nwhen = { min_distance_km = nan }\nskip = \"x\"\n".to_vec()),
        ("year 0", b"[sync]\nsince = 0000-00-00\n".to_vec()),
    ];
    for (what, file) in files {
        let home = like(&template, Options::default());
        std::fs::write(home.path().join("config.toml"), file).expect("the folder is writable");
        for command in [["sync", "--json"], ["config", "check"]] {
            let mark = home.mark();
            let ran = home.run(&command);
            assert_eq!(ran.exit, Some(2), "{what}: {ran:?}");
            assert!(ran.stderr.contains("config.toml"), "{what}, no place: {ran:?}");
            assert!(!ran.stderr.contains(['\u{1b}', '\0']), "{what}: {ran:?}");
            assert!(ran.stderr.lines().all(|line| line.chars().count() < 1_000), "{what}");
            assert_eq!(home.mark(), mark, "{what}: a request was made");
        }
    }
}

#[test]
fn durations_without_measure_stop_nothing() {
    let (template, _, _) = template();
    let keys = [
        "SYNC__LOOKBACK",
        "SYNC__SWEEP",
        "SYNC__HOLD",
        "SYNC__EVERY",
        "TIMING__DOUBT",
        "TIMING__DOUBT_LOOKS",
        "TIMING__RETRY_BASE",
        "TIMING__SEND_WITHIN",
        "TIMING__UPLOAD_TIMEOUT",
    ];
    let values = ["1ns", "36500d", "7304484d", "9223372036854775807s"];
    let cases: Vec<_> = keys.iter().flat_map(|key| values.iter().map(move |value| (*key, *value))).collect();
    each(cases, 4, |(key, value)| {
        let mut home = like(&template, Options::default());
        let variable = format!("FITFERRY_{key}");
        let usual = home
            .command(&[])
            .get_envs()
            .find(|(name, _)| *name == variable.as_str())
            .and_then(|(_, value)| value)
            .map(std::ffi::OsStr::to_owned);
        home.set(&variable, value);
        for command in ["sync", "status"] {
            let ran = home.run(&[command, "--json"]);
            well_behaved(&ran, &[0, 1, 2, 4]);
            if ran.exit == Some(2) {
                assert!(ran.stderr.contains(&variable), "{ran:?}");
            }
        }
        // An outage books waits of that length.
        home.world().faults.push(Fault {
            route: Route::GarminList,
            when: When::Always,
            what: What::Status(500),
        });
        well_behaved(&home.run(&["sync", "--json"]), &[0, 1, 2, 4]);
        home.world().faults.clear();
        match usual {
            Some(usual) => home.set(&variable, &usual.to_string_lossy()),
            None => home.set(&variable, ""),
        }
        well_behaved(&home.run(&["sync", "--json"]), &[0, 1, 4]);
        assert!(home.world().doubles().is_empty());
    });
}
