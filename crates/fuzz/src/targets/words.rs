//! Error texts and web pages, on their way to a person.

use fitferry_strava::answers::{duplicate, words};

use crate::{Target, told};

pub(crate) const TARGET: Target = Target {
    name: "html",
    run,
    seeds,
    words: &[
        "<script>",
        "</script>",
        "<style>",
        "<!--",
        "-->",
        "<title>",
        "</title>",
        "&lt;",
        "&gt;",
        "&amp;",
        "&#39;",
        "&#x27;",
        "&#27;",
        "&#x1b;",
        "&#x202e;",
        "&nbsp;",
        "duplicate of activity ",
        "duplicate of <a href='/activities/",
        "<a ",
        "href=",
        "\u{1b}[31m",
        "\u{202e}",
        "</a>",
    ],
};

fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let shown = words(&text);
    told::plain(&shown, 200);
    assert_eq!(shown.trim(), shown);
    if let Some(Some(id)) = duplicate(&text) {
        assert!(id.0 > 0);
        // Entities may write digits; else they stand in the text.
        assert!(text.contains("&#") || text.contains(&id.to_string()), "{id} is not in {text:?}");
    }
}

fn seeds() -> Vec<Vec<u8>> {
    [
        "garmin-1.fit duplicate of activity 987",
        "x.fit duplicate of <a href='/activities/99' target='_blank'>TITLE</a>",
        "x.fit duplicate of &lt;a href=&#39;/activities/99&#39;&gt;T&lt;/a&gt;",
        "<html><head><title>502</title><style>p{}</style><script>if (a<b) x()</script></head><body><h1>Bad Gateway</h1><!-- x --></body></html>",
        "\u{1b}[31mred\u{7} &#27;[2J &#x1b; &amp;lt;script&amp;gt;",
        "<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
