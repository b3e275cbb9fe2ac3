//! Figures, printed and not asserted: what a tick takes on this machine.

use std::sync::Arc;
use std::time::Duration;

use fitferry_sandbox::garmin::GarminActivity;
use fitferry_sandbox::generate::GenerateSpec;
use jiff::{SignedDuration, Timestamp};

use crate::account::{Account, Setup, list};
use crate::cloud::Cloud;
use crate::function::Function;
use crate::package;

const TIMES: usize = 15;

pub fn what_a_tick_takes(cloud: &Arc<Cloud>) {
    let anna = Account::pushed(cloud, "figures", Setup::default());
    let mut starts: Vec<Duration> = (0..TIMES)
        .map(|_| Function::start(&anna, &[]).start_took().expect("it asked for an event"))
        .collect();

    let id = {
        let start = anna.now() - SignedDuration::from_hours(72);
        let start = Timestamp::from_second(start.as_second()).expect("whole seconds");
        // Two days on the road, so that the file has a megabyte.
        let spec = GenerateSpec::run(start, 400_000.0, 1);
        anna.world().garmin.add(GarminActivity::recorded("Spartathlon and back", "running", &spec))
    };
    let bytes = anna.world().garmin.activities[&id].file.len();
    let mut function = Function::start(&anna, &[]);
    let at_start = function.peak_memory_kb();
    let large = function.tick();
    assert_eq!(list(&large.document, "published").len(), 1, "{:#}", large.document);
    let at_end = function.peak_memory_kb();

    let mut idle: Vec<Duration> = (0..TIMES).map(|_| function.tick().took).collect();
    let mut cold_idle: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let mut function = Function::start(&anna, &[]);
            function.start_took().expect("it asked for an event") + function.tick().took
        })
        .collect();
    let mut busy: Vec<Duration> = (0..5)
        .map(|nth| {
            anna.add_run("A Run", 2 + 2 * nth);
            let tick = function.tick();
            assert_eq!(list(&tick.document, "published").len(), 1, "{:#}", tick.document);
            tick.took
        })
        .collect();

    println!("figures of the bootstrap on this machine, services on loopback, medians:");
    println!("  function zip                        {:>9} bytes", package::size(&cloud.package.function_zip));
    println!("  from exec to the first /next        {:>9.1} ms", median_ms(&mut starts));
    println!("  idle tick, warm                     {:>9.1} ms", median_ms(&mut idle));
    println!("  idle tick, cold, from exec          {:>9.1} ms", median_ms(&mut cold_idle));
    println!("  tick with one new run               {:>9.1} ms", median_ms(&mut busy));
    println!(
        "  tick with one file of {:>4} kB       {:>9.1} ms",
        bytes / 1000,
        large.took.as_secs_f64() * 1e3
    );
    println!("  peak memory at the start            {at_start:>9} kB");
    println!("  peak memory after the large file    {at_end:>9} kB");
}

fn median_ms(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}
