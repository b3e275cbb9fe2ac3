//! What leaves this process: results on standard output, words for people on standard error.
//!
//! The only place that writes to either. A reader that has gone (`fitferry activities | head`) is no
//! error. Not here: what is said (`commands`, `tables`, `document`), logs (`logging`).

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use fitferry_app::error::{CommandError, Kind};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use crate::args::Color;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Sets for this process when there is colour; without a word from the person, terminals and `NO_COLOR`
/// decide.
pub fn set_color(color: Color) {
    match color {
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// Standard output: tables for people, one JSON document for programs.
#[derive(Debug, Default)]
pub struct Out {
    has_document: AtomicBool,
}

impl Out {
    /// Lines for people; nothing is printed where there are none.
    pub fn text(&self, text: &str) -> Result<(), CommandError> {
        if text.is_empty() {
            return Ok(());
        }
        write_out(&format!("{text}\n"))
    }

    /// The one document of a command; indented where a person looks on.
    pub fn json(&self, document: &Value) -> Result<(), CommandError> {
        let is_second = self.has_document.swap(true, Ordering::Relaxed);
        debug_assert!(!is_second, "a command prints one document");
        let text =
            if io::stdout().is_terminal() { format!("{document:#}\n") } else { format!("{document}\n") };
        write_out(&text)
    }

    /// One of several documents, each on its line, as `watch` prints them.
    pub fn json_line(&self, document: &Value) -> Result<(), CommandError> {
        self.has_document.store(true, Ordering::Relaxed);
        write_out(&format!("{document}\n"))
    }

    /// Whether a document has been printed, so that an error needs none of its own.
    pub fn has_document(&self) -> bool {
        self.has_document.load(Ordering::Relaxed)
    }
}

fn write_out(text: &str) -> Result<(), CommandError> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let help =
                "Check where the output goes: the disk may be full. `fitferry status` shows what was done";
            Err(CommandError::new(Kind::File, "cannot write to standard output", help)
                .caused_by(error.to_string()))
        }
        _ => Ok(()),
    }
}

/// Standard error: words for people. With `-q` only errors.
#[derive(Debug, Default)]
pub struct Say {
    quiet: bool,
    spinner: Mutex<Option<ProgressBar>>,
}

impl Say {
    pub fn new(quiet: bool) -> Say {
        Say { quiet, spinner: Mutex::new(None) }
    }

    pub fn line(&self, text: &str) {
        if !self.quiet {
            self.write(text);
        }
    }

    /// Said with `-q` too: without it the command cannot go on.
    pub fn needed(&self, text: &str) {
        self.write(text);
    }

    pub fn warning(&self, text: &str) {
        if !self.quiet {
            self.write(&format!("{WARNING}warning:{WARNING:#} {text}"));
        }
    }

    /// Always said. `error:`, a `cause:` for each source, a blank line, `help:`.
    pub fn error(&self, error: &CommandError) {
        self.write(&Shown(error).to_string());
    }

    /// A question without a line end; the answer is typed behind it.
    pub fn question(&self, text: &str) {
        write_err(&format!("{text} "));
    }

    /// Something that turns on a terminal while we wait, shown once it takes longer than a second. `None`
    /// where nobody looks on. The caller ends it.
    pub fn spinner(&self) -> Option<ProgressBar> {
        if self.quiet || !io::stderr().is_terminal() {
            return None;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {wide_msg}") {
            bar.set_style(style);
        }
        let late = bar.clone();
        // Within a runtime, as every command is.
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if !late.is_finished() {
                late.set_draw_target(ProgressDrawTarget::stderr());
                late.enable_steady_tick(Duration::from_millis(120));
            }
        });
        if let Ok(mut spinner) = self.spinner.lock() {
            *spinner = Some(bar.clone());
        }
        Some(bar)
    }

    /// A bar for long work that says how far it is, shown at once. `None` where nobody looks on. The caller ends it.
    pub fn bar(&self) -> Option<ProgressBar> {
        if self.quiet || !io::stderr().is_terminal() {
            return None;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {prefix}{wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        if let Ok(mut spinner) = self.spinner.lock() {
            *spinner = Some(bar.clone());
        }
        Some(bar)
    }

    /// Gives a bar its length, once that is known.
    pub fn measure(bar: &ProgressBar, length: u64) {
        if bar.length() == Some(length) {
            return;
        }
        bar.set_length(length);
        let template = "{spinner:.cyan} {bar:24.cyan} {human_pos}/{human_len} {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
    }

    fn write(&self, text: &str) {
        let text = format!("{text}\n");
        let spinner = self.spinner.lock().ok().and_then(|spinner| spinner.clone());
        match spinner.filter(|bar| !bar.is_finished()) {
            Some(bar) => bar.suspend(|| write_err(&text)),
            None => write_err(&text),
        }
    }
}

/// A count with its thousands apart.
pub fn thousands(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}

fn write_err(text: &str) {
    let mut stderr = anstream::stderr().lock();
    // There is nobody to tell that nobody can be told.
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// Prints what clap says: help and version are results, everything else is not.
pub fn clap_text(error: &clap::Error) -> Result<(), CommandError> {
    let text = error.render().ansi().to_string();
    if error.use_stderr() {
        write_err(&text);
        return Ok(());
    }
    write_out(&text)
}

/// An error as people read it.
struct Shown<'a>(&'a CommandError);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ERROR}error:{ERROR:#} {}", self.0)?;
        for cause in self.0.causes() {
            write!(f, "\n{ERROR}cause:{ERROR:#} {cause}")?;
        }
        write!(f, "\n\n{HINT}help:{HINT:#} {}", self.0.help())
    }
}
