//! Times, dates and durations as text in a stored document: RFC 3339 and ISO 8601, exact to the
//! nanosecond, and readable for people who open the file with other tools.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serializer};

pub(crate) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// The same for a value that may be missing.
pub(crate) mod option {
    use super::{Deserialize, Deserializer, Display, FromStr, Serializer};

    pub(crate) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text: Option<String> = Option::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
    }
}

/// Whether a field has its default value, and so need not be written.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
pub(crate) mod any {
    //! Any value that a stored form must bring back as it was.

    use jiff::civil::Date;
    use jiff::{SignedDuration, Timestamp};
    use proptest::option;
    use proptest::prelude::{Strategy, any};

    pub(crate) fn timestamp() -> impl Strategy<Value = Timestamp> {
        let seconds = Timestamp::MIN.as_second() + 1..Timestamp::MAX.as_second();
        let between = (seconds, 0..1_000_000_000_i32)
            .prop_map(|(second, nanosecond)| Timestamp::new(second, nanosecond).unwrap());
        proptest::prop_oneof![
            8 => between,
            1 => proptest::strategy::Just(Timestamp::MIN),
            1 => proptest::strategy::Just(Timestamp::MAX),
        ]
    }

    pub(crate) fn date() -> impl Strategy<Value = Date> {
        (-9999..=9999_i16, 1..=12_i8, 1..=28_i8)
            .prop_map(|(year, month, day)| Date::new(year, month, day).unwrap())
    }

    pub(crate) fn duration() -> impl Strategy<Value = SignedDuration> {
        (any::<i64>(), 0..1_000_000_000_i32).prop_map(|(seconds, nanoseconds)| {
            SignedDuration::new(seconds, if seconds < 0 { -nanoseconds } else { nanoseconds })
        })
    }

    pub(crate) fn maybe<T: std::fmt::Debug>(
        value: impl Strategy<Value = T>,
    ) -> impl Strategy<Value = Option<T>> {
        option::of(value)
    }

    pub(crate) fn words() -> impl Strategy<Value = String> {
        any::<String>()
    }
}
