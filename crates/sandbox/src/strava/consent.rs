//! The page on which a person lets an app in: one box for each scope, *Authorize*, *Cancel*
//! (dossier strava.md §1.2, §1.3).
//!
//! Plain HTML with one form, so that a browser, or a small program in its place, can answer it. Mistakes in the
//! request are shown on the page and never sent to the redirect address.

use std::collections::BTreeSet;

use jiff::Timestamp;
use url::Url;

use super::{Refusal, Strava};
use crate::message::{Fields, Reply, Request};
use crate::page::{escape, page};
use crate::rng::Rng;

const SCOPES: &[(&str, &str)] = &[
    ("read", "View data about your public profile"),
    ("read_all", "View data about your private routes, segments and events"),
    ("profile:read_all", "View your complete Strava profile"),
    ("profile:write", "Update your Strava profile"),
    ("activity:read", "View data about your activities"),
    ("activity:read_all", "View data about your private activities"),
    ("activity:write", "Upload your activities from the app to Strava"),
];

/// A request that may be shown to the person.
struct Asked {
    app: u64,
    redirect: Url,
    redirect_text: String,
    scopes: Vec<String>,
    state: String,
    always_asks: bool,
}

impl Strava {
    pub(super) fn consent(&mut self, request: &Request, now: Timestamp, rng: &mut Rng) -> Reply {
        let fields = if request.method == "POST" { request.form_fields() } else { request.query_fields() };
        let asked = match self.understand(&fields) {
            Ok(asked) => asked,
            Err(refusal) => return refusal.reply(),
        };
        if request.method != "POST" {
            return self.show(&asked, now, rng);
        }
        if fields.get("decision") != Some("authorize") {
            return leave(&asked, &[("state", &asked.state), ("error", "access_denied")]);
        }
        // Only what was asked for can be granted, in the order of the request.
        let ticked: BTreeSet<&str> = fields.all("granted").collect();
        let granted: Vec<_> =
            asked.scopes.iter().map(String::as_str).filter(|scope| ticked.contains(scope)).collect();
        self.let_in(&asked, &granted, now, rng)
    }

    fn show(&mut self, asked: &Asked, now: Timestamp, rng: &mut Rng) -> Reply {
        if self.is_full(asked.app, self.browser) {
            return Refusal::Capacity.reply();
        }
        let has = |scope: &String| {
            self.grant(asked.app, self.browser).is_some_and(|grant| grant.scopes.contains(scope))
        };
        // `auto` does not ask again for what is granted already.
        if !asked.always_asks && asked.scopes.iter().all(has) {
            let scopes: Vec<_> = asked.scopes.iter().map(String::as_str).collect();
            return self.let_in(asked, &scopes, now, rng);
        }
        Reply::html(200, &self.page(asked))
    }

    fn let_in(&mut self, asked: &Asked, scopes: &[&str], now: Timestamp, rng: &mut Rng) -> Reply {
        match self.issue_code(asked.app, self.browser, scopes, now, rng) {
            Ok(code) => {
                leave(asked, &[("state", &asked.state), ("code", &code), ("scope", &scopes.join(","))])
            }
            Err(refusal) => refusal.reply(),
        }
    }

    fn understand(&self, fields: &Fields) -> Result<Asked, Refusal> {
        let bad = |field, code| Refusal::Bad("Application", field, code);
        let client_id = fields.get("client_id").ok_or(bad("client_id", "missing"))?;
        let id = client_id.parse().map_err(|_| bad("client_id", "invalid"))?;
        let app = self.apps.get(&id).ok_or(bad("client_id", "invalid"))?;
        let redirect_text = fields.get("redirect_uri").ok_or(bad("redirect_uri", "missing"))?;
        let redirect = Url::parse(redirect_text).map_err(|_| bad("redirect_uri", "invalid"))?;
        let host = redirect.host_str().unwrap_or_default();
        if !["localhost", "127.0.0.1", app.callback_domain.as_str()].contains(&host) {
            return Err(bad("redirect_uri", "invalid"));
        }
        if fields.get("response_type") != Some("code") {
            return Err(bad("response_type", "invalid"));
        }
        let scope = fields.get("scope").filter(|scope| !scope.is_empty()).ok_or(bad("scope", "missing"))?;
        let scopes: Vec<_> =
            scope.split([',', ' ']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
        if scopes.iter().any(|scope| SCOPES.iter().all(|(known, _)| known != scope)) {
            return Err(bad("scope", "invalid"));
        }
        Ok(Asked {
            app: id,
            redirect,
            redirect_text: redirect_text.to_owned(),
            scopes,
            state: fields.get("state").unwrap_or_default().to_owned(),
            always_asks: fields.get("approval_prompt") == Some("force"),
        })
    }

    fn page(&self, asked: &Asked) -> String {
        let app = self.apps.get(&asked.app).map_or("", |app| app.name.as_str());
        let athlete = self.athletes.get(&self.browser).map_or("", |athlete| athlete.firstname.as_str());
        let boxes: String = asked
            .scopes
            .iter()
            .map(|scope| {
                let meaning =
                    SCOPES.iter().find(|(known, _)| known == scope).map_or("", |(_, meaning)| meaning);
                format!(
                    "<li><label><input type=\"checkbox\" name=\"granted\" value=\"{scope}\" checked>\
                     <span>{meaning} <small>({scope})</small></span></label></li>\n"
                )
            })
            .collect();
        let hidden: String = [
            ("client_id", asked.app.to_string()),
            ("redirect_uri", asked.redirect_text.clone()),
            ("response_type", "code".to_owned()),
            ("scope", asked.scopes.join(",")),
            ("state", asked.state.clone()),
        ]
        .iter()
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", escape(value)))
        .collect();
        let body = format!(
            "<h1>Authorize {app} to connect to Strava</h1>\n\
             <p>Signed in as {athlete}. This is the sandbox's Strava, not the real one.</p>\n\
             <form method=\"post\" action=\"/oauth/authorize\">\n{hidden}\
             <p>{app} will be able to:</p>\n<ul>\n{boxes}</ul>\n\
             <button type=\"submit\" name=\"decision\" value=\"authorize\" id=\"authorize\" class=\"main\">\
             Authorize</button>\n\
             <button type=\"submit\" name=\"decision\" value=\"cancel\" id=\"cancel\">Cancel</button>\n\
             </form>\n",
            app = escape(app),
            athlete = escape(athlete),
        );
        page(&format!("Authorize {app} | Strava (sandbox)"), "#d94f00", "", &body)
    }
}

fn leave(asked: &Asked, fields: &[(&str, &str)]) -> Reply {
    let mut target = asked.redirect.clone();
    target.query_pairs_mut().extend_pairs(fields);
    Reply::redirect(302, target.as_str())
}
