//! What a [`Look`] keeps of each message.
//!
//! Numbers are taken as the device wrote them; a value that FIT calls invalid (all bits set) is `None`.
//! Nothing is guessed: a file without a session has no start, though its records have times.

use std::fmt;

use jiff::Timestamp;
use rustyfit::profile::mesgdef::{FileId, Session};
use rustyfit::profile::typedef::{File, MesgNum, Sport, SubSport};
use rustyfit::proto::{Message, Value};

use crate::Damage;

/// What a file says about itself. What could not be read is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// `Activity` if any segment is one, else the type of the first segment that has one.
    pub file_type: Option<FileType>,
    /// Of the first session: FIT's name (`running`), or the number where FIT's profile has no name for it.
    pub sport: Option<String>,
    /// Of the first session, named like `sport`.
    pub sub_sport: Option<String>,
    /// When the first session starts. `None` also if the device did not know the date.
    pub start: Option<Timestamp>,
    /// Of the first session, with all its breaks.
    pub elapsed_s: Option<f64>,
    /// Of the first session.
    pub distance_m: Option<f64>,
    /// Over all sessions that say it. Breaks between sessions do not count.
    pub total_elapsed_s: Option<f64>,
    /// Over all sessions that say it.
    pub total_distance_m: Option<f64>,
    /// How many sessions there are: more than one if the sport changes on the way.
    pub sessions: u32,
    /// Whether any message or session has a date. Strava refuses a file where none has.
    pub has_time: bool,
    /// The first thing found wrong; `None` if the file is whole.
    pub damage: Option<Damage>,
}

/// What kind of file it is; only activities go to Strava.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    Activity,
    /// A workout, a course, settings and so on, by FIT's number.
    Other(u8),
}

impl fmt::Display for FileType {
    /// FIT's name (`course`), or the number where FIT's profile has no name for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = match *self {
            FileType::Activity => File::ACTIVITY,
            FileType::Other(number) => File(number),
        };
        f.write_str(&name_or_number(file, file.0))
    }
}

impl Look {
    /// Remembers what is wrong, unless something is known already: the rest may only follow from it.
    pub(crate) fn note(&mut self, damage: Damage) {
        self.damage.get_or_insert(damage);
    }

    pub(crate) fn take(&mut self, message: &Message) {
        // In every message that has it, field 253 is the time.
        const TIMESTAMP: u8 = 253;
        self.has_time = self.has_time || date(message, TIMESTAMP).is_some();
        match message.num {
            MesgNum::FILE_ID => self.take_file_id(message),
            MesgNum::SESSION => self.take_session(message),
            _ => {}
        }
    }

    fn take_file_id(&mut self, message: &Message) {
        let file_type = match small(message, FileId::TYPE) {
            Some(number) if File(number) == File::ACTIVITY => FileType::Activity,
            Some(number) => FileType::Other(number),
            None => return,
        };
        if self.file_type.is_none() || file_type == FileType::Activity {
            self.file_type = Some(file_type);
        }
    }

    fn take_session(&mut self, message: &Message) {
        let start = date(message, Session::START_TIME);
        let elapsed_s = scaled(message, Session::TOTAL_ELAPSED_TIME, 1000.0);
        let distance_m = scaled(message, Session::TOTAL_DISTANCE, 100.0);
        if self.sessions == 0 {
            self.sport = small(message, Session::SPORT).map(|n| name_or_number(Sport(n), n));
            self.sub_sport = small(message, Session::SUB_SPORT).map(|n| name_or_number(SubSport(n), n));
            self.start = start;
            self.elapsed_s = elapsed_s;
            self.distance_m = distance_m;
        }
        add(&mut self.total_elapsed_s, elapsed_s);
        add(&mut self.total_distance_m, distance_m);
        self.has_time = self.has_time || start.is_some();
        self.sessions = self.sessions.saturating_add(1);
    }
}

fn add(total: &mut Option<f64>, part: Option<f64>) {
    if let Some(part) = part {
        *total = Some(total.unwrap_or(0.0) + part);
    }
}

fn value(message: &Message, number: u8) -> Option<&Value> {
    message.fields.iter().find(|field| field.num == number).map(|field| &field.value)
}

fn small(message: &Message, number: u8) -> Option<u8> {
    match value(message, number) {
        Some(&Value::Uint8(raw)) if raw != u8::MAX => Some(raw),
        _ => None,
    }
}

fn large(message: &Message, number: u8) -> Option<u32> {
    match value(message, number) {
        Some(&Value::Uint32(raw)) if raw != u32::MAX => Some(raw),
        _ => None,
    }
}

fn scaled(message: &Message, number: u8, per_unit: f64) -> Option<f64> {
    large(message, number).map(|raw| f64::from(raw) / per_unit)
}

/// FIT counts seconds since the end of 1989. Values below `DATES_FROM` count from the moment the device
/// was switched on, which is no date.
fn date(message: &Message, number: u8) -> Option<Timestamp> {
    const EPOCH_UNIX_SECONDS: i64 = 631_065_600;
    const DATES_FROM: u32 = 0x1000_0000;
    let raw = large(message, number).filter(|&raw| raw >= DATES_FROM)?;
    Timestamp::from_second(EPOCH_UNIX_SECONDS + i64::from(raw)).ok()
}

/// `rustyfit` shows a number that the profile does not name as `Sport(99)`; that becomes `99`.
fn name_or_number(named: impl fmt::Display, number: u8) -> String {
    let name = named.to_string();
    if name.ends_with(')') { number.to_string() } else { name }
}
