//! What the headers of an answer say: the account of requests, and the service's clock.

use fitferry_core::budget::{Quota, Reading};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, HeaderMap};

/// Reads the four rate-limit headers (dossier strava.md §4.4); what is absent or unreadable is `None`.
pub(crate) fn reading(headers: &HeaderMap) -> Reading {
    let quota = |usage: &str, limit: &str| {
        let (used_15min, used_day) = pair(headers, usage);
        let (limit_15min, limit_day) = pair(headers, limit);
        // A limit of none would never be corrected again, since no request would be made under it.
        let some = |limit: Option<u32>| limit.filter(|limit| *limit > 0);
        Quota { used_15min, used_day, limit_15min: some(limit_15min), limit_day: some(limit_day) }
    };
    Reading {
        overall: quota("x-ratelimit-usage", "x-ratelimit-limit"),
        read: quota("x-readratelimit-usage", "x-readratelimit-limit"),
    }
}

/// Two numbers with a comma between, each of which may be missing: a POST answers `","`.
fn pair(headers: &HeaderMap, name: &str) -> (Option<u32>, Option<u32>) {
    let text = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut fields = text.split(',').map(|field| field.trim().parse().ok());
    (fields.next().flatten(), fields.next().flatten())
}

/// The `Date` of an answer (rule *Time*).
pub(crate) fn server_time(headers: &HeaderMap) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(headers.get(DATE)?.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| {
                (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap())
            })
            .collect()
    }

    #[test]
    fn every_form_of_a_rate_limit_header_is_read_field_by_field() {
        let table = [
            ("26,362", (Some(26), Some(362))),
            (" 26 , 362 ", (Some(26), Some(362))),
            (",", (None, None)),
            ("", (None, None)),
            ("26", (Some(26), None)),
            (",362", (None, Some(362))),
            ("26,", (Some(26), None)),
            ("26,362,9", (Some(26), Some(362))),
            ("many,362", (None, Some(362))),
            ("-1,99999999999999", (None, None)),
            ("2.5,1e3", (None, None)),
        ];
        for (text, expected) in table {
            assert_eq!(
                pair(&headers(&[("X-RateLimit-Usage", text)]), "x-ratelimit-usage"),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn all_four_headers_in_any_case_are_told_apart() {
        let all = headers(&[
            ("X-RateLimit-Limit", "200,2000"),
            ("x-ratelimit-usage", "9,152"),
            ("X-READRATELIMIT-LIMIT", "100,1000"),
            ("X-ReadRateLimit-Usage", ","),
        ]);
        let expected = Reading {
            overall: Quota {
                used_15min: Some(9),
                used_day: Some(152),
                limit_15min: Some(200),
                limit_day: Some(2000),
            },
            read: Quota { limit_15min: Some(100), limit_day: Some(1000), ..Quota::default() },
        };
        assert_eq!(reading(&all), expected);
        assert_eq!(reading(&HeaderMap::new()), Reading::default());
    }

    #[test]
    fn a_limit_of_none_says_nothing() {
        let reading = reading(&headers(&[("X-RateLimit-Limit", "0,2000")]));
        assert_eq!((reading.overall.limit_15min, reading.overall.limit_day), (None, Some(2000)));
    }

    #[test]
    fn the_date_is_read_and_nonsense_is_not() {
        let at = server_time(&headers(&[("Date", "Sat, 18 Oct 2025 23:02:47 GMT")]));
        assert_eq!(at, Some("2025-10-18T23:02:47Z".parse().unwrap()));
        assert_eq!(server_time(&headers(&[("Date", "yesterday")])), None);
        assert_eq!(server_time(&HeaderMap::new()), None);
    }
}
