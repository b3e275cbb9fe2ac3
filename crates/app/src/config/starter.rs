//! The file that `fitferry init` writes: a new one with comments, or one that is there with a few keys changed
//! and everything else, comments included, as it was.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use toml_edit::{Array, DocumentMut, Item, Table, Value, value};

use super::create_private;

/// What somebody has chosen; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    pub domain: Option<String>,
    pub client_id: Option<String>,
    pub types: Option<Vec<String>>,
    pub since: Option<String>,
}

/// The text of a file with these choices, over the one that is there. `athlete`: whose section it is, where it is
/// not everybody's.
pub fn compose(there: Option<&str>, choices: &Choices, athlete: Option<&str>) -> Result<String, String> {
    match (there, athlete) {
        (None, None) => Ok(starter(choices)),
        (None, Some(_)) => change(&starter(&Choices::default()), choices, athlete),
        (Some(there), _) => change(there, choices, athlete),
    }
}

/// Puts a file in the place of whatever is there, whole or not at all, for its owner alone.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = real.parent().unwrap_or(Path::new("."));
    create_private(folder)?;
    // Beside it, so that the new one takes its place in one step.
    let mut draft = tempfile::NamedTempFile::new_in(folder)?;
    draft.write_all(text.as_bytes())?;
    draft.as_file().sync_all()?;
    if let Ok(metadata) = real.metadata() {
        draft.as_file().set_permissions(metadata.permissions())?;
    }
    draft.persist(&real).map_err(|error| error.error)?;
    Ok(())
}

/// What differs between two files, a line for each key.
pub fn changes(before: &str, after: &str) -> Vec<String> {
    let read = |text: &str| text.parse::<DocumentMut>().map(|document| leaves(document.as_table(), ""));
    let (Ok(before), Ok(after)) = (read(before), read(after)) else { return Vec::new() };
    let changed = after.iter().filter(|(key, value)| before.get(*key) != Some(*value));
    changed
        .map(|(key, value)| match before.get(key) {
            Some(old) => format!("{key} = {value}    (was {old})"),
            None => format!("{key} = {value}"),
        })
        .collect()
}

/// All values by their full names.
fn leaves(table: &dyn toml_edit::TableLike, path: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (key, item) in table.iter() {
        let name = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        match (item.as_table_like(), item.as_value()) {
            (Some(inner), _) => all.extend(leaves(inner, &name)),
            (None, Some(value)) => _ = all.insert(name, value.clone().decorated("", "").to_string()),
            // Rules are never changed here.
            (None, None) => {}
        }
    }
    all
}

/// A key, as it is in force or as an example.
fn line(text: &mut String, key: &str, chosen: Option<&Value>, example: &str, meaning: &str) {
    let written = match chosen {
        Some(chosen) => format!("{key} = {}", chosen.to_string().trim()),
        None => format!("# {key} = {example}"),
    };
    // Writing to a string does not fail.
    let _ = writeln!(text, "{written:<30} # {meaning}");
}

fn starter(choices: &Choices) -> String {
    let word = |word: &Option<String>| word.as_deref().map(Value::from);
    let types = choices
        .types
        .as_deref()
        .map_or_else(|| Value::from(list(&["running".to_owned()])), |types| Value::from(list(types)));
    let mut text = "# fitferry: what crosses from Garmin Connect to Strava, and how.\n\
                    # `fitferry config check` says whether this is right, `fitferry config show` what is in force.\n\
                    # Secrets are never in this file: `fitferry login` keeps them in the store.\n\n[garmin]\n"
        .to_owned();
    line(
        &mut text,
        "domain",
        word(&choices.domain).as_ref(),
        "\"garmin.com\"",
        "or garmin.cn, for accounts in China",
    );
    text += "\n[strava]\n";
    line(
        &mut text,
        "client_id",
        word(&choices.client_id).as_ref(),
        "\"12345\"",
        "of your API application: https://www.strava.com/settings/api",
    );
    line(&mut text, "redirect_port", None, "9321", "where the browser brings Strava's answer");
    text += "\n[sync]\n";
    line(
        &mut text,
        "types",
        Some(&types),
        "",
        "Garmin type keys; a parent means all its children; [\"*\"] means all",
    );
    line(
        &mut text,
        "since",
        word(&choices.since).as_ref(),
        "\"2026-11-01\"",
        "local start date, nothing earlier crosses; \"all\" for no limit",
    );
    line(&mut text, "lookback", None, "\"30d\"", "how late a watch may sync and still be noticed");
    line(
        &mut text,
        "hold",
        None,
        "\"auto\"",
        "wait before uploading: 30m while Garmin's own link is on, else none",
    );
    line(&mut text, "every", None, "\"60s\"", "how often `fitferry watch` looks");
    text += "\n# The first rule that matches decides; where none does, `types` decides.\n\
             # [[rules]]\n\
             # when = { type = \"trail_running\", name = \"(?i)warm.?up\" }\n\
             # skip = \"warm-ups stay on Garmin\"\n\n[store]\n";
    line(&mut text, "url", None, "\"sqlite:fitferry.db\"", "in the data folder; or dynamodb:TABLE");
    text
}

