//! How long a password is not tried again after Garmin has blocked signing in.
//!
//! The block is per account, lasts hours to a day, and every try begins it anew (dossier garmin.md §2.6). So
//! after a 429, 427 or 403 the account is left alone for two hours, after the next for four, up to a day; a
//! success ends it. It binds the password only: a browser or a key is another way.
//!
//! Pure: whoever signs in keeps the state and brings the time.

use std::collections::BTreeMap;
use std::time::Duration;

use fitferry_core::moment::later;
use fitferry_core::timing::Timing;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::endpoints::Domain;

const FIRST: SignedDuration = SignedDuration::from_hours(2);
const LONGEST: SignedDuration = SignedDuration::from_hours(24);
/// A longer wait than this is no word of Garmin's but a mistake.
const ASKED_LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Names an account without telling it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account(String);

impl Account {
    /// Upper and lower case and white space around are the same account.
    pub fn of(domain: Domain, email: &str) -> Account {
        let mut hash = Sha256::new();
        hash.update(domain.name());
        hash.update([0]);
        hash.update(email.trim().to_lowercase());
        Account(hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// The cool-downs of all accounts, as they are kept from one run to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoolDowns {
    accounts: BTreeMap<String, CoolDown>,
}

/// Times are seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CoolDown {
    until: i64,
    /// Blocks in a row.
    blocks: u32,
}

impl CoolDowns {
    /// Reads what [`CoolDowns::write`] wrote. What cannot be read is none: it must not keep anybody out for good.
    pub fn read(text: &str) -> CoolDowns {
        serde_json::from_str(text).unwrap_or_default()
    }

    pub fn write(&self) -> String {
        serde_json::to_string(self).expect("names and numbers make JSON")
    }

    /// When a password may be tried again; `None`: now.
    pub fn until(&self, account: &Account, now: Timestamp) -> Option<Timestamp> {
        let until = Timestamp::from_second(self.accounts.get(&account.0)?.until).ok()?;
        (now < until).then_some(until)
    }

    /// Garmin has blocked a try; the moment until which there is no other. `retry_after` as Garmin gave it; our
    /// own waits scale with `timing`.
    pub fn blocked(
        &mut self,
        account: &Account,
        now: Timestamp,
        retry_after: Option<Duration>,
        timing: &Timing,
    ) -> Timestamp {
        let blocks = self.accounts.get(&account.0).map_or(0, |before| before.blocks).saturating_add(1);
        let doubled = FIRST.checked_mul(1 << (blocks - 1).min(8)).unwrap_or(LONGEST);
        let asked = retry_after.and_then(|wait| SignedDuration::try_from(wait).ok()).unwrap_or_default();
        let wait = timing.scaled(doubled.min(LONGEST)).max(asked.min(ASKED_LONGEST));
        // Kept in whole seconds, of which the last one counts.
        let until = later(later(now, wait), SignedDuration::from_nanos(999_999_999));
        let until = Timestamp::from_second(until.as_second()).unwrap_or(until);
        self.accounts.insert(account.0.clone(), CoolDown { until: until.as_second(), blocks });
        until
    }

    /// The password has brought a ticket.
    pub fn succeeded(&mut self, account: &Account) {
        self.accounts.remove(&account.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_wait_doubles_from_two_hours_to_a_day_and_ends_with_a_success() {
        let account = Account::of(Domain::Com, "a@example.org");
        let mut downs = CoolDowns::default();
        let mut now = noon();
        for hours in [2, 4, 8, 16, 24, 24, 24] {
            assert_eq!(downs.until(&account, now), None);
            let until = downs.blocked(&account, now, None, &Timing::default());
            assert_eq!(until, now + SignedDuration::from_hours(hours));
            assert_eq!(downs.until(&account, until - SignedDuration::from_secs(1)), Some(until));
            now = until;
        }
        downs.succeeded(&account);
        assert_eq!(downs, CoolDowns::default());
        assert_eq!(downs.blocked(&account, now, None, &Timing::default()), now + FIRST);
    }

    #[test]
    fn garmins_own_wait_counts_where_it_is_longer() {
        let account = Account::of(Domain::Com, "a@example.org");
        let blocked = |seconds| {
            let asked = Some(Duration::from_secs(seconds));
            CoolDowns::default().blocked(&account, noon(), asked, &Timing::default())
        };
        assert_eq!(blocked(14), noon() + FIRST);
        assert_eq!(blocked(3 * 3600), noon() + SignedDuration::from_hours(3));
        assert_eq!(blocked(48 * 3600), noon() + SignedDuration::from_hours(48));
        assert_eq!(blocked(999 * 24 * 3600), noon() + ASKED_LONGEST);
        assert_eq!(blocked(u64::MAX), noon() + FIRST);
    }

    #[test]
    fn our_own_wait_scales_with_the_other_ladders_and_garmins_does_not() {
        let account = Account::of(Domain::Com, "a@example.org");
        let timing = Timing { retry_base: SignedDuration::from_millis(120), ..Timing::default() };
        let blocked = |asked| CoolDowns::default().blocked(&account, noon(), asked, &timing);
        assert_eq!(blocked(None), noon() + SignedDuration::from_secs(8), "7.2 s, in whole seconds");
        assert_eq!(blocked(Some(Duration::from_secs(60))), noon() + SignedDuration::from_secs(60));
    }

    #[test]
    fn accounts_cool_down_apart_and_are_not_named() {
        let mut downs = CoolDowns::default();
        downs.blocked(&Account::of(Domain::Com, " Anna@Example.org "), noon(), None, &Timing::default());
        assert!(downs.until(&Account::of(Domain::Com, "anna@example.org"), noon()).is_some());
        assert!(downs.until(&Account::of(Domain::Cn, "anna@example.org"), noon()).is_none());
        assert!(downs.until(&Account::of(Domain::Com, "ben@example.org"), noon()).is_none());
        let written = downs.write();
        assert!(!written.to_lowercase().contains("anna"), "{written}");
        assert_eq!(CoolDowns::read(&written), downs);
    }

    #[test]
    fn what_cannot_be_read_keeps_nobody_out() {
        for text in ["", "[]", "{}", r#"{"accounts":{"x":{"until":"soon"}}}"#] {
            assert_eq!(CoolDowns::read(text), CoolDowns::default(), "{text}");
        }
    }
}
