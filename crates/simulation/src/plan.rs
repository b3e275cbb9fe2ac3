//! What one seed decides before anything happens: who runs, how often, against which services.

use fitferry_core::engine::{Hold, Settings, Since};
use fitferry_core::rules::Rules;
use fitferry_core::timing::Timing;
use fitferry_sandbox::strava::{Duplicates, Limits, PerWindow, Tell};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::Options;
use crate::dice::{Dice, Stream, days, hours, mins, secs};

/// What the services do about uploads that they know, and how slow anything may be (architecture, *The simulated
/// world*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Strava detects no upload of ours, processing and lag stay under 10 min, all scopes are granted, no process
    /// is frozen for longer than `doubt` between its last check and its first byte.
    Strict,
    /// Any delay; identical bytes or the same external id are detected.
    Wild,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Mode::Strict => "strict",
            Mode::Wild => "wild",
        }
    }
}

/// What durable things are kept in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreKind {
    /// Plain maps, with a lock or with leases that end.
    #[default]
    Memory,
    /// The store's own code over SQLite in memory, beside the maps: each answer is compared.
    Sqlite,
    /// The same over a DynamoDB within this process, by way of AWS's SDK.
    DynamoDb,
}

/// How runs keep out of each other's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaseKind {
    /// Freed when the process dies, as a lock of the operating system is.
    Lock,
    /// Ends at a moment, as a lease in a shared table does.
    Term,
}

/// How one runner works.
#[derive(Clone, Debug)]
pub(crate) struct RunnerPlan {
    pub(crate) period: SignedDuration,
    pub(crate) phase: SignedDuration,
    /// How long a tick may take; `None` for a run without a deadline.
    pub(crate) deadline: Option<SignedDuration>,
    /// One process for many ticks, and not one for each.
    pub(crate) is_daemon: bool,
    /// Our clock less the services'.
    pub(crate) skew: SignedDuration,
    /// It is no tick at all, but a person's `fitferry backfill`.
    pub(crate) history: Option<HistoryPlan>,
}

/// A history that a person brings over, beside the ticks.
#[derive(Clone, Debug)]
pub(crate) struct HistoryPlan {
    /// When the person sets it off.
    pub(crate) begins: Vec<Timestamp>,
    /// So long after one that died or was stopped it is set off again.
    pub(crate) again: SignedDuration,
    pub(crate) from: Date,
    /// How often its own everyday tick comes.
    pub(crate) every: SignedDuration,
}

/// Which of Garmin's two APIs the login is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GarminLogin {
    Key,
    Pair,
}

/// How often things go wrong, of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    /// A request that never arrives, and one whose answer never does.
    pub(crate) lost_before: u64,
    pub(crate) lost_after: u64,
    /// A request that takes its time.
    pub(crate) slow: u64,
    /// A process that dies, or is frozen, within one tick that has work.
    pub(crate) crash: u64,
    pub(crate) freeze: u64,
    /// A tick that is told to stop.
    pub(crate) stop: u64,
    /// A page of Garmin's list before which the list shifts.
    pub(crate) shift: u64,
}

