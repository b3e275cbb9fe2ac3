//! What the secret says: a JSON object with a member for each [`SecretName`],
//! `{"garmin_login":{"version":3,"value":"…"}}`.
//!
//! A removed one leaves its version, so that a writer that read it before cannot bring it back. Members that
//! are not known here are left as they are.

use fitferry_core::ports::{SecretName, Version};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use crate::secret::Secret;

const VALUE: &str = "value";
const VERSION: &str = "version";

/// No `Debug`: there are secrets in it.
#[derive(Clone, Default)]
pub(super) struct Document(Map<String, Value>);

impl Document {
    /// `None` for anything that fitferry cannot have written. Why is not told: it would tell of the secret.
    pub(super) fn read(text: &str) -> Option<Document> {
        let members: Map<String, Value> = serde_json::from_str(text).ok()?;
        let is_sound = SecretName::ALL.iter().filter_map(|name| members.get(name.key())).all(|member| {
            let value_is_sound = match member.get(VALUE) {
                None => true,
                Some(value) => value.is_string(),
            };
            value_is_sound && member.get(VERSION).is_some_and(Value::is_u64)
        });
        is_sound.then_some(Document(members))
    }

    pub(super) fn write(&self) -> SecretString {
        SecretString::from(Value::from(self.0.clone()).to_string())
    }

    pub(super) fn get(&self, name: SecretName) -> Option<Secret> {
        let value = self.0.get(name.key())?.get(VALUE)?.as_str()?;
        Some((SecretString::from(value), self.version(name)))
    }

    /// Puts a secret, or removes it; the version after that.
    pub(super) fn set(&mut self, name: SecretName, value: Option<&SecretString>) -> Version {
        use secrecy::ExposeSecret as _;
        let version = Version(self.version(name).0 + 1);
        let member = match value {
            Some(value) => json!({ VERSION: version.0, VALUE: value.expose_secret() }),
            None => json!({ VERSION: version.0 }),
        };
        self.0.insert(name.key().to_owned(), member);
        version
    }

    fn version(&self, name: SecretName) -> Version {
        let version = self.0.get(name.key()).and_then(|member| member.get(VERSION)?.as_u64());
        version.map_or(Version::ABSENT, Version)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_secret_reads_back_and_a_removed_one_leaves_its_version() {
        let mut document = Document::default();
        let name = SecretName::StravaLogin;
        assert_eq!(document.set(name, Some(&SecretString::from("a"))), Version(1));
        let mut document = Document::read(document.write().expose_secret()).unwrap();
        let (value, version) = document.get(name).unwrap();
        assert_eq!((value.expose_secret(), version), ("a", Version(1)));
        assert_eq!(document.set(name, None), Version(2));
        let mut document = Document::read(document.write().expose_secret()).unwrap();
        assert!(document.get(name).is_none());
        assert_eq!(document.set(name, Some(&SecretString::from("b"))), Version(3));
    }

    #[test]
    fn what_a_newer_program_added_is_left_as_it_is() {
        let mut document = Document::read(r#"{"colour":"blue"}"#).unwrap();
        document.set(SecretName::GarminLogin, Some(&SecretString::from("a")));
        let written = document.write();
        assert!(written.expose_secret().contains(r#""colour":"blue""#));
    }

    #[test]
    fn what_fitferry_cannot_have_written_is_not_read() {
        for text in [
            "",
            "[]",
            "hush",
            r#"{"garmin_login":"hush"}"#,
            r#"{"garmin_login":{"value":"hush"}}"#,
            r#"{"garmin_login":{"value":1,"version":1}}"#,
            r#"{"garmin_login":{"value":"hush","version":-1}}"#,
        ] {
            assert!(Document::read(text).is_none(), "{text}");
        }
    }
}
