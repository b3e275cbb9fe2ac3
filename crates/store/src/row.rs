//! The stored form of a row: one JSON document.
//!
//! Reading is tolerant, because a document may be older or newer than the program: an unknown field is
//! ignored, a missing one has its default, a reason to wait that is not known is no reason. Only what
//! decides about an upload is never guessed: a row whose state cannot be read is an error.

use fitferry_core::activity::{Distance, FileKind, GarminId, Listed, Sha256, StravaId, UploadId};
use fitferry_core::ledger::{
    Cause, DuplicateClaim, FileFacts, How, Moment, RejectReason, Row, SkipReason, State, StateName,
};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::text::{self, is_default};

/// The document of a row.
pub(crate) fn write(row: &Row) -> Result<String, String> {
    serde_json::to_string(&StoredRow::from(row)).map_err(|error| error.to_string())
}

/// The row of a document; the error says what is wrong with it.
pub(crate) fn read(document: &str) -> Result<Row, String> {
    let stored: StoredRow = serde_json::from_str(document).map_err(|error| error.to_string())?;
    stored.into_row()
}

#[derive(Serialize, Deserialize)]
struct StoredRow {
    activity: StoredListed,
    state: StoredState,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    #[serde(with = "text")]
    first_seen: Timestamp,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    download_begun: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_default")]
    failed_downloads: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    put_offs: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    sends: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    counted_resends: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    resends_after_5xx: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    last_send_5xx: bool,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    first_absent: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duplicate: Option<StoredClaim>,
    #[serde(default, skip_serializing_if = "is_default")]
    confirms: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<StoredFile>,
    #[serde(default, skip_serializing_if = "is_default")]
    force: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    skip_noted: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    by_hand: bool,
    #[serde(default)]
    history: Vec<StoredMoment>,
}

#[derive(Serialize, Deserialize)]
struct StoredListed {
    id: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    type_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent_type_id: Option<u32>,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    start: Option<Timestamp>,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    local_date: Option<Date>,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    elapsed: Option<SignedDuration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    distance_m: Option<f64>,
    #[serde(default, skip_serializing_if = "is_default")]
    manual: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<u64>,
}

