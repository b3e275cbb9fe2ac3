//! The stored form of the account of requests: one JSON document per Strava app.

use fitferry_core::budget::{Account, Gauge, View};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::text;

pub(crate) fn write(account: &Account) -> Result<String, String> {
    serde_json::to_string(&StoredAccount::from(account)).map_err(|error| error.to_string())
}

pub(crate) fn read(document: &str) -> Result<Account, String> {
    let stored: StoredAccount = serde_json::from_str(document).map_err(|error| error.to_string())?;
    Ok(stored.into())
}

#[derive(Serialize, Deserialize)]
struct StoredAccount {
    counts: StoredView,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    limited_until: Option<Timestamp>,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    inactive_until: Option<Timestamp>,
}

/// The counts of an account; the head keeps a copy.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredView {
    #[serde(with = "text")]
    at: Timestamp,
    overall_15min: StoredGauge,
    overall_day: StoredGauge,
    read_15min: StoredGauge,
    read_day: StoredGauge,
}

#[derive(Serialize, Deserialize)]
struct StoredGauge {
    used: u32,
    limit: u32,
}

impl From<&Account> for StoredAccount {
    fn from(account: &Account) -> StoredAccount {
        let Account { at, overall_15min, overall_day, read_15min, read_day, limited_until, inactive_until } =
            *account;
        StoredAccount {
            counts: View { at, overall_15min, overall_day, read_15min, read_day }.into(),
            limited_until,
            inactive_until,
        }
    }
}

impl From<StoredAccount> for Account {
    fn from(stored: StoredAccount) -> Account {
        let View { at, overall_15min, overall_day, read_15min, read_day } = stored.counts.into();
        Account {
            at,
            overall_15min,
            overall_day,
            read_15min,
            read_day,
            limited_until: stored.limited_until,
            inactive_until: stored.inactive_until,
        }
    }
}

impl From<View> for StoredView {
    fn from(view: View) -> StoredView {
        let View { at, overall_15min, overall_day, read_15min, read_day } = view;
        StoredView {
            at,
            overall_15min: overall_15min.into(),
            overall_day: overall_day.into(),
            read_15min: read_15min.into(),
            read_day: read_day.into(),
        }
    }
}

impl From<StoredView> for View {
    fn from(stored: StoredView) -> View {
        View {
            at: stored.at,
            overall_15min: stored.overall_15min.into(),
            overall_day: stored.overall_day.into(),
            read_15min: stored.read_15min.into(),
            read_day: stored.read_day.into(),
        }
    }
}

impl From<Gauge> for StoredGauge {
    fn from(Gauge { used, limit }: Gauge) -> StoredGauge {
        StoredGauge { used, limit }
    }
}

impl From<StoredGauge> for Gauge {
    fn from(StoredGauge { used, limit }: StoredGauge) -> Gauge {
        Gauge { used, limit }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::{Strategy, any};
    use proptest::{prop_assert_eq, proptest};

    use super::*;
    use crate::text::any::{maybe, timestamp};

    proptest! {
        #[test]
        fn any_account_reads_back_as_written(account in accounts()) {
            prop_assert_eq!(read(&write(&account).unwrap()), Ok(account));
        }
    }

    #[test]
    fn an_account_of_a_newer_program_is_read_as_far_as_it_is_known() {
        let account = Account::new("2026-11-23T12:00:00Z".parse().unwrap());
        let newer = write(&account).unwrap().replacen('{', r#"{"colour":"blue","#, 1);
        assert_eq!(read(&newer), Ok(account));
    }

    fn accounts() -> impl Strategy<Value = Account> {
        (views(), maybe(timestamp()), maybe(timestamp())).prop_map(|(view, limited_until, inactive_until)| {
            let View { at, overall_15min, overall_day, read_15min, read_day } = view;
            Account { at, overall_15min, overall_day, read_15min, read_day, limited_until, inactive_until }
        })
    }

    pub(crate) fn views() -> impl Strategy<Value = View> {
        (timestamp(), [gauge(), gauge(), gauge(), gauge()]).prop_map(|(at, gauges)| {
            let [overall_15min, overall_day, read_15min, read_day] = gauges;
            View { at, overall_15min, overall_day, read_15min, read_day }
        })
    }

    fn gauge() -> impl Strategy<Value = Gauge> {
        (any::<u32>(), any::<u32>()).prop_map(|(used, limit)| Gauge { used, limit })
    }
}
