//! A machine whose clock is wrong, or jumps: the program's is shifted with `faketime`, the services keep theirs.

use fitferry_sandbox::rng::Rng;
use fitferry_sandbox::{Options, garmin};

use crate::home::{Home, Ran, add_run, time_shifter};
use crate::stage::{each, everything_is_there_once, like, long, merciless, settled, well_behaved};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Seconds by which a clock is wrong.
const SHIFTS: [i64; 12] =
    [0, -90, 90, HOUR, -HOUR, DAY, -DAY, 40 * DAY, -40 * DAY, 3 * 365 * DAY, -3 * 365 * DAY, 20 * 365 * DAY];

#[test]
fn a_clock_that_is_wrong_or_jumps_loses_nothing_and_doubles_nothing() {
    let Some(preload) = time_shifter() else {
        println!("`faketime` is not here: `make setup` installs it. Nothing was shifted");
        return;
    };
    let template = template();
    let jumps: u64 = if long() { 60 } else { 8 };
    let mut stories: Vec<Vec<i64>> = SHIFTS.iter().map(|shift| vec![*shift; 4]).collect();
    stories.extend((0..jumps).map(|seed| {
        let mut rng = Rng::new(seed);
        (0..6).map(|_| SHIFTS[usize::try_from(rng.draw() % 12).expect("small")]).collect()
    }));
    let cases = stories.len();
    each(stories, 6, |shifts| {
        let mut home = like(&template, Options::default());
        home.set("LD_PRELOAD", &preload);
        for (tick, shift) in shifts.iter().enumerate() {
            add_run(
                &mut home.world(),
                &format!("Tick {tick}"),
                0.5 + 0.3 * f64::from(u8::try_from(tick).unwrap_or(0)),
            );
            if tick == 1 {
                home.world().garmin.tokens.revoke_bearers(garmin::ATHLETE);
            }
            home.set("FAKETIME", &format!("{shift:+}"));
            let ran = home.run(&["sync", "--json"]);
            well_behaved(&ran, &[0, 1, 4]);
            says_so(&ran, *shift, &shifts);
        }
        // The clock is set right.
        home.set("FAKETIME", "+0");
        assert_eq!(settled(&home), 0, "{shifts:?}: a login was lost");
        everything_is_there_once(&home, &format!("{shifts:?}"));
    });
    println!("clocks: {cases} stories of 4 to 6 ticks; nothing lost, nothing doubled, no login lost");
}

fn says_so(ran: &Ran, shift: i64, shifts: &[i64]) {
    let said = ran.stderr.contains("This machine's clock is");
    if shift.abs() >= HOUR && ran.exit == Some(0) {
        assert!(said, "{shifts:?}, at {shift}: nothing is said of the clock: {ran:?}");
    }
    if shift == 0 {
        assert!(!said, "{ran:?}");
    }
}

fn template() -> Home {
    let mut world = merciless();
    add_run(&mut world, "Before", 3.0);
    Home::signed_in(world, Options::default())
}
