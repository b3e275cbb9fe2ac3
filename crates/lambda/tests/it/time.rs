//! A story's time: the machine's, which a story may move on for the bootstrap and the services together.
//!
//! The bootstrap's clock is shifted from outside, with `faketime`; only its calendar, for an environment that
//! sleeps between two events keeps its own count of the time that it was awake.

use std::path::PathBuf;
use std::process::Command;

use fitferry_sandbox::Clock;
use jiff::{SignedDuration, Timestamp};

pub struct Time {
    clock: Clock,
    /// How far the bootstrap's clock is ahead; `None`: it is the machine's.
    file: Option<PathBuf>,
}

impl Time {
    pub fn of_the_machine(clock: Clock) -> Time {
        Time { clock, file: None }
    }

    /// One that a story moves.
    pub fn shifted(clock: Clock, file: PathBuf) -> Time {
        let time = Time { clock, file: Some(file) };
        time.write();
        time
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// So much time goes by for everybody.
    pub fn pass(&self, span: SignedDuration) {
        assert!(self.file.is_some(), "this story's time is the machine's");
        self.clock.shift(span);
        self.write();
    }

    fn write(&self) {
        let ahead = self.clock.now().duration_since(Timestamp::now());
        if let Some(file) = &self.file {
            // Renamed into place: the bootstrap reads it at each look at the clock.
            let new = file.with_extension("new");
            std::fs::write(&new, format!("+{:.3}\n", ahead.as_secs_f64().max(0.0))).expect("writable");
            std::fs::rename(&new, file).expect("the folder is writable");
        }
    }

    /// What the bootstrap needs to live in this time.
    pub fn variables(&self) -> Vec<(String, String)> {
        let Some(file) = &self.file else { return Vec::new() };
        let preload = Command::new("faketime").args(["-m", "-f", "+0", "printenv", "LD_PRELOAD"]).output();
        let preload = preload.expect("the tools were looked for before").stdout;
        let preload = String::from_utf8(preload).expect("a path").trim().to_owned();
        [
            ("LD_PRELOAD", preload),
            ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec()
    }
}
