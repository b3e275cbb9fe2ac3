//! What Strava makes of an upload, decided when it arrives.

use fitferry_sandbox::strava::{self, Plan, PlanFor, PlannedEnd};
use jiff::SignedDuration;

use crate::dice::{hours, mins, ms, secs};
use crate::scene::State;

impl State {
    /// What is going to become of an upload that arrives now: how long Strava takes, and how it ends.
    pub(crate) fn plan_upload(&mut self, external_id: &str) {
        let strict = self.plan.is_strict();
        let dice = &mut self.network;
        let usual = dice.long_tail(secs(1), secs(20));
        if self.plan.is_calm {
            let (processing, list_lag) = (Some(usual), Some(dice.long_tail(ms(100), mins(2))));
            let end = PlannedEnd::Natural;
            self.world.strava.plans = vec![Plan { who: PlanFor::Every, processing, list_lag, end }];
            return;
        }
        let (processing, list_lag) = match (dice.between(0, 9), strict) {
            (0..=6, _) => (usual, dice.long_tail(ms(100), secs(30))),
            (_, true) => {
                let processing = dice.long_tail(secs(1), mins(6));
                (processing, dice.span(SignedDuration::ZERO, crate::plan::SHOWN_WITHIN - mins(6)))
            }
            (_, false) => (dice.long_tail(secs(5), hours(40)), dice.long_tail(secs(1), hours(20))),
        };
        let end = match dice.between(0, 199) {
            0..=1 => PlannedEnd::Error("There was an error processing your activity.".to_owned()),
            2 => PlannedEnd::Discarded,
            3 if !strict => PlannedEnd::Pending,
            _ => self.known_otherwise(external_id).map_or(PlannedEnd::Natural, PlannedEnd::Error),
        };
        let (processing, list_lag) = (Some(processing), Some(list_lag));
        self.world.strava.plans = vec![Plan { who: PlanFor::Every, processing, list_lag, end }];
    }

    /// In a strict world Strava detects none of our uploads. What came by another way and is not listed yet it may
    /// still call a duplicate.
    fn known_otherwise(&mut self, external_id: &str) -> Option<String> {
        if !self.plan.is_strict() {
            return None;
        }
        let id = external_id.strip_prefix("garmin-")?.parse().ok()?;
        let deed = self.life.facts.get(&id)?.deed;
        let now = self.now;
        let other = self
            .world
            .strava
            .of_athlete(strava::ATHLETE)
            .find(|one| {
                !matches!(one.origin, strava::Origin::Upload(_))
                    && one.listed_from > now
                    && self.life.deed_of(one) == Some(deed)
            })
            .map(|one| one.id)?;
        self.network.chance(700).then(|| format!("{external_id}.fit duplicate of activity {other}"))
    }
}