fn change(there: &str, choices: &Choices, athlete: Option<&str>) -> Result<String, String> {
    let mut document: DocumentMut = there.parse().map_err(|error: toml_edit::TomlError| error.to_string())?;
    let chosen = [
        ("garmin", "domain", choices.domain.as_deref().map(value)),
        ("strava", "client_id", choices.client_id.as_deref().map(value)),
        ("sync", "types", choices.types.as_deref().map(|types| value(list(types)))),
        ("sync", "since", choices.since.as_deref().map(value)),
    ];
    for (section, key, new) in chosen {
        let Some(new) = new else { continue };
        let place = match athlete {
            None => document.as_table_mut() as &mut dyn toml_edit::TableLike,
            Some(athlete) => below(below(document.as_table_mut(), "athletes")?, athlete)?,
        };
        put(below(place, section)?, key, new);
    }
    Ok(document.to_string())
}

/// The table of that name, which may be written in braces.
fn below<'a>(
    table: &'a mut dyn toml_edit::TableLike,
    name: &str,
) -> Result<&'a mut dyn toml_edit::TableLike, String> {
    let item = table.entry(name).or_insert_with(|| {
        let mut new = Table::new();
        new.set_implicit(name == "athletes");
        Item::Table(new)
    });
    item.as_table_like_mut().ok_or_else(|| format!("{name} is no table"))
}

/// What stands around a value, as a comment behind it, stays.
fn put(table: &mut dyn toml_edit::TableLike, key: &str, new: Item) {
    match (table.get_mut(key).and_then(Item::as_value_mut), new) {
        (Some(there), Item::Value(mut new)) => {
            *new.decor_mut() = there.decor().clone();
            *there = new;
        }
        (_, new) => {
            table.insert(key, new);
        }
    }
}

fn list(words: &[String]) -> Array {
    words.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices() -> Choices {
        Choices {
            domain: Some("garmin.cn".to_owned()),
            client_id: Some("12345".to_owned()),
            types: Some(vec!["running".to_owned(), "walking".to_owned()]),
            since: Some("2026-11-01".to_owned()),
        }
    }

    #[test]
    fn a_new_file_says_what_was_chosen_and_explains_the_rest() {
        let text = compose(None, &choices(), None).unwrap();
        for line in [
            "domain = \"garmin.cn\"",
            "types = [\"running\", \"walking\"]",
            "since = \"2026-11-01\"",
            "# hold = ",
        ] {
            assert!(text.lines().any(|there| there.starts_with(line)), "{line} in {text}");
        }
        let again = compose(Some(&text), &choices(), None).unwrap();
        assert_eq!(again, text, "what is chosen again changes nothing");
        let bare = compose(None, &Choices::default(), None).unwrap();
        assert!(toml::from_str::<toml::Table>(&bare).unwrap()["sync"]["types"].is_array());
    }

    #[test]
    fn a_file_that_is_there_keeps_its_comments_and_all_other_keys() {
        let there = "# mine\n[sync]\ntypes = [\"cycling\"] # rides\nhold = \"10m\"\n\n[[rules]]\nskip = \"x\"\nwhen = { type = \"yoga\" }\n";
        let chosen = Choices { types: Some(vec!["running".to_owned()]), ..Choices::default() };
        let text = compose(Some(there), &chosen, None).unwrap();
        assert_eq!(text, there.replace("\"cycling\"", "\"running\""));
        assert_eq!(compose(Some(there), &Choices::default(), None).unwrap(), there);
        assert!(compose(Some("sync = 3"), &chosen, None).is_err());
    }

    #[test]
    fn what_changes_is_told_key_by_key() {
        let there = "[sync]\ntypes = [\"cycling\"] # rides\nhold = \"10m\"\n";
        let chosen = Choices {
            types: Some(vec!["running".to_owned()]),
            since: Some("all".to_owned()),
            ..Choices::default()
        };
        let text = compose(Some(there), &chosen, None).unwrap();
        let told = ["sync.since = \"all\"", "sync.types = [\"running\"]    (was [\"cycling\"])"];
        assert_eq!(changes(there, &text), told);
        assert_eq!(changes(there, there), Vec::<String>::new());
    }

    #[test]
    fn another_athletes_choices_go_to_that_athletes_section() {
        let text = compose(None, &choices(), Some("anna")).unwrap();
        let read: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(read["athletes"]["anna"]["sync"]["since"].as_str(), Some("2026-11-01"));
        assert_eq!(read["sync"]["types"][0].as_str(), Some("running"));
        let braces = "[athletes.anna]\nsync = { types = [\"*\"] }\n";
        let text = compose(Some(braces), &choices(), Some("anna")).unwrap();
        let read: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(read["athletes"]["anna"]["sync"]["types"][1].as_str(), Some("walking"));
    }
}