/// What a life has beside the usual, so that the rare meets the rare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Story {
    None,
    /// A watch from a drawer brings dozens of old recordings at once, while the list shifts now and then.
    OldWatch,
    /// A person signs in anew several times a day, while processes are frozen just as a new token has come.
    NewLogins,
    /// Another tool uses up the Strava app's requests time and again, and processes die on it.
    CrowdedApp,
    /// Many short activities, then days without any and without a machine, in which some of the last ones are
    /// synced: far behind the newest page, and longer ago than the look-back.
    Gap,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) mode: Mode,
    pub(crate) days: i64,
    pub(crate) begin: Timestamp,
    pub(crate) settings: Settings,
    pub(crate) runners: Vec<RunnerPlan>,
    pub(crate) lease: LeaseKind,
    pub(crate) store: StoreKind,
    pub(crate) garmin_login: GarminLogin,
    /// Strava shows what only the athlete may see.
    pub(crate) sees_private: bool,
    pub(crate) limits: Limits,
    /// Items of one page of Strava's list; smaller than in life, so that a look has several.
    pub(crate) page_items: u64,
    pub(crate) short_pages: bool,
    pub(crate) duplicates: Duplicates,
    pub(crate) tell: Tell,
    pub(crate) hide_starts: bool,
    /// *Garmin's own link*, with its usual delay.
    pub(crate) link: Option<SignedDuration>,
    /// Activities per hundred days, and how many there were before.
    pub(crate) per_hundred_days: u64,
    pub(crate) backlog: u64,
    pub(crate) story: Story,
    pub(crate) rates: Rates,
    /// Strava is well, too: it processes within seconds, lists within two minutes and makes something of every file.
    pub(crate) is_calm: bool,
}

/// All worlds begin on a Wednesday.
const BEGIN: i64 = 1_795_003_200;

impl Plan {
    pub(crate) fn of(options: &Options) -> Plan {
        let Options { seed, mode, days: days_given, store, .. } = *options;
        let mut dice = Dice::new(seed, Stream::Plan);
        let mode = mode.unwrap_or(if seed.is_multiple_of(2) { Mode::Strict } else { Mode::Wild });
        let is_long = (seed / 2).is_multiple_of(10);
        let days_long = days_given.unwrap_or(if is_long { 90 } else { 14 });
        let begin = Timestamp::from_second(BEGIN).unwrap_or_default() + dice.span(secs(0), days(7));
        let wild = mode == Mode::Wild;
        // The dice are the same over each store, so that the seeds are the same lives.
        let lease = dice.pick(&[LeaseKind::Lock, LeaseKind::Term, LeaseKind::Term]);
        let lease = match store {
            StoreKind::Memory => lease,
            StoreKind::Sqlite => LeaseKind::Lock,
            StoreKind::DynamoDb => LeaseKind::Term,
        };
        let mut settings = settings(&mut dice, begin);
        let story = match dice.between(0, 99) {
            0..=9 => Story::OldWatch,
            // Its many activities belong to a short life.
            10..=12 if days_long <= 21 => Story::Gap,
            13..=15 => Story::NewLogins,
            16..=18 => Story::CrowdedApp,
            _ => Story::None,
        };
        let mut rates = rates(&mut dice);
        match story {
            Story::None => {}
            Story::OldWatch => rates.shift = 150,
            Story::NewLogins => rates.freeze = 40,
            Story::CrowdedApp => rates.crash = 300,
            Story::Gap => settings.lookback = days(1),
        }
        let runners = runners(&mut dice, lease, wild);
        let small = |dice: &mut Dice| {
            let quarter = u32::try_from(dice.between(12, 40)).unwrap_or(40);
            let window = |quarter: u32| PerWindow { quarter, day: quarter * 12 };
            Limits { overall: window(quarter * 2), read: window(quarter) }
        };
        let per_hundred_days: u64 = match dice.between(0, 99) {
            _ if story == Story::Gap => 1_600,
            _ if story == Story::CrowdedApp => 300,
            0..=2 => 800,
            3..=7 => 400,
            _ => dice.pick(&[20, 50, 80, 120, 200]),
        };
        // A look must fit into a window of the limits, as it does in life.
        let is_large = per_hundred_days >= 400 && days_long > 21;
        let has_small_limits = per_hundred_days <= 200 && dice.chance(300);
        let limits = match dice.between(0, 9) {
            _ if has_small_limits => small(&mut dice),
            0..=6 => Limits::NEW_APP,
            _ => Limits::UPGRADED,
        };
        let mut plan = Plan {
            seed,
            mode,
            days: days_long,
            begin,
            settings,
            runners,
            lease,
            store,
            garmin_login: dice.pick(&[GarminLogin::Key, GarminLogin::Pair]),
            sees_private: !(wild && dice.chance(150)),
            limits,
            page_items: if has_small_limits {
                dice.pick(&[100, 200])
            } else if is_large {
                dice.pick(&[80, 120, 200])
            } else {
                dice.pick(&[8, 12, 40, 200])
            },
            short_pages: dice.chance(400),
            duplicates: match (wild, dice.chance(400)) {
                (false, _) => Duplicates::NONE,
                (true, false) => Duplicates::LIKELY,
                (true, true) => Duplicates::ALL,
            },
            tell: dice.pick(&[Tell::AtPoll, Tell::AtPoll, Tell::AtPost201, Tell::AtPost400]),
            hide_starts: wild && dice.chance(150),
            link: dice.chance(250).then(|| dice.long_tail(mins(1), mins(20))),
            per_hundred_days,
            backlog: if dice.chance(80) { 90 } else { dice.pick(&[0, 0, 3, 10, 30]) },
            rates,
            story,
            is_calm: false,
        };
        plan.add_history(options.histories);
        plan
    }

