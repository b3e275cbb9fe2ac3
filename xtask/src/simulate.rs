//! `cargo xtask simulate`: the real engine in a simulated world, seed by seed (docs/reliability.md).

use std::io;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fitferry_simulation::{
    Mode, Options, Outcome, Planted, Stats, StoreKind, measure_backfill, measure_naive, play, replay,
};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};

/// What the command line asks for.
#[derive(clap::Args)]
pub(crate) struct Asked {
    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, value_name = "S", default_value_t = 0)]
    first: u64,
    /// This seed alone
    #[arg(long, value_name = "S", conflicts_with_all = ["seeds", "first"])]
    seed: Option<u64>,
    /// How long a life is [default: 14, and 90 in one seed of ten]
    #[arg(long, value_name = "D")]
    days: Option<i64>,
    /// What the world allows itself [default: even seeds are strict, odd ones wild]
    #[arg(long, value_parser = mode)]
    mode: Option<Mode>,
    /// What the doors to the store have underneath: memory, sqlite or dynamodb
    #[arg(long, value_parser = store, default_value = "memory")]
    store: StoreKind,
    /// In every life a person carries the past over with a backfill [default: in one of eight]
    #[arg(long)]
    histories: bool,
    /// How many lives are played at once [default: one a core]
    #[arg(long, value_name = "J")]
    jobs: Option<usize>,
    /// Prints the history of the seed, whatever comes of it
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Plants a fault, or each of them in turn (all), and tells which seed finds it
    #[arg(long, value_name = "NAME", value_parser = planted)]
    planted: Option<Plant>,
    /// Measures in virtual time how fast a history of so many activities crosses, and how fast by the loop that
    /// everybody writes first
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "seed", "planted"])]
    backfill: Option<u64>,
}

/// Which faults are planted.
#[derive(Clone, Copy)]
enum Plant {
    All,
    One(Planted),
}

fn mode(text: &str) -> Result<Mode, String> {
    [Mode::Strict, Mode::Wild]
        .into_iter()
        .find(|mode| mode.name() == text)
        .ok_or_else(|| "strict or wild".to_owned())
}

fn store(text: &str) -> Result<StoreKind, String> {
    match text {
        "memory" => Ok(StoreKind::Memory),
        "sqlite" => Ok(StoreKind::Sqlite),
        "dynamodb" => Ok(StoreKind::DynamoDb),
        _ => Err("memory, sqlite or dynamodb".to_owned()),
    }
}

fn planted(text: &str) -> Result<Plant, String> {
    if text == "all" {
        return Ok(Plant::All);
    }
    Planted::from_name(text).map(Plant::One).ok_or_else(|| {
        let names: Vec<_> = Planted::ALL.iter().map(|planted| planted.name()).collect();
        format!("all, or one of {}", names.join(", "))
    })
}

/// More lives than that are worth a build for speed.
const LIVES_MANY: u64 = 300;

pub(crate) fn run(asked: &Asked) -> ExitCode {
    if let Some(activities) = asked.backfill {
        return measure(activities);
    }
    let is_long = asked.seed.is_none() && (asked.seeds > LIVES_MANY || asked.planted.is_some());
    if cfg!(debug_assertions) && is_long {
        return run_optimised();
    }
    match (asked.trace, asked.planted) {
        (true, _) => trace(asked),
        (false, Some(planted)) => find_planted(asked, planted),
        (false, None) => many(asked),
    }
}

