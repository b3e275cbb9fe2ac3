//! The real engine in a simulated world: proof that it keeps its word, seed by seed.
//!
//! [`fitferry_core::engine::tick`] runs as it does in life, through doors of its own, over the sandbox's world model
//! and over maps that behave as its stores do. Time is virtual and jumps to the next thing that is due. One seed
//! decides everything: how often somebody runs, what is recorded and when it reaches Garmin, what the services do,
//! which answers are lost, where a process dies. The same seed gives the same history, event by event.
//!
//! After every step the seven things that must never happen are looked for (`oracle`); at the end faults stop, the
//! world is given time, and everything must have come to its end.
//!
//! ```no_run
//! use fitferry_simulation::{Options, play};
//!
//! let outcome = play(&Options { seed: 7, ..Options::default() });
//! assert_eq!(outcome.violation, None);
//! ```
//!
//! Not here: the clients' HTTP and the stores' SQL. Of the clients the doors (`garmin`, `strava`) repeat what matters
//! to the engine; the stores' own code can be put underneath ([`StoreKind::Sqlite`]).

mod dice;
mod drive;
mod dynamo;
mod events;
mod garmin;
mod life;
mod login;
mod measure;
mod memory;
mod oracle;
mod outcome;
mod plan;
mod planted;
mod process;
mod scene;
mod store;
mod strava;
mod trip;

pub use measure::{Measured, measure_backfill, measure_naive};
pub use outcome::{Law, Outcome, Stats, Violation};
pub use plan::{Mode, StoreKind};
pub use planted::Planted;

/// What to play.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub seed: u64,
    /// `None`: even seeds are strict, odd ones wild.
    pub mode: Option<Mode>,
    /// `None`: 14 days, and 90 in one seed of ten.
    pub days: Option<i64>,
    pub store: StoreKind,
    /// A person carries the past over in every life, and not in one of eight.
    pub histories: bool,
    pub planted: Option<Planted>,
    /// Keep the history for people.
    pub traces: bool,
}

/// Plays one seed to its end, or to the first violation.
pub fn play(options: &Options) -> Outcome {
    let plan = plan::Plan::of(options);
    planted::in_force(options.planted, || drive::Drive::new(plan, options.planted, options.traces).play())
}

/// Plays a seed again, with its history.
pub fn replay(options: &Options) -> Outcome {
    play(&Options { traces: true, ..*options })
}
