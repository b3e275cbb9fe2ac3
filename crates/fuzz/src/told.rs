//! What may be told to a person, whoever wrote it first.

use fitferry_core::plain::steers;
use fitferry_core::ports::PortError;

/// Stands in inputs for what no text may repeat.
pub const SECRET: &str = "s3cr3tb3ar3r0f0n3p3rs0n1234567890";

/// A text for one line of a terminal: of at most so many characters, none of which moves a cursor.
#[track_caller]
pub fn plain(text: &str, chars_max: usize) {
    let chars = text.chars().count();
    assert!(chars <= chars_max, "{chars} characters, at most {chars_max}: {text:?}");
    assert!(!text.chars().any(steers), "a screen is steered: {text:?}");
}

/// The same of what came with a secret, which it may not repeat.
#[track_caller]
pub fn discreet(text: &str, chars_max: usize) {
    plain(text, chars_max);
    assert!(!text.contains(SECRET), "a secret is shown: {text:?}");
}

/// An error of a service, as every command prints it.
#[track_caller]
pub fn error(error: &PortError) {
    discreet(&error.to_string(), 600);
}