/// `--backfill`: the figures of docs/performance.md.
#[expect(clippy::print_stdout, reason = "a chore talks to the one who runs it")]
fn measure(activities: u64) -> ExitCode {
    println!("{activities} activities under the limits of a new Strava app, in virtual time");
    println!(
        "              days   uploads on each whole day      requests each   429s   everyday tick late at most"
    );
    let mut is_well = true;
    for (name, measured) in
        [("backfill", measure_backfill(activities)), ("naive loop", measure_naive(activities))]
    {
        let days: Vec<String> = measured.whole_days().iter().map(u64::to_string).collect();
        println!(
            "{name:<10} {:>7.2}   {:<30} {:>11.3} {:>6}   {:.1} periods",
            measured.days,
            days.join(" "),
            measured.requests_each(),
            measured.limited,
            measured.late_periods,
        );
        if let Some(violation) = measured.violation {
            println!("VIOLATION: {violation}");
            is_well = false;
        }
    }
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The same words to the same chore, built with the profile `simulation`: cargo keeps it beside this one.
fn run_optimised() -> ExitCode {
    let mut again = Command::new(env!("CARGO"));
    again.args(["run", "--quiet", "--profile", "simulation", "--package", env!("CARGO_PKG_NAME"), "--"]);
    let status = again.args(std::env::args_os().skip(1)).current_dir(crate::workspace()).status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            say(&mut io::stderr(), &format!("simulate: cargo cannot be run: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// A line for the one who runs it; a closed pipe is no reason to fail.
fn say(to: &mut impl io::Write, line: &str) {
    writeln!(to, "{line}").ok();
}

fn trace(asked: &Asked) -> ExitCode {
    let planted = match asked.planted {
        Some(Plant::One(planted)) => Some(planted),
        Some(Plant::All) | None => None,
    };
    let outcome = replay(&asked.options(asked.first(), planted));
    let mut out = io::stdout().lock();
    for line in &outcome.history {
        say(&mut out, line);
    }
    say(&mut out, &summary(&outcome));
    if outcome.violation.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn summary(outcome: &Outcome) -> String {
    let Outcome { seed, mode, days, violation, .. } = outcome;
    match violation {
        Some(violation) => format!("seed {seed} ({}, {days} days): {violation}", mode.name()),
        None => format!("seed {seed} ({}, {days} days): nothing that must never happen", mode.name()),
    }
}

/// How many lines of a history are shown before a violation.
const LINES_BEFORE: usize = 60;

fn many(asked: &Asked) -> ExitCode {
    let began = Instant::now();
    let seeds = asked.range();
    let jobs = asked.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let (next, is_over) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let total = Mutex::new((Stats::default(), 0_u64));
    let failed: Mutex<Option<Outcome>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let outcome = play(&asked.options(seed, None));
                    let mut total = total.lock().expect("no player panics while it counts");
                    total.0 += outcome.stats;
                    total.1 += 1;
                    if total.1.is_multiple_of(10_000) {
                        say(&mut io::stderr(), &format!("{} seeds", total.1));
                    }
                    drop(total);
                    if outcome.violation.is_some() {
                        is_over.store(true, Ordering::Relaxed);
                        let mut failed = failed.lock().expect("no player panics while it tells");
                        // Of several the first seed is shown.
                        if failed.as_ref().is_none_or(|other| outcome.seed < other.seed) {
                            *failed = Some(outcome);
                        }
                    }
                }
            });
        }
    });
    let (stats, played) = *total.lock().expect("all players have ended");
    let took = began.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "seeds are not that many")]
    let (rate, core_rate) = (played as f64 / took, played as f64 / core_seconds());
    let mut out = io::stdout().lock();
    say(
        &mut out,
        &format!(
            "{played} seeds in {took:.1} s: {rate:.0} a second, {core_rate:.0} in a second of a core's time"
        ),
    );
    for (name, count) in stats.all() {
        say(&mut out, &format!("  {count:>12} {}", name.replace('_', " ")));
    }
    let Some(outcome) = failed.lock().expect("all players have ended").take() else {
        say(&mut out, "no violation");
        return ExitCode::SUCCESS;
    };
    let replayed = replay(&asked.options(outcome.seed, None));
    let skipped = replayed.history.len().saturating_sub(LINES_BEFORE);
    for line in &replayed.history[skipped..] {
        say(&mut out, line);
    }
    say(&mut out, &summary(&outcome));
    let flags = asked.flags();
    say(&mut out, &format!("the whole history: cargo xtask simulate --seed {} --trace{flags}", outcome.seed));
    ExitCode::FAILURE
}

/// What this process has had of all cores together.
fn core_seconds() -> f64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return f64::NAN };
    let seconds = |time: TimeVal| Duration::from_micros(time.num_microseconds().unsigned_abs()).as_secs_f64();
    seconds(usage.user_time()) + seconds(usage.system_time())
}

fn find_planted(asked: &Asked, planted: Plant) -> ExitCode {
    let planted = match planted {
        Plant::All => Planted::ALL.to_vec(),
        Plant::One(planted) => vec![planted],
    };
    let mut out = io::stdout().lock();
    let mut all_found = true;
    for planted in planted {
        let found = asked.range().find_map(|seed| {
            play(&asked.options(seed, Some(planted))).violation.map(|violation| (seed, violation))
        });
        let told = match &found {
            Some((seed, violation)) => format!("seed {seed}: {violation}"),
            None => format!("not found in {} seeds", asked.range().count()),
        };
        all_found &= found.is_some();
        say(&mut out, &format!("{}: {}\n    {told}", planted.name(), planted.about()));
    }
    if all_found { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Asked {
    fn first(&self) -> u64 {
        self.seed.unwrap_or(self.first)
    }

    /// The seeds that are asked for.
    fn range(&self) -> std::ops::Range<u64> {
        self.first()..self.first() + if self.seed.is_some() { 1 } else { self.seeds }
    }

    /// How a seed is played.
    fn options(&self, seed: u64, planted: Option<Planted>) -> Options {
        let (mut mode, mut days) = (self.mode, self.days);
        if planted.is_some() {
            // Nothing may cover a fault up.
            mode = Some(Mode::Strict);
            days = days.or(Some(14));
        }
        let histories = self.histories || planted.is_some_and(Planted::is_of_histories);
        Options { seed, mode, days, store: self.store, histories, planted, traces: false }
    }

    /// What has to be said again to play the same.
    fn flags(&self) -> String {
        let mut flags = String::new();
        if let Some(mode) = self.mode {
            flags += &format!(" --mode {}", mode.name());
        }
        if let Some(days) = self.days {
            flags += &format!(" --days {days}");
        }
        match self.store {
            StoreKind::Memory => {}
            StoreKind::Sqlite => flags += " --store sqlite",
            StoreKind::DynamoDb => flags += " --store dynamodb",
        }
        if self.histories {
            flags += " --histories";
        }
        flags
    }
}
