//! A secret in a store's hands.

use fitferry_core::ports::Version;
use secrecy::SecretString;

/// A secret, and the version that a writer must name.
pub(crate) type Secret = (SecretString, Version);
