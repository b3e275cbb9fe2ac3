//! Strava's words, made fit for people: what it says may be plain, HTML, or HTML that was escaped.
//!
//! Also the one place that knows both grammars in which Strava says *duplicate* (dossier strava.md §2.4).
//! Not here: whether the named activity is the same (the engine looks).

use std::sync::LazyLock;

use fitferry_core::activity::StravaId;
use fitferry_core::plain::steers;
use regex::Regex;

/// The longest quotation of an answer.
const QUOTE_CHARS_MAX: usize = 200;
/// Nothing worth quoting begins later than this.
const READ_BYTES_MAX: usize = 64 * 1024;

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant that the tests compile")
}

/// What a page hides from its reader.
static UNSEEN: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(?is)<script\b.*?</script\s*>|<style\b.*?</style\s*>|<title\b[^>]*>\s*</title\s*>|<!--.*?-->")
});
static TAG: LazyLock<Regex> = LazyLock::new(|| regex(r"(?s)</?[a-zA-Z!](?:[^<>]*)>"));
static ENTITY: LazyLock<Regex> =
    LazyLock::new(|| regex(r"&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|(\w{2,8}));"));

/// Strips tags, decodes the common entities, joins white space and cuts to 200 characters.
pub(crate) fn clean(text: &str) -> String {
    let text = UNSEEN.replace_all(head(text), " ");
    let text = TAG.replace_all(&text, " ");
    // A second time: an escaped link is a tag only once it is decoded.
    let text = decode(&text);
    let text = TAG.replace_all(&text, " ");
    let words = text
        .split(|c: char| c.is_whitespace() || steers(c))
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    cut(&words)
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(QUOTE_CHARS_MAX) {
        None => text.to_owned(),
        Some(_) => {
            let mut short: String = text.chars().take(QUOTE_CHARS_MAX - 1).collect();
            short.push('…');
            short
        }
    }
}

fn head(text: &str) -> &str {
    let mut end = text.len().min(READ_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn decode(text: &str) -> String {
    ENTITY
        .replace_all(text, |found: &regex::Captures<'_>| {
            let whole = found[0].to_owned();
            let number = |group: usize, radix| {
                found.get(group).and_then(|digits| u32::from_str_radix(digits.as_str(), radix).ok())
            };
            if let Some(code) = number(1, 10).or_else(|| number(2, 16)) {
                return char::from_u32(code).map_or(whole, String::from);
            }
            match found.get(3).map(|name| name.as_str()) {
                Some("amp") => "&".to_owned(),
                Some("lt") => "<".to_owned(),
                Some("gt") => ">".to_owned(),
                Some("quot") => "\"".to_owned(),
                Some("apos") => "'".to_owned(),
                Some("nbsp") => " ".to_owned(),
                _ => whole,
            }
        })
        .into_owned()
}

static SAYS_DUPLICATE: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)\bduplicate"));
static DUPLICATE_OF: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?i)\bduplicate\s+of\s*(?:activity\b|<a\b|&lt;a\b)"));
static LINK: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)\bduplicate\s+of\s*<a\b"));
/// Attribute values are stepped over whole, so that nothing inside one passes for the link.
static LINK_TO: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?i)\bduplicate\s+of\s*<a\b(?:[^>"']|"[^"]*"|'[^']*')*?\shref\s*=\s*["']?\s*(?:(?:https?:)?//[^/"'\s>]+)?/activities/(\d+)"#,
    )
});
static PLAIN: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)\bduplicate\s+of\s+activity\s+(\d+)"));

/// That Strava has it, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Duplicate {
    /// `None`: it names no activity that could be read.
    pub(crate) of: Option<StravaId>,
}

/// Reads an error text for *duplicate*, in either grammar; the bare word is a duplicate of nothing named.
pub(crate) fn duplicate(text: &str) -> Option<Duplicate> {
    SAYS_DUPLICATE.is_match(text).then(|| Duplicate { of: duplicate_of(text) })
}

/// As [`duplicate`], but of a page that was not meant as an error text: only a whole grammar counts.
pub(crate) fn duplicate_in_page(text: &str) -> Option<Duplicate> {
    let text = head(text);
    DUPLICATE_OF.is_match(text).then(|| Duplicate { of: duplicate_of(text) })
}