    /// In one life of eight there is a past worth carrying, and a person who does; by dice of its own, so that the
    /// other lives know nothing of it.
    fn add_history(&mut self, everywhere: bool) {
        let mut dice = Dice::new(self.seed, Stream::History);
        let is_one = dice.chance(125);
        if !is_one && !everywhere {
            return;
        }
        self.backlog = self.backlog.max(dice.pick(&[30, 90, 150]));
        let whole = days(self.days);
        let mut begins: Vec<Timestamp> =
            (0..dice.between(1, 3)).map(|_| self.begin + dice.long_tail(mins(20), whole * 4 / 5)).collect();
        begins.sort();
        let from = self.begin - days(dice.pick(&[40, 150, 400]));
        self.runners.push(RunnerPlan {
            period: mins(1),
            phase: SignedDuration::ZERO,
            deadline: None,
            is_daemon: false,
            // On the first one's machine.
            skew: self.runners[0].skew,
            history: Some(HistoryPlan {
                begins,
                again: dice.long_tail(secs(20), hours(8)),
                from: jiff::tz::Offset::UTC.to_datetime(from).date(),
                every: mins(dice.pick(&[1, 5, 15])),
            }),
        });
    }

    /// Services as they are on a good day, default settings, and nothing that goes wrong; what starts on that day or
    /// later crosses by itself.
    pub(crate) fn calm(begin: Timestamp, days: i64) -> Plan {
        let today = jiff::tz::Offset::UTC.to_datetime(begin).date();
        Plan {
            seed: 1,
            mode: Mode::Strict,
            days,
            begin,
            settings: Settings {
                rules: Rules { types: vec!["running".to_owned()], rules: Vec::new() },
                since: Since::Day(today),
                lookback: self::days(30),
                sweep: hours(6),
                hold: Hold::Auto,
                timing: Timing::default(),
            },
            runners: vec![RunnerPlan {
                period: mins(1),
                phase: SignedDuration::ZERO,
                deadline: None,
                is_daemon: true,
                skew: SignedDuration::ZERO,
                history: None,
            }],
            lease: LeaseKind::Lock,
            store: StoreKind::Memory,
            garmin_login: GarminLogin::Key,
            sees_private: true,
            limits: Limits::NEW_APP,
            page_items: 200,
            short_pages: false,
            duplicates: Duplicates::LIKELY,
            tell: Tell::AtPoll,
            hide_starts: false,
            link: None,
            per_hundred_days: 0,
            backlog: 0,
            story: Story::None,
            rates: Rates::default(),
            is_calm: true,
        }
    }

    pub(crate) fn is_strict(&self) -> bool {
        self.mode == Mode::Strict
    }

