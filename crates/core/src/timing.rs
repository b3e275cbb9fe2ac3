//! `[timing]`: the waits of the engine, in one place, so that tests can scale them.

use jiff::SignedDuration;

/// Every wait that the rules of the engine name. Defaults are the contract's.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// Between two requests to Garmin.
    pub garmin_spacing: SignedDuration,
    /// From the last upload to the first look; the next ones scale with it.
    pub first_confirm: SignedDuration,
    /// How long a tick goes on looking for what it uploaded.
    pub settle: SignedDuration,
    /// From the intent to the first byte.
    pub send_within: SignedDuration,
    pub upload_timeout: SignedDuration,
    pub doubt: SignedDuration,
    pub doubt_looks: SignedDuration,
    /// The first step of the ladders; all ladders and pauses scale with it.
    pub retry_base: SignedDuration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            garmin_spacing: SignedDuration::from_secs(2),
            first_confirm: SignedDuration::from_secs(3),
            settle: SignedDuration::from_secs(60),
            send_within: SignedDuration::from_secs(20),
            upload_timeout: SignedDuration::from_secs(60),
            doubt: SignedDuration::from_mins(15),
            doubt_looks: SignedDuration::from_mins(2),
            retry_base: SignedDuration::from_mins(2),
        }
    }
}

impl Timing {
    /// A wait of the rules, scaled as `retry_base` is to its default of two minutes.
    pub fn scaled(&self, wait: SignedDuration) -> SignedDuration {
        let factor = self.retry_base.as_secs_f64() / 120.0;
        SignedDuration::try_from_secs_f64(wait.as_secs_f64() * factor).unwrap_or(wait)
    }

    /// After a failed download, and after a look that did not settle an upload: 2, 10, 60 min, 6 h, then
    /// 24 h for good. `step` counts from 0.
    pub fn ladder(&self, step: u32) -> SignedDuration {
        const MINUTES: [i64; 5] = [2, 10, 60, 6 * 60, 24 * 60];
        self.rung(&MINUTES, step)
    }

    /// How many rungs the ladder of downloads has before the activity ends.
    pub const DOWNLOAD_RUNGS: u32 = 5;

    /// The pause of a service that is down or refuses: 1, 2, 5, 15 min.
    pub fn pause(&self, step: u32) -> SignedDuration {
        const MINUTES: [i64; 4] = [1, 2, 5, 15];
        self.rung(&MINUTES, step)
    }

    /// Between two sends that Strava answered with a 5xx: 15 min, 1, 6, 24 h.
    pub fn resend_after_5xx(&self, step: u32) -> SignedDuration {
        const MINUTES: [i64; 4] = [15, 60, 6 * 60, 24 * 60];
        self.rung(&MINUTES, step)
    }

    fn rung(&self, minutes: &[i64], step: u32) -> SignedDuration {
        let index = usize::try_from(step).unwrap_or(usize::MAX).min(minutes.len() - 1);
        self.scaled(SignedDuration::from_mins(minutes[index]))
    }

    /// When a tick looks for what it uploaded, counted from its last upload: after 3 s, then after 5, 10,
    /// 20 s more, scaled with `first_confirm`, and only within `settle`.
    pub fn looks(&self) -> Vec<SignedDuration> {
        let unit = self.first_confirm.as_secs_f64() / 3.0;
        let mut at = 0.0;
        [3.0, 5.0, 10.0, 20.0]
            .iter()
            .filter_map(|wait| {
                at += wait * unit;
                SignedDuration::try_from_secs_f64(at).ok()
            })
            .filter(|at| *at <= self.settle)
            .collect()
    }

    /// Within 30 minutes of a `find` an upload may start (*Fresh eyes*).
    pub fn fresh() -> SignedDuration {
        SignedDuration::from_mins(30)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ladders_scale_with_retry_base_and_end_on_their_last_rung() {
        let default = Timing::default();
        assert_eq!(default.ladder(0), SignedDuration::from_mins(2));
        assert_eq!(default.ladder(99), SignedDuration::from_hours(24));
        let scaled = Timing { retry_base: SignedDuration::from_secs(2), ..Timing::default() };
        assert_eq!(scaled.ladder(1), SignedDuration::from_secs(10));
        assert_eq!(scaled.pause(0), SignedDuration::from_secs(1));
    }

    #[test]
    fn the_looks_after_an_upload_are_at_3_8_18_and_38_seconds() {
        let seconds: Vec<i64> = Timing::default().looks().iter().map(SignedDuration::as_secs).collect();
        assert_eq!(seconds, [3, 8, 18, 38]);
        let short = Timing { settle: SignedDuration::from_secs(10), ..Timing::default() };
        assert_eq!(short.looks().len(), 2);
    }
}
