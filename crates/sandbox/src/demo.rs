//! A world with ten days in it, for `fitferry demo`: everything that can become of an activity, once.

use jiff::{SignedDuration, Timestamp};

use crate::garmin::GarminActivity;
use crate::generate::{self, GenerateSpec, Kind};
use crate::strava::{self, StravaActivity};
use crate::world::World;

/// A row of the story: how many days ago, at which minute of the day (UTC), what.
struct Row {
    days_ago: i64,
    minute: i64,
    name: &'static str,
    type_key: &'static str,
    kind: Kind,
    distance_m: f64,
    seconds_per_km: f64,
}

const ROWS: [Row; 8] = [
    row(9, 6 * 60 + 12, "Morning Run", "running", Kind::Run, 8_040.0, 342.0),
    row(8, 9 * 60 + 5, "Sunday Ride", "road_biking", Kind::Ride, 42_300.0, 136.0),
    row(6, 16 * 60 + 41, "Hill repeats", "trail_running", Kind::TrailRun, 11_260.0, 421.0),
    row(5, 17 * 60 + 2, ALREADY_THERE, "running", Kind::Run, 6_510.0, 351.0),
    row(4, 16 * 60 + 30, "Track 10 × 400", "track_running", Kind::TrackRun, 9_200.0, 318.0),
    row(2, 17 * 60 + 20, "Treadmill", "treadmill_running", Kind::TreadmillRun, 5_000.0, 360.0),
    row(2, 6 * 60 + 3, BATTERY_DIED, "running", Kind::Run, 12_100.0, 349.0),
    row(1, 6 * 60 + 18, "Morning Run", "running", Kind::Run, 10_020.0, 337.0),
];

const ALREADY_THERE: &str = "Evening Run";
const BATTERY_DIED: &str = "Long Run (watch died)";

const fn row(
    days_ago: i64,
    minute: i64,
    name: &'static str,
    type_key: &'static str,
    kind: Kind,
    distance_m: f64,
    seconds_per_km: f64,
) -> Row {
    Row { days_ago, minute, name, type_key, kind, distance_m, seconds_per_km }
}

impl World {
    /// Nine activities of the last days: five runs that cross, a ride that is not wanted, an entry by hand, a run
    /// that somebody put on Strava already, and a file that Strava refuses.
    pub fn demo(now: Timestamp, seed: u64) -> World {
        let mut world = World::empty(seed);
        world.strava.settings.processing = SignedDuration::from_millis(1500);
        world.strava.settings.list_lag = SignedDuration::from_secs(1);
        for row in &ROWS {
            let spec = GenerateSpec {
                kind: row.kind,
                start: moment(now, row.days_ago, row.minute) + second_of(&mut world),
                elapsed_s: (row.distance_m / 1000.0 * row.seconds_per_km).round(),
                distance_m: row.distance_m,
                seed: world.rng.draw(),
            };
            let mut activity = GarminActivity::recorded(row.name, row.type_key, &spec);
            if row.name == BATTERY_DIED {
                activity.file = generate::truncate(activity.file);
            }
            if row.name == ALREADY_THERE {
                world.strava.add(put_there_by_hand(&activity, &spec));
            }
            world.garmin.add(activity);
        }
        let start = moment(now, 3, 11 * 60);
        world.garmin.add(GarminActivity::manual("Run without a watch", "running", start, 1800.0));
        world
    }
}

/// The same run from another device: other bytes, other name, a few seconds later.
fn put_there_by_hand(activity: &GarminActivity, spec: &GenerateSpec) -> StravaActivity {
    let start = spec.start + SignedDuration::from_secs(3);
    StravaActivity {
        distance_m: activity.distance_m.unwrap_or(0.0) - 12.0,
        external_id: Some(format!("{}.fit", start.strftime("%Y-%m-%d-%H-%M-%S"))),
        upload_id: Some(17_012_345_678),
        sha256: Some(strava::sha256(b"the phone's recording")),
        ..StravaActivity::other(strava::ATHLETE, "Evening Run with Kim", "Run", start, spec.elapsed_s + 4.0)
    }
}

fn second_of(world: &mut World) -> SignedDuration {
    let second = world.rng.below(60);
    SignedDuration::from_secs(i64::try_from(second).unwrap_or(0))
}

/// That minute of the day, so many days before `now`.
fn moment(now: Timestamp, days_ago: i64, minute: i64) -> Timestamp {
    const DAY_S: i64 = 24 * 3600;
    let day = now.as_second().div_euclid(DAY_S) - days_ago;
    Timestamp::from_second(day * DAY_S + minute * 60).unwrap_or(now)
}
