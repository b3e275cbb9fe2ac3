//! How the sandbox's web pages look: one narrow card, light and dark, from the width of a phone up.
//!
//! Plain HTML that a browser, or a small program in its place, can answer. Not here: what a page asks for.

/// A whole page around `body`, which is HTML already; `head` is more of the page's head.
pub(crate) fn page(title: &str, accent: &str, head: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>:root{{--accent:{accent}}}{STYLE}</style>\n{head}</head>\n\
         <body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        title = escape(title),
    )
}

/// Text as it stands in HTML, in an attribute too.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const STYLE: &str = "\
    :root{color-scheme:light dark;--back:#f4f4f2;--card:#fff;--ink:#222;--soft:#6b6b6b;--line:#bbb;--bad:#a4161a}\
    @media(prefers-color-scheme:dark){:root{--back:#161615;--card:#222221;--ink:#ececea;--soft:#a3a3a0;--line:#555;\
    --bad:#ff9a94}}\
    *{box-sizing:border-box}[hidden]{display:none!important}\
    body{font:16px/1.5 system-ui,sans-serif;background:var(--back);color:var(--ink);margin:0;padding:1.25rem}\
    main{max-width:36rem;margin:min(4rem,6vh) auto;padding:2rem;background:var(--card);border-radius:8px;\
    overflow-wrap:anywhere}\
    h1{font-size:1.4rem;line-height:1.3;margin-top:0}ul{list-style:none;padding:0}li{margin:.5rem 0}\
    label{display:flex;gap:.6rem}input[type=checkbox]{flex:none;width:1.1rem;height:1.1rem;margin:.2rem 0 0;\
    accent-color:var(--accent)}small,.small{color:var(--soft)}.small{font-size:smaller}summary{cursor:pointer}\
    label.field{display:block;margin:1rem 0}\
    label.field input{display:block;width:100%;font:inherit;margin-top:.25rem;padding:.5rem .6rem;\
    border:1px solid var(--line);border-radius:4px;background:transparent;color:inherit}\
    .error{color:var(--bad)}\
    button{font:inherit;margin:.5rem .5rem 0 0;padding:.5rem 1.2rem;border:1px solid var(--line);border-radius:4px;\
    background:transparent;color:inherit}\
    button.main{background:var(--accent);border-color:var(--accent);color:#fff}";
