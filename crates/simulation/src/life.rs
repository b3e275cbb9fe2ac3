//! The athlete's life: what is recorded, when it reaches Garmin, what else ends up on Strava, and what is true of
//! all of it.
//!
//! What really happened (a run, a ride) has a number, and every trace of it bears that number, on Garmin and on
//! Strava. So what is the same is known here, and not worked out by the rules that are under test.

mod happen;
mod prepare;
mod recording;

use std::collections::{BTreeMap, BTreeSet};

use fitferry_core::activity::GarminId;
use fitferry_sandbox::garmin::GarminActivity;
use fitferry_sandbox::strava::{Origin, StravaActivity};
use jiff::{SignedDuration, Timestamp};

use crate::dice::{Dice, Stream};

pub(crate) use happen::{arrive, happen, shift};
pub(crate) use prepare::{prepare, prepare_calm};

/// What makes a recording hard to carry, beside what its parcel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curse {
    None,
    /// Its download kills the process, every time.
    Poison,
    /// Its download is not answered until then; `None`: never.
    Silent(Option<Timestamp>),
}

/// Something that was recorded, on its way to Garmin.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    /// What really happened.
    pub(crate) deed: u64,
    pub(crate) activity: GarminActivity,
    pub(crate) curse: Curse,
    /// What the file says of its start.
    pub(crate) start: Timestamp,
    /// Another activity of the same start is on Strava, much shorter.
    pub(crate) decoy: bool,
    /// A person or another tool puts it on Strava as well.
    pub(crate) is_copied: bool,
}

/// What is true of an activity of Garmin's.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) deed: u64,
    pub(crate) curse: Curse,
    /// Of its file, in hexadecimal.
    pub(crate) sha256: String,
    /// The list tells enough of it to recognise a copy by time and distance.
    pub(crate) is_matchable: bool,
    pub(crate) arrived: Timestamp,
    pub(crate) deleted: Option<Timestamp>,
    /// Downloads that Garmin answered badly about this very activity.
    pub(crate) bad_downloads: u64,
    /// Downloads that began and did not end, because the process did.
    pub(crate) deaths: u64,
    /// Uploads that Strava refused, or called a duplicate, or threw away.
    pub(crate) refusals: u64,
    pub(crate) duplicates_told: u64,
    pub(crate) uploads_received: u64,
    /// The person's word.
    pub(crate) told_to_skip: bool,
    /// A history took it up as something old.
    pub(crate) of_history: bool,
}

/// Everything that is true.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) dice: Dice,
    pub(crate) facts: BTreeMap<u64, Fact>,
    /// Which deed a file shows, by its hash.
    deeds_by_file: BTreeMap<String, u64>,
    /// Which deed an activity shows that was put on Strava by hand.
    deeds_by_hand: BTreeMap<u64, u64>,
    next_deed: u64,
    /// When something began: nobody is in two places at once.
    starts: BTreeSet<Timestamp>,
    pub(crate) absences: Vec<(Timestamp, Timestamp)>,
    pub(crate) others_used: bool,
    elapsed_max_s: u64,
}

impl Life {
    pub(crate) fn new(seed: u64) -> Life {
        Life {
            dice: Dice::new(seed, Stream::Life),
            facts: BTreeMap::new(),
            deeds_by_file: BTreeMap::new(),
            deeds_by_hand: BTreeMap::new(),
            next_deed: 1,
            starts: BTreeSet::new(),
            absences: Vec::new(),
            others_used: false,
            elapsed_max_s: 7_200,
        }
    }

    pub(crate) fn fact(&self, id: GarminId) -> Option<&Fact> {
        self.facts.get(&id.0)
    }

    pub(crate) fn fact_mut(&mut self, id: GarminId) -> Option<&mut Fact> {
        self.facts.get_mut(&id.0)
    }

    /// What an activity on Strava shows; `None` for what nobody recorded with a watch.
    pub(crate) fn deed_of(&self, activity: &StravaActivity) -> Option<u64> {
        match activity.origin {
            Origin::Upload(_) => self.deeds_by_file.get(activity.sha256.as_ref()?).copied(),
            Origin::GarminLink | Origin::Other => self.deeds_by_hand.get(&activity.id).copied(),
        }
    }

    /// Whether something else began within three hours.
    pub(crate) fn is_busy(&self, start: Timestamp) -> bool {
        let apart = SignedDuration::from_hours(3);
        self.starts.range(start - apart..start + apart).next().is_some()
    }

    /// A run as most are, in whole.
    pub(crate) fn usual(&mut self, start: Timestamp) -> Recording {
        let deed = self.new_deed();
        recording::usual(deed, start)
    }

    fn new_deed(&mut self) -> u64 {
        self.next_deed += 1;
        self.next_deed
    }
}