    /// How long the longest activity lasts.
    pub(crate) fn elapsed_max_s(&self) -> u64 {
        if self.story == Story::Gap { 1_500 } else { 7_200 }
    }

    /// The days without any activity.
    pub(crate) fn gap(&self) -> Option<(Timestamp, Timestamp)> {
        let from = self.begin + days(6);
        (self.story == Story::Gap).then(|| (from, from + days(5)))
    }

    pub(crate) fn end(&self) -> Timestamp {
        self.begin + days(self.days)
    }
}

fn settings(dice: &mut Dice, begin: Timestamp) -> Settings {
    let day = |back: i64| jiff::tz::Offset::UTC.to_datetime(begin - days(back)).date();
    let since = match dice.between(0, 4) {
        0 => Since::Unset,
        1 | 2 => Since::Day(day(i64::try_from(dice.between(0, 60)).unwrap_or(0))),
        _ => Since::All,
    };
    let types: &[&str] = dice.pick(&[&["running"][..], &["running", "cycling"][..], &["*"][..]]);
    let timing = Timing {
        garmin_spacing: dice.pick(&[SignedDuration::ZERO, secs(2)]),
        settle: dice.pick(&[secs(60), secs(10)]),
        ..Timing::default()
    };
    Settings {
        rules: Rules { types: types.iter().map(|&key| key.to_owned()).collect(), rules: Vec::new() },
        since,
        lookback: dice.pick(&[days(1), days(2), days(7), days(30), days(30)]),
        sweep: dice.pick(&[hours(6), hours(12), hours(24)]),
        hold: dice.pick(&[Hold::Auto, Hold::Auto, Hold::For(SignedDuration::ZERO), Hold::For(mins(10))]),
        timing,
    }
}

fn runners(dice: &mut Dice, lease: LeaseKind, wild: bool) -> Vec<RunnerPlan> {
    let count = if dice.chance(400) { 2 } else { 1 };
    // Two machines that begin at the same second, as two crontabs do, or at any.
    let in_step = dice.chance(400);
    // Machines that share a store agree on the time; how far they are from the services is another matter.
    let skew = match dice.between(0, 3) {
        0 | 1 => SignedDuration::ZERO,
        2 => dice.span(secs(0), secs(120)) - secs(60),
        _ => dice.span(secs(0), hours(if wild { 26 } else { 4 })) - hours(if wild { 13 } else { 2 }),
    };
    let (mut period, mut phase) = (mins(1), secs(0));
    (0..count)
        .map(|index| {
            if index == 0 || !in_step {
                period = mins(dice.pick(&[1, 2, 5, 10, 20, 60]));
                phase = dice.span(secs(0), period);
            }
            RunnerPlan {
                period,
                phase: phase + dice.span(secs(0), secs(1)),
                deadline: (lease == LeaseKind::Term && dice.chance(500)).then(|| secs(50)),
                is_daemon: dice.chance(500),
                skew: if index == 0 { skew } else { skew + dice.span(secs(0), secs(4)) - secs(2) },
                history: None,
            }
        })
        .collect()
}

/// Some worlds are calm, most have some trouble, and a few have little else.
fn rates(dice: &mut Dice) -> Rates {
    let scale = dice.pick(&[0, 1, 1, 1, 3, 8]);
    Rates {
        lost_before: dice.between(0, 6) * scale,
        lost_after: dice.between(0, 6) * scale,
        slow: dice.between(0, 20) * scale,
        crash: dice.between(0, 80) * scale,
        freeze: dice.between(0, 10) * scale,
        stop: dice.between(0, 10) * scale,
        shift: dice.pick(&[0, 0, 10, 100]),
    }
}

/// The longest that a process of a strict world is frozen between its last check and its first byte.
pub(crate) const FROZEN_MAX: SignedDuration = mins(4);
/// The longest that processing and the list's lag take together in a strict world.
pub(crate) const SHOWN_WITHIN: SignedDuration = secs(570);
