//! All integration tests of `fitferry-fit`, in one binary.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod hostile;
mod oracle;
mod samples;
mod structure;
mod values;
