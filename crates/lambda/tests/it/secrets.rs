//! Every secret that the suite knows, and where each text came from that must not show one.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub struct Secrets {
    known: Mutex<BTreeSet<String>>,
    /// Where it is from, and what was said there.
    said: Mutex<Vec<(String, String)>>,
}

impl Secrets {
    pub fn add(&self, secrets: impl IntoIterator<Item = String>) {
        lock(&self.known).extend(secrets);
    }

    pub fn len(&self) -> usize {
        lock(&self.known).len()
    }

    /// Keeps a text for the search.
    pub fn heard(&self, from: &str, text: &str) {
        lock(&self.said).push((from.to_owned(), text.to_owned()));
    }

    /// Where secrets were said, in short; empty as it should be.
    pub fn leaks(&self) -> Vec<String> {
        let known = lock(&self.known);
        let said = lock(&self.said);
        let leaks = said.iter().flat_map(|(from, text)| {
            known.iter().filter(|secret| text.contains(secret.as_str())).map(move |secret| {
                let start: String = secret.chars().take(6).collect();
                format!("{from} shows a secret that begins {start}…")
            })
        });
        leaks.collect()
    }

    /// How many texts came from places that begin so.
    pub fn texts_from(&self, from: &str) -> usize {
        lock(&self.said).iter().filter(|(place, _)| place.starts_with(from)).count()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