/// The id comes from the link where there is one, never from its title, which is the user's own words.
fn duplicate_of(text: &str) -> Option<StravaId> {
    let decoded;
    let text = if LINK.is_match(text) {
        text
    } else {
        decoded = decode(text);
        &decoded
    };
    let digits = match LINK.find(text) {
        Some(link) => LINK_TO.captures_at(text, link.start()).filter(|found| {
            // The first link or none: a later one is somebody's title.
            found.get(0).is_some_and(|whole| whole.start() == link.start())
        }),
        // The last one: what comes before it is the name of the file.
        None => PLAIN.captures_iter(text).last(),
    }?;
    digits.get(1)?.as_str().parse().ok().filter(|id| *id > 0).map(StravaId)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Option<u64>> {
        duplicate(text).map(|duplicate| duplicate.of.map(|id| id.0))
    }

    #[test]
    fn a_duplicate_is_read_in_both_grammars_and_every_disguise() {
        let table: &[(&str, Option<u64>)] = &[
            ("17611540601.tcx duplicate of activity 8319193780", Some(8_319_193_780)),
            ("garmin-1.fit Duplicate Of Activity  12", Some(12)),
            ("duplicate of activity 5.fit duplicate of activity 77", Some(77)),
            ("x.fit duplicate of <a href='/activities/99' target='_blank'>TITLE</a>", Some(99)),
            ("x.fit duplicate of <a href=\"/activities/99\">TITLE</a>", Some(99)),
            ("x.fit duplicate of <a href=/activities/99>TITLE</a>", Some(99)),
            ("x.fit duplicate of <a href='https://www.strava.com/activities/99'>T</a>", Some(99)),
            ("x.fit duplicate of <a href='//www.strava.com/activities/99/overview'>T</a>", Some(99)),
            (
                "x.fit duplicate of <a class='x' data-href='/activities/1' href='/activities/99'>T</a>",
                Some(99),
            ),
            (
                "x.fit duplicate of <a title=\"a > b href='/activities/1'\" href='/activities/99'>T</a>",
                Some(99),
            ),
            (
                "x.fit duplicate of &lt;a href=&#39;/activities/99&#39; target=&quot;_blank&quot;&gt;T&lt;/a&gt;",
                Some(99),
            ),
            ("x.fit duplicate of &lt;a href=&#x27;/activities/99&#x27;&gt;T&lt;/a&gt;", Some(99)),
            ("x.fit duplicate of <a href='/activities/99'>duplicate of activity 7</a>", Some(99)),
            ("x.fit duplicate of <a href='/activities/99'>duplicate of <a href='/activities/7'>", Some(99)),
            ("x.fit duplicate of <a href='/athletes/5'>duplicate of activity 7</a>", None),
            ("x.fit duplicate of <a href='/a'>duplicate of <a href='/activities/7'></a>", None),
            ("x.fit duplicate of <a href='/activities/'>Run 12345</a>", None),
            ("duplicate of activity 99999999999999999999999999", None),
            ("duplicate of activity 0", None),
            ("This is a duplicate.", None),
            ("2020-07-24-06-58-30.fit duplicate", None),
        ];
        for (text, id) in table {
            assert_eq!(of(text), Some(*id), "{text}");
        }
    }

    #[test]
    fn other_errors_are_no_duplicates() {
        for text in
            ["Time information is missing from file.", "Improperly formatted data.", "", "deduplicated"]
        {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn a_page_is_a_duplicate_only_by_a_whole_grammar() {
        assert_eq!(duplicate_in_page("<p>no duplicate headers</p>"), None);
        assert_eq!(
            duplicate_in_page("<p>x duplicate of <a href='/activities/9'>R</a></p>"),
            Some(Duplicate { of: Some(StravaId(9)) })
        );
    }

    #[test]
    fn what_people_read_has_neither_tags_nor_entities_nor_control_characters() {
        let table = [
            ("x duplicate of <a href='/activities/9'>A &amp; B</a>", "x duplicate of A & B"),
            ("x duplicate of &lt;a href=&#39;/activities/9&#39;&gt;T&lt;/a&gt;", "x duplicate of T"),
            ("<html><head><style>p{}</style><script>if (a<b) x()</script></head><p>502\n Bad</p>", "502 Bad"),
            ("1 &lt; 2 &unknown; \u{1b}[31mred\u{7}", "1 < 2 &unknown; [31mred"),
        ];
        for (text, clean_text) in table {
            assert_eq!(clean(text), clean_text);
        }
        let long = clean(&"é".repeat(500));
        assert_eq!(long.chars().count(), 200);
        assert!(long.ends_with('…'));
    }
}