/// All states in one shape; which fields a state needs is checked when it is read.
#[derive(Default, Serialize, Deserialize)]
struct StoredState {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    send_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upload: Option<u64>,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    strava: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    how: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredClaim {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
    #[serde(default)]
    text: String,
}

#[derive(Serialize, Deserialize)]
struct StoredFile {
    sha256: String,
    bytes: u64,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    start: Option<Timestamp>,
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    elapsed: Option<SignedDuration>,
}

#[derive(Serialize, Deserialize)]
struct StoredMoment {
    #[serde(with = "text")]
    at: Timestamp,
    event: String,
}

// ---------------------------------------------------------------------------------------- writing

impl From<&Row> for StoredRow {
    fn from(row: &Row) -> StoredRow {
        let Row {
            activity,
            state,
            not_before,
            cause,
            first_seen,
            download_begun,
            failed_downloads,
            put_offs,
            sends,
            counted_resends,
            resends_after_5xx,
            last_send_5xx,
            first_absent,
            duplicate,
            confirms,
            file,
            force,
            skip_noted,
            by_hand,
            history,
        } = row;
        StoredRow {
            activity: activity.into(),
            state: state.into(),
            not_before: *not_before,
            cause: cause.map(|cause| cause.key().to_owned()),
            first_seen: *first_seen,
            download_begun: *download_begun,
            failed_downloads: *failed_downloads,
            put_offs: *put_offs,
            sends: *sends,
            counted_resends: *counted_resends,
            resends_after_5xx: *resends_after_5xx,
            last_send_5xx: *last_send_5xx,
            first_absent: *first_absent,
            duplicate: duplicate
                .as_ref()
                .map(|DuplicateClaim { of, text }| StoredClaim { of: of.map(|id| id.0), text: text.clone() }),
            confirms: *confirms,
            file: file.as_ref().map(StoredFile::from),
            force: *force,
            skip_noted: *skip_noted,
            by_hand: *by_hand,
            history: history
                .iter()
                .map(|Moment { at, event }| StoredMoment { at: *at, event: event.clone() })
                .collect(),
        }
    }
}

impl From<&Listed> for StoredListed {
    fn from(listed: &Listed) -> StoredListed {
        let Listed {
            id,
            name,
            type_key,
            parent_type_id,
            start,
            local_date,
            elapsed,
            distance,
            manual,
            parent,
        } = listed;
        StoredListed {
            id: id.0,
            name: name.clone(),
            type_key: type_key.clone(),
            parent_type_id: *parent_type_id,
            start: *start,
            local_date: *local_date,
            elapsed: *elapsed,
            distance_m: distance.map(Distance::meters),
            manual: *manual,
            parent: parent.map(|id| id.0),
        }
    }
}

impl From<&State> for StoredState {
    fn from(state: &State) -> StoredState {
        let stored = StoredState { name: state.name().key().to_owned(), ..StoredState::default() };
        match state {
            State::Wanted => stored,
            State::Submitting { attempt, send_before } => {
                StoredState { attempt: Some(*attempt), send_before: Some(*send_before), ..stored }
            }
            State::Submitted { upload, since } => {
                StoredState { upload: Some(upload.0), since: Some(*since), ..stored }
            }
            State::Published { strava, how } => {
                StoredState { strava: Some(strava.0), how: Some(how.key().to_owned()), ..stored }
            }
            State::Skipped { reason, detail } => {
                StoredState { reason: Some(reason.key().to_owned()), detail: detail.clone(), ..stored }
            }
            State::Rejected { reason, detail } => {
                StoredState { reason: Some(reason.key().to_owned()), detail: detail.clone(), ..stored }
            }
        }
    }
}

impl From<&FileFacts> for StoredFile {
    fn from(facts: &FileFacts) -> StoredFile {
        let FileFacts { sha256, bytes, kind, damage, start, elapsed } = facts;
        StoredFile {
            sha256: sha256.to_string(),
            bytes: *bytes,
            kind: kind.extension().to_owned(),
            damage: damage.clone(),
            start: *start,
            elapsed: *elapsed,
        }
    }
}

// ---------------------------------------------------------------------------------------- reading

impl StoredRow {
    fn into_row(self) -> Result<Row, String> {
        Ok(Row {
            activity: self.activity.into_listed(),
            state: self.state.into_state()?,
            not_before: self.not_before,
            cause: self.cause.and_then(|key| Cause::from_key(&key)),
            first_seen: self.first_seen,
            download_begun: self.download_begun,
            failed_downloads: self.failed_downloads,
            put_offs: self.put_offs,
            sends: self.sends,
            counted_resends: self.counted_resends,
            resends_after_5xx: self.resends_after_5xx,
            last_send_5xx: self.last_send_5xx,
            first_absent: self.first_absent,
            duplicate: self
                .duplicate
                .map(|StoredClaim { of, text }| DuplicateClaim { of: of.map(StravaId), text }),
            confirms: self.confirms,
            file: self.file.map(StoredFile::into_facts).transpose()?,
            force: self.force,
            skip_noted: self.skip_noted,
            by_hand: self.by_hand,
            history: self
                .history
                .into_iter()
                .map(|StoredMoment { at, event }| Moment { at, event })
                .collect(),
        })
    }
}

impl StoredListed {
    fn into_listed(self) -> Listed {
        Listed {
            id: GarminId(self.id),
            name: self.name,
            type_key: self.type_key,
            parent_type_id: self.parent_type_id,
            start: self.start,
            local_date: self.local_date,
            elapsed: self.elapsed,
            distance: self.distance_m.and_then(Distance::from_meters),
            manual: self.manual,
            parent: self.parent.map(GarminId),
        }
    }
}

impl StoredState {
    fn into_state(self) -> Result<State, String> {
        let Some(name) = StateName::from_key(&self.name) else {
            return Err(format!("the state `{}` is not known", self.name));
        };
        Ok(match name {
            StateName::Wanted => State::Wanted,
            StateName::Submitting => State::Submitting {
                attempt: needed(self.attempt, "attempt")?,
                send_before: needed(self.send_before, "send_before")?,
            },
            StateName::Submitted => State::Submitted {
                upload: UploadId(needed(self.upload, "upload")?),
                since: needed(self.since, "since")?,
            },
            StateName::Published => State::Published {
                strava: StravaId(needed(self.strava, "strava")?),
                how: keyed(self.how, "how", How::from_key)?,
            },
            StateName::Skipped => State::Skipped {
                reason: keyed(self.reason, "reason", SkipReason::from_key)?,
                detail: self.detail,
            },
            StateName::Rejected => State::Rejected {
                reason: keyed(self.reason, "reason", RejectReason::from_key)?,
                detail: self.detail,
            },
        })
    }
}

impl StoredFile {
    fn into_facts(self) -> Result<FileFacts, String> {
        Ok(FileFacts {
            sha256: keyed(Some(self.sha256), "sha256", Sha256::from_hex)?,
            bytes: self.bytes,
            kind: keyed(Some(self.kind), "kind", FileKind::from_extension)?,
            damage: self.damage,
            start: self.start,
            elapsed: self.elapsed,
        })
    }
}

fn needed<T>(value: Option<T>, field: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("`{field}` is missing"))
}

