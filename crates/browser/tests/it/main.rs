//! A real browser on the sandbox's sign-in pages, watched by us and used by a hand that comes in through a
//! second line.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod ends;
mod hand;
mod program;
mod signs_in;
mod stage;
