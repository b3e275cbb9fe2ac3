//! Somebody at a terminal: the real program under a pseudo-terminal, its questions awaited and answered.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use nix::sys::termios::{LocalFlags, tcgetattr};
use pty_process::blocking::{Command, Pty, open};

use crate::home::Home;

/// A story that hangs fails with what is on the screen.
const DEADLINE: Duration = Duration::from_secs(60);

/// A terminal with the program in it.
pub struct Terminal {
    child: Child,
    pty: Arc<Pty>,
    screen: Arc<Screen>,
    /// How much of the screen has been read.
    read: usize,
}

/// Everything that was shown, typed text that was echoed included.
#[derive(Default)]
struct Screen {
    text: Mutex<String>,
    grown: Condvar,
}

impl Terminal {
    /// Runs the program as [`Home::run`] does, at a terminal of its own.
    pub fn start(home: &Home, arguments: &[&str]) -> Terminal {
        let command = home.command(arguments);
        let (pty, pts) = open().expect("a pseudo-terminal");
        pty.resize(pty_process::Size::new(50, 120)).expect("it has a size");
        let child = Command::new(command.get_program())
            .args(command.get_args())
            .env_clear()
            .envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))))
            .env("TERM", "dumb")
            .spawn(pts)
            .expect("the program starts");
        let (pty, screen) = (Arc::new(pty), Arc::new(Screen::default()));
        let (reader, shown) = (pty.clone(), screen.clone());
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let mut part = [0; 4096];
            // The other end is closed once the program has ended.
            while let Ok(count @ 1..) = (&*reader).read(&mut part) {
                bytes.extend_from_slice(&part[..count]);
                let whole = match std::str::from_utf8(&bytes) {
                    Ok(text) => text.len(),
                    Err(error) => error.valid_up_to(),
                };
                let text: Vec<u8> = bytes.drain(..whole).collect();
                let text = String::from_utf8(text).expect("it was valid").replace('\r', "");
                shown.text.lock().expect("nobody panicked").push_str(&text);
                shown.grown.notify_all();
            }
        });
        Terminal { child, pty, screen, read: 0 }
    }

    /// Waits until this is shown; all that was shown since the last wait, up to and with it.
    pub fn until(&mut self, wanted: &str) -> String {
        let text = self.screen.text.lock().expect("nobody panicked");
        let is_missing = |text: &mut String| !text[self.read..].contains(wanted);
        let (text, timeout) =
            self.screen.grown.wait_timeout_while(text, DEADLINE, is_missing).expect("nobody panicked");
        assert!(!timeout.timed_out(), "{wanted:?} is not shown:\n{text}");
        let end = self.read + text[self.read..].find(wanted).expect("it is there") + wanted.len();
        let shown = text[self.read..end].to_owned();
        self.read = end;
        shown
    }

    /// Waits for a question and answers it.
    pub fn answer(&mut self, question: &str, answer: &str) -> String {
        let shown = self.until(question);
        self.line(answer);
        shown
    }

    /// Waits for a question whose answer is not to be seen, and answers it once nothing is shown any more.
    pub fn answer_unseen(&mut self, question: &str, answer: &str) {
        self.until(question);
        let begin = std::time::Instant::now();
        let echoes = || {
            let settings = tcgetattr(self.pty.as_fd()).expect("it is a terminal");
            settings.local_flags.contains(LocalFlags::ECHO)
        };
        while echoes() {
            assert!(begin.elapsed() < DEADLINE, "{question:?} is answered in sight");
            thread::yield_now();
        }
        self.line(answer);
    }

    pub fn line(&self, text: &str) {
        (&*self.pty).write_all(format!("{text}\n").as_bytes()).expect("the terminal is there");
    }

    /// Waits for the end; exit code and everything that was on the screen.
    pub fn end(mut self) -> (Option<i32>, String) {
        let begin = std::time::Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            if begin.elapsed() > DEADLINE {
                let _ = self.child.kill();
                panic!("it does not end:\n{}", self.screen.text.lock().expect("nobody panicked"));
            }
            thread::sleep(Duration::from_millis(2));
        };
        // The last words may still be on their way to the reader, which then ends and lets go of the terminal.
        while Arc::strong_count(&self.pty) > 1 && begin.elapsed() < DEADLINE {
            thread::sleep(Duration::from_millis(2));
        }
        (status.code(), self.screen.text.lock().expect("nobody panicked").clone())
    }
}