fn keyed<T>(key: Option<String>, field: &str, from_key: impl Fn(&str) -> Option<T>) -> Result<T, String> {
    let key = needed(key, field)?;
    from_key(&key).ok_or_else(|| format!("the {field} `{key}` is not known"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any};
    use proptest::{collection, prop_assert_eq, prop_oneof, proptest, sample};

    use super::*;
    use crate::text::any::{date, duration, maybe, timestamp, words};

    proptest! {
        #[test]
        fn any_row_reads_back_as_written(row in rows()) {
            prop_assert_eq!(read(&write(&row).unwrap()), Ok(row));
        }
    }

    #[test]
    fn a_row_is_read_from_what_every_version_has_written() {
        let document = r#"{
            "activity": { "id": 7 },
            "state": { "name": "wanted" },
            "first_seen": "2026-11-23T12:00:00Z"
        }"#;
        let row = read(document).unwrap();
        let first_seen = "2026-11-23T12:00:00Z".parse().unwrap();
        let seen = Row::seen(Listed::bare(GarminId(7)), State::Wanted, first_seen);
        assert_eq!(row, Row { history: Vec::new(), ..seen });
    }

    #[test]
    fn a_row_of_a_newer_program_is_read_as_far_as_it_is_known() {
        let document = r#"{
            "activity": { "id": 7, "mood": "good" },
            "state": { "name": "wanted", "wish": 3 },
            "not_before": "2026-11-23T13:00:00Z",
            "cause": "full_moon",
            "first_seen": "2026-11-23T12:00:00Z",
            "colour": "blue"
        }"#;
        let row = read(document).unwrap();
        assert_eq!(row.cause, None);
        assert!(row.not_before.is_some(), "the wait was forgotten with its reason");
    }

    #[test]
    fn what_decides_about_an_upload_is_never_guessed() {
        let with_state = |state: &str| {
            read(&format!(r#"{{"activity":{{"id":7}},"state":{state},"first_seen":"2026-11-23T12:00:00Z"}}"#))
                .unwrap_err()
        };
        assert_eq!(with_state(r#"{"name":"dreamt"}"#), "the state `dreamt` is not known");
        assert_eq!(with_state(r#"{"name":"submitting","attempt":1}"#), "`send_before` is missing");
        assert_eq!(with_state(r#"{"name":"submitted"}"#), "`upload` is missing");
        assert_eq!(with_state(r#"{"name":"skipped","reason":"mood"}"#), "the reason `mood` is not known");
        assert!(read("{").is_err());
    }

    fn rows() -> impl Strategy<Value = Row> {
        let waits = (maybe(timestamp()), maybe(sample::select(Cause::ALL)));
        let moments = [maybe(timestamp()), maybe(timestamp())];
        let claim = (maybe(any::<u64>()), words())
            .prop_map(|(of, text)| DuplicateClaim { of: of.map(StravaId), text });
        let history = (timestamp(), words()).prop_map(|(at, event)| Moment { at, event });
        (
            listed(),
            state(),
            waits,
            timestamp(),
            moments,
            any::<([u32; 6], [bool; 4])>(),
            maybe(claim),
            maybe(file()),
            collection::vec(history, 0..5),
        )
            .prop_map(
                |(activity, state, waits, first_seen, moments, plain, duplicate, file, history)| {
                    let (not_before, cause) = waits;
                    let [download_begun, first_absent] = moments;
                    let (counts, flags) = plain;
                    let [failed_downloads, put_offs, sends, counted_resends, resends_after_5xx, confirms] =
                        counts;
                    let [last_send_5xx, force, skip_noted, by_hand] = flags;
                    Row {
                        activity,
                        state,
                        not_before,
                        cause,
                        first_seen,
                        download_begun,
                        failed_downloads,
                        put_offs,
                        sends,
                        counted_resends,
                        resends_after_5xx,
                        last_send_5xx,
                        first_absent,
                        duplicate,
                        confirms,
                        file,
                        force,
                        skip_noted,
                        by_hand,
                        history,
                    }
                },
            )
    }

    fn listed() -> impl Strategy<Value = Listed> {
        let texts = [maybe(words()), maybe(words())];
        let numbers = any::<(u64, Option<u32>, Option<u64>, bool)>();
        let distance = (0.0..1e9_f64).prop_map(|meters| Distance::from_meters(meters).unwrap());
        (texts, numbers, maybe(timestamp()), maybe(date()), maybe(duration()), maybe(distance)).prop_map(
            |([name, type_key], numbers, start, local_date, elapsed, distance)| {
                let (id, parent_type_id, parent, manual) = numbers;
                Listed {
                    id: GarminId(id),
                    name,
                    type_key,
                    parent_type_id,
                    start,
                    local_date,
                    elapsed,
                    distance,
                    manual,
                    parent: parent.map(GarminId),
                }
            },
        )
    }

    fn state() -> impl Strategy<Value = State> {
        let any_number = any::<u64>;
        prop_oneof![
            any::<()>().prop_map(|()| State::Wanted),
            (any::<u32>(), timestamp())
                .prop_map(|(attempt, send_before)| State::Submitting { attempt, send_before }),
            (any_number(), timestamp())
                .prop_map(|(upload, since)| State::Submitted { upload: UploadId(upload), since }),
            (any_number(), sample::select(How::ALL))
                .prop_map(|(strava, how)| State::Published { strava: StravaId(strava), how }),
            (sample::select(SkipReason::ALL), maybe(words()))
                .prop_map(|(reason, detail)| State::Skipped { reason, detail }),
            (sample::select(RejectReason::ALL), maybe(words()))
                .prop_map(|(reason, detail)| State::Rejected { reason, detail }),
        ]
    }

    fn file() -> impl Strategy<Value = FileFacts> {
        let kinds = sample::select(vec![FileKind::Fit, FileKind::Gpx, FileKind::Tcx]);
        (any::<([u8; 32], u64)>(), kinds, maybe(words()), maybe(timestamp()), maybe(duration())).prop_map(
            |((sha256, bytes), kind, damage, start, elapsed)| FileFacts {
                sha256: Sha256(sha256),
                bytes,
                kind,
                damage,
                start,
                elapsed,
            },
        )
    }
}
