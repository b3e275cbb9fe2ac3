//! A story's time: the machine's, which a story may move on for the bootstrap and the services together.
//!
//! The bootstrap's clock is shifted from outside, with `faketime`; only its calendar, for an environment that
//! sleeps between two events keeps its own count of the time that it was awake.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use fitferry_sandbox::Clock;
use jiff::{SignedDuration, Timestamp};
use nix::unistd::Pid;

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
        [
            ("LD_PRELOAD", library().to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec()
    }
}

/// What `faketime` lets the linker load.
///
/// It refuses to work where its own process id is one of a process that was killed under it before, here or in
/// another suite: what that one shared lies around still. The next process has another id.
fn library() -> &'static str {
    static FOUND: OnceLock<String> = OnceLock::new();
    const TRIES: usize = 100;
    let ask = || Command::new("faketime").args(["-m", "-f", "+0", "printenv", "LD_PRELOAD"]).output();
    FOUND.get_or_init(|| {
        for _ in 0..TRIES {
            let output = ask().expect("the tools were looked for before");
            let told = String::from_utf8(output.stdout).expect("a path");
            if output.status.success() && told.contains("libfaketime") {
                return told.trim().to_owned();
            }
        }
        panic!("`faketime` says {:?}, time and again", ask());
    })
}

/// What a process that was killed in a shifted time has left in the machine's memory.
pub fn clear_after(pid: Pid) {
    for name in [format!("faketime_shm_{pid}"), format!("sem.faketime_sem_{pid}")] {
        // There is none where its time was the machine's.
        let _ = std::fs::remove_file(Path::new("/dev/shm").join(name));
    }
}
