//! Reading JSON whose fields are optional, null, absent or of another type than yesterday.
//!
//! Garmin's shapes are nobody's promise: 2021's payloads list every key with null, 2026's omit them
//! (dossier garmin.md §6.2). One field of an unexpected type must not cost the activity, so such a field
//! counts as absent.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// `None` for null and for another type.
pub(crate) fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    from: D,
) -> Result<Option<T>, D::Error> {
    Ok(T::deserialize(Value::deserialize(from)?).ok())
}

/// A struct from a JSON object. An array is none, though serde would fill the fields from it in order.
pub(crate) fn object<T: DeserializeOwned>(value: Value) -> Option<T> {
    if value.is_object() { serde_json::from_value(value).ok() } else { None }
}

/// A whole number, whether it is written as one, as `1.0` or as `"1"`; `None` for anything else.
pub(crate) fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    Ok(whole_number(&Value::deserialize(from)?))
}

fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| truncated(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The seconds of a number with a fraction, where an `f64` still tells whole numbers apart.
fn truncated(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "the guard leaves whole numbers below 2^53")]
    (number.abs() < EXACT).then_some(number.trunc() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whole_numbers_are_read_in_every_spelling() {
        let cases = [
            (json!(21_482_825_013_u64), Some(21_482_825_013)),
            (json!(5.0), Some(5)),
            (json!(" 7 "), Some(7)),
            (json!(1e300), None),
            (json!(u64::MAX), None),
            (json!("x"), None),
            (json!(null), None),
            (json!({}), None),
        ];
        for (value, expected) in cases {
            assert_eq!(whole_number(&value), expected, "{value}");
        }
    }
}
