//! `cargo xtask simulate`: the real engine in a simulated world, seed by seed (docs/reliability.md).

use std::io;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use fitferry_simulation::{Mode, Options, Outcome, Planted, Stats, StoreKind, play, replay};

/// What the command line asks for.
struct Asked {
    options: Options,
    first: u64,
    seeds: u64,
    jobs: usize,
    traces: bool,
    planted: Vec<Planted>,
}

pub(crate) const USAGE: &str = "\
usage: cargo xtask simulate [--seeds N] [--first S] [--days D] [--mode strict|wild]
                            [--store memory|sqlite] [--jobs J]
       cargo xtask simulate --seed S [--trace] [the same]
       cargo xtask simulate --planted all|NAME [--seeds N]

Plays seeds, each a life of 14 days (one in ten: 90), half of them strict and half wild. The first violation is
printed with its history, and ends the run. `--trace` prints the history of one seed whatever comes of it.
`--planted` plants a fault and tells which seed finds it.";

pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let asked = match Asked::read(arguments) {
        Ok(asked) => asked,
        Err(why) => {
            say(&mut io::stderr(), &format!("{why}\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    if asked.traces {
        return trace(&asked);
    }
    if !asked.planted.is_empty() {
        return find_planted(&asked);
    }
    many(&asked)
}

/// A line for the one who runs it; a closed pipe is no reason to fail.
fn say(to: &mut impl io::Write, line: &str) {
    writeln!(to, "{line}").ok();
}

fn trace(asked: &Asked) -> ExitCode {
    let outcome = replay(&Options { seed: asked.first, ..asked.options });
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
    let (next, is_over) = (AtomicU64::new(asked.first), AtomicBool::new(false));
    let total = Mutex::new((Stats::default(), 0_u64));
    let failed: Mutex<Option<Outcome>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..asked.jobs {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= asked.first + asked.seeds {
                        return;
                    }
                    let outcome = play(&Options { seed, ..asked.options });
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
    let (rate, jobs) = (played as f64 / took, asked.jobs as f64);
    let mut out = io::stdout().lock();
    say(
        &mut out,
        &format!("{played} seeds in {took:.1} s: {rate:.0} a second, {:.0} a second and job", rate / jobs),
    );
    for (name, count) in stats.all() {
        say(&mut out, &format!("  {count:>12} {}", name.replace('_', " ")));
    }
    let Some(outcome) = failed.lock().expect("all players have ended").take() else {
        say(&mut out, "no violation");
        return ExitCode::SUCCESS;
    };
    let replayed = replay(&Options { seed: outcome.seed, ..asked.options });
    let skipped = replayed.history.len().saturating_sub(LINES_BEFORE);
    for line in &replayed.history[skipped..] {
        say(&mut out, line);
    }
    say(&mut out, &summary(&outcome));
    let flags = asked.flags();
    say(&mut out, &format!("the whole history: cargo xtask simulate --seed {} --trace{flags}", outcome.seed));
    ExitCode::FAILURE
}

fn find_planted(asked: &Asked) -> ExitCode {
    let mut out = io::stdout().lock();
    let mut all_found = true;
    for planted in &asked.planted {
        let found = (asked.first..asked.first + asked.seeds).find_map(|seed| {
            let options = Options { seed, planted: Some(*planted), ..asked.options };
            play(&options).violation.map(|violation| (seed, violation))
        });
        let told = match &found {
            Some((seed, violation)) => format!("seed {seed}: {violation}"),
            None => format!("not found in {} seeds", asked.seeds),
        };
        all_found &= found.is_some();
        say(&mut out, &format!("{}: {}\n    {told}", planted.name(), planted.about()));
    }
    if all_found { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Asked {
    fn read(arguments: &[String]) -> Result<Asked, String> {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let mut asked = Asked {
            options: Options::default(),
            first: 0,
            seeds: 1_000,
            jobs,
            traces: false,
            planted: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} wants a value"));
            match argument.as_str() {
                "--seeds" => asked.seeds = number(argument, value()?)?,
                "--first" => asked.first = number(argument, value()?)?,
                "--seed" => (asked.first, asked.seeds) = (number(argument, value()?)?, 1),
                "--days" => asked.options.days = Some(number(argument, value()?)?),
                "--jobs" => asked.jobs = number(argument, value()?)?,
                "--trace" => asked.traces = true,
                "--mode" => {
                    asked.options.mode = Some(match value()?.as_str() {
                        "strict" => Mode::Strict,
                        "wild" => Mode::Wild,
                        other => return Err(format!("{other} is no mode")),
                    });
                }
                "--store" => {
                    asked.options.store = match value()?.as_str() {
                        "memory" => StoreKind::Memory,
                        "sqlite" => StoreKind::Sqlite,
                        other => return Err(format!("{other} is no store")),
                    };
                }
                "--planted" => {
                    let name = value()?;
                    asked.planted = match Planted::from_name(name) {
                        Some(planted) => vec![planted],
                        None if name == "all" => Planted::ALL.to_vec(),
                        None => return Err(format!("{name} is no fault that can be planted")),
                    };
                    // Nothing may cover a fault up.
                    asked.options.mode = Some(Mode::Strict);
                    asked.options.days.get_or_insert(14);
                }
                other => return Err(format!("{other} is not understood")),
            }
        }
        if asked.traces && asked.seeds != 1 {
            return Err("--trace wants --seed".to_owned());
        }
        if let (true, [planted]) = (asked.traces, asked.planted.as_slice()) {
            asked.options.planted = Some(*planted);
        }
        Ok(asked)
    }

    /// What has to be said again to play the same.
    fn flags(&self) -> String {
        let mut flags = String::new();
        if let Some(mode) = self.options.mode {
            flags += &format!(" --mode {}", mode.name());
        }
        if let Some(days) = self.options.days {
            flags += &format!(" --days {days}");
        }
        if self.options.store == StoreKind::Sqlite {
            flags += " --store sqlite";
        }
        flags
    }
}

fn number<N: std::str::FromStr>(name: &str, text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{name} wants a number, not {text}"))
}
