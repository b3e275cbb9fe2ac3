//! Where a value was written, and what is wrong with it.

use std::fmt;
use std::path::PathBuf;

use fitferry_core::plain::steers;

/// Where a person wrote something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the file; lines and columns count from 1.
    Line {
        file: PathBuf,
        line: usize,
        column: usize,
    },
    /// The file as a whole.
    File(PathBuf),
    Variable(String),
    Flag(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line { file, line, column } => write!(f, "{}:{line}:{column}", file.display()),
            Place::File(file) => write!(f, "{}", file.display()),
            Place::Variable(name) => f.write_str(&shown(name)),
            Place::Flag(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong with the configuration, and its cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    pub message: String,
    pub help: String,
}

impl Problem {
    pub fn new(place: Place, message: impl Into<String>, help: impl Into<String>) -> Problem {
        Problem { place, message: shown(&message.into()), help: shown(&help.into()) }
    }
}

/// What was written may be anything; what is told of it is short, and stands still on a screen.
fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 300;
    let escaped = text.chars().flat_map(|c| {
        let (as_it_is, escaped) = if steers(c) { (None, Some(c.escape_default())) } else { (Some(c), None) };
        as_it_is.into_iter().chain(escaped.into_iter().flatten())
    });
    let mut short: String = escaped.take(CHARS_MAX).collect();
    if short.chars().count() == CHARS_MAX {
        short.push('…');
    }
    short
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Where a value that is in force comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File(Place),
    /// The athlete's own section of the file.
    Athlete(Place),
    Variable(String),
    Flag(&'static str),
}

impl Origin {
    /// For programs: which layer.
    pub fn key(&self) -> &'static str {
        match self {
            Origin::Default => "default",
            Origin::File(_) => "file",
            Origin::Athlete(_) => "athlete",
            Origin::Variable(_) => "variable",
            Origin::Flag(_) => "flag",
        }
    }

    /// Where exactly; `None` for defaults.
    pub fn place(&self) -> Option<String> {
        match self {
            Origin::Default => None,
            Origin::File(place) | Origin::Athlete(place) => Some(place.to_string()),
            Origin::Variable(name) => Some(name.clone()),
            Origin::Flag(name) => Some((*name).to_owned()),
        }
    }
}

/// For the table of `config show`: short enough for its column.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(Place::Line { line, .. }) => write!(f, "file, line {line}"),
            Origin::Athlete(Place::Line { line, .. }) => write!(f, "athlete's section, line {line}"),
            Origin::Variable(name) => f.write_str(name),
            Origin::Flag(name) => f.write_str(name),
            origin => f.write_str(origin.key()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_was_written_is_told_in_one_short_line_that_steers_no_screen() {
        let name = format!("FITFERRY_X\n\u{1b}[2J\u{202e}{}", "\u{18}".repeat(1 << 20));
        let place = Place::Variable(name.clone());
        let problem = Problem::new(place, format!("{name} is unknown"), name);
        for text in [problem.to_string(), problem.help] {
            assert!(text.contains("FITFERRY_X\\n\\u{1b}[2J\\u{202e}"), "{text}");
            assert!(text.chars().count() <= 610 && !text.chars().any(steers), "{text}");
        }
    }
}
