//! The page that the browser ends at: how the login went, and what to do next.
//!
//! One small document with its style inside, since the listener is gone a moment later. Readable on a
//! phone and on a desk, in light and in dark.

/// What the page says.
#[derive(Clone, Debug)]
pub struct Page {
    mood: Mood,
    title: String,
    /// Paragraphs.
    text: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Good,
    Mixed,
    Bad,
}

impl Page {
    /// `warning`: what will not work.
    pub fn signed_in(athlete: &str, warning: Option<&str>) -> Page {
        let mut text = vec![format!("fitferry may now upload activities for {athlete}.")];
        text.extend(warning.map(str::to_owned));
        text.push(CLOSE.to_owned());
        Page {
            mood: if warning.is_some() { Mood::Mixed } else { Mood::Good },
            title: "Signed in to Strava".to_owned(),
            text,
        }
    }

    pub fn failed(title: &str, what: &str, help: &str) -> Page {
        Page {
            mood: Mood::Bad,
            title: title.to_owned(),
            text: vec![what.to_owned(), help.to_owned(), CLOSE.to_owned()],
        }
    }

    /// Somebody looks at the page before Strava has sent the browser here.
    pub fn waiting() -> Page {
        Page {
            mood: Mood::Mixed,
            title: "Waiting for Strava".to_owned(),
            text: vec!["Strava's answer has not come yet. Press Authorize on Strava's own page.".to_owned()],
        }
    }

    pub fn status(&self) -> &'static str {
        match self.mood {
            Mood::Good | Mood::Mixed => "200 OK",
            Mood::Bad => "400 Bad Request",
        }
    }

    pub fn html(&self) -> String {
        let (class, sign) = match self.mood {
            Mood::Good => ("good", "✓"),
            Mood::Mixed => ("mixed", "!"),
            Mood::Bad => ("bad", "✕"),
        };
        let title = escaped(&self.title);
        let paragraphs: String = self.text.iter().map(|text| format!("<p>{}</p>\n", marked(text))).collect();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title} – fitferry</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <main class=\"{class}\">\n<div class=\"sign\" aria-hidden=\"true\">{sign}</div>\n\
             <h1>{title}</h1>\n{paragraphs}</main>\n</body>\n</html>\n"
        )
    }
}

const CLOSE: &str = "You can close this page and go back to the terminal.";

const STYLE: &str = "\
:root{color-scheme:light dark;--back:#f4f5f7;--card:#fff;--ink:#1d2430;--soft:#556070;--line:#dde1e7;\
--good:#187a3c;--mixed:#9a5b00;--bad:#b3261e}\
@media(prefers-color-scheme:dark){:root{--back:#12161c;--card:#1b212a;--ink:#e8ecf2;--soft:#a5afbd;\
--line:#2d3643;--good:#5fd08a;--mixed:#f0b454;--bad:#ff8a80}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;min-height:100dvh;display:grid;place-items:center;padding:1.25rem;background:var(--back);\
color:var(--ink);font:1.0625rem/1.55 system-ui,sans-serif}\
main{width:100%;max-width:34rem;padding:2rem;background:var(--card);border:1px solid var(--line);\
border-radius:.9rem;overflow-wrap:anywhere}\
.sign{width:2.75rem;height:2.75rem;display:grid;place-items:center;border:2px solid;border-radius:50%;\
font-size:1.3rem;font-weight:700}\
.good .sign{color:var(--good)}.mixed .sign{color:var(--mixed)}.bad .sign{color:var(--bad)}\
h1{margin:1.1rem 0 .6rem;font-size:1.5rem;line-height:1.25}\
p{margin:.6rem 0 0}p:last-child{color:var(--soft)}\
code{display:inline-block;max-width:100%;padding:.1em .35em;border-radius:.3em;background:var(--back);font:.9em ui-monospace,monospace}";

/// With what stands in backticks set as code.
fn marked(text: &str) -> String {
    let mut html = String::new();
    for (index, part) in text.split('`').enumerate() {
        let part = escaped(part);
        html += &if index % 2 == 1 { format!("<code>{part}</code>") } else { part };
    }
    html
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
