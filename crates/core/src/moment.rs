//! Moments that stay within what a timestamp can hold: waits come from configurations and other people's
//! answers, and none of them may end a run.

use jiff::{SignedDuration, Timestamp};

/// That much after a moment, or the last moment there is.
pub fn later(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// That much before a moment, or the first moment there is.
pub fn earlier(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.saturating_sub(by).unwrap_or(Timestamp::MIN)
}
