//! What happens by itself, at its moment.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fitferry_core::ports::Service;
use fitferry_sandbox::strava::NewUpload;
use fitferry_sandbox::{Route, What};
use jiff::Timestamp;

use crate::life::Recording;

#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// Garmin's list shows it from here on.
    Arrive(Box<Recording>),
    /// Somebody gives one of the newest activities another title, or deletes one.
    Rename,
    DeleteOnGarmin,
    /// Garmin's own link, or a person with another tool, puts an activity of Garmin's on Strava.
    Copy {
        garmin_id: u64,
        by_link: bool,
    },
    /// The athlete deletes one of ours on Strava.
    DeleteOnStrava,
    /// The athlete lets nobody in any more, and signs in again some day.
    Revoke(Service),
    SignIn(Service),
    /// Another tool uses the Strava app.
    OthersUse,
    AppActive(bool),
    /// `fitferry retry` or `fitferry skip` of some activity.
    Word,
    Outage {
        route: Route,
        until: Timestamp,
        what: What,
    },
    /// A request that left before its process died.
    Straggler(InFlight),
    /// SIGTERM.
    Stop(usize),
    /// From here on nothing goes wrong any more.
    Heal,
}

/// A request whose bytes are on their way, whatever becomes of the process.
#[derive(Clone, Debug)]
pub(crate) enum InFlight {
    Upload { runner: usize, bearer: String, new: Box<NewUpload> },
    StravaRefresh { refresh_token: String },
    GarminRefresh { refresh_token: String, client_id: String },
}

/// Events by their time, those of one moment in the order in which they were planned.
#[derive(Debug, Default)]
pub(crate) struct Events {
    heap: BinaryHeap<Reverse<(Timestamp, u64)>>,
    waiting: std::collections::BTreeMap<u64, Event>,
    planned: u64,
}

impl Events {
    pub(crate) fn push(&mut self, at: Timestamp, event: Event) {
        self.planned += 1;
        self.heap.push(Reverse((at, self.planned)));
        self.waiting.insert(self.planned, event);
    }

    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        let Reverse((_, number)) = self.heap.pop()?;
        self.waiting.remove(&number)
    }
}
