//! Looks into a FIT file: is it whole, is it an activity; when, what sport, how far.
//!
//! Two readers go over the same bytes. `segment` knows lengths and checksums and nothing else; it decides
//! whether the file is whole. `messages` decodes what stands between them with the crate `rustyfit`; what
//! it cannot decode is damage too, but never hides what was read before.
//!
//! [`look`] cannot fail. The bytes come from anybody's watch, so the worst file still gives a [`Look`]:
//! in time proportional to its length, and in memory that does not depend on what it claims.
//!
//! Not here: whether a damaged file is uploaded (`fitferry-core`), ZIP archives (`fitferry-garmin`), and
//! writing FIT (`fitferry-sandbox`).

mod damage;
mod messages;
mod segment;
mod summary;

pub use damage::Damage;
use messages::Messages;
use segment::Segment;
pub use summary::{FileType, Look};

/// Whether the bytes begin like a FIT file: a header of 12 or 14 bytes with `.FIT` in it.
pub fn is_fit(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(12 | 14)) && bytes.get(8..12) == Some(b".FIT")
}

/// Looks into a file, through all its segments.
pub fn look(bytes: &[u8]) -> Look {
    let mut look = Look::default();
    let mut messages = Messages::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let offset = bytes.len() - rest.len();
        let Some(segment) = Segment::first_of(rest) else {
            look.note(if offset == 0 { Damage::NoHeader } else { Damage::Trailing { bytes: rest.len() } });
            return look;
        };
        if let Some(damage) = segment.damage {
            look.note(damage);
        }
        if let Err(position) = messages.read(&segment, |message| look.take(message)) {
            look.note(Damage::Unreadable { offset: offset + position });
        }
        rest = segment.rest;
    }
    if bytes.is_empty() {
        look.note(Damage::Empty);
    }
    look
}
