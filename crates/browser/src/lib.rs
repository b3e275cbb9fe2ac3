//! A person's own browser, watched until it shows what is waited for.
//!
//! [`find`] looks for Chrome, Chromium or Edge; [`catch`] opens a page in a window of its own, with a profile that
//! nobody has used and nobody will, and looks at the requests that it is told to hold up. The person signs in by
//! hand. As soon as a request shows what is waited for, that request is stopped, so that no page uses it up, and
//! the window is closed. Whatever happens, the browser's processes and its profile are gone afterwards.
//!
//! The browser is spoken to through its DevTools protocol, with the dozen messages that this takes. What they mean
//! is decided without I/O (`watcher`); the rest is a process (`process`) and a line to it (`line`).
//!
//! It knows nothing of Garmin: which page, which requests and what to look for in them come from outside.

mod catch;
mod error;
mod find;
mod line;
mod process;
mod watcher;

pub use catch::{Launch, Outcome, catch};
pub use error::BrowserError;
pub use find::find;
pub use watcher::{Moment, Sighting, Watch};
