//! Tickets: what the sign-in host gives at the end, good once, within a minute, for one service
//! (dossier garmin.md §3.2).
//!
//! A ticket is read out of whatever holds it: an address, an answer in JSON, a script of a page, a line that a
//! person has pasted. Where the text tells which service the ticket is for, that is read too.

use secrecy::{ExposeSecret, SecretString};

use super::host::{App, SsoHost};
use crate::endpoints::Domain;
use crate::reply::TICKET;

/// A ticket. Its `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct Ticket {
    secret: SecretString,
    /// What it is good for; `None`: the text did not tell.
    service: Option<String>,
}

impl Ticket {
    /// From what a person has pasted: an address, an answer, a page's text, or the bare ticket; `None` where
    /// there is none in it.
    pub fn read(pasted: &str) -> Option<Ticket> {
        find(pasted, |_| true)
    }

    /// From an address that a browser is about to ask for.
    pub fn in_url(url: &str) -> Option<Ticket> {
        find(url, is_parameter)
    }

    /// From an answer to a browser: JSON, or a page whose script or text holds the ticket.
    pub fn in_body(body: &str) -> Option<Ticket> {
        find(body, |before| is_parameter(before) || is_named(before))
    }

    /// One that is known to be for this service.
    pub(super) fn of(ticket: &str, service: String) -> Option<Ticket> {
        let found = find(ticket.trim(), |before| before.is_empty())?;
        Some(Ticket { service: Some(service), ..found })
    }

    pub(super) fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// The domain of the host that it is for, where that is one of Garmin's.
    pub(super) fn domain(&self) -> Option<Domain> {
        let service = url::Url::parse(self.service.as_deref()?).ok()?;
        let host = service.host_str()?;
        let is_of =
            |domain: &Domain| host.strip_suffix(domain.name()).is_some_and(|rest| rest.ends_with('.'));
        [Domain::Com, Domain::Cn].into_iter().find(is_of)
    }

    /// What it may be good for, the likeliest first. A wrong one may burn it, so none is tried without need.
    pub(super) fn services(&self, host: &SsoHost) -> Vec<String> {
        if let Some(service) = &self.service {
            return vec![service.clone()];
        }
        let apps = [App::Ios, App::Android].map(|app| host.app_service(app));
        let garmins_own = SsoHost::of_garmin(host.domain());
        let mut embedded = vec![host.embedded_service(), garmins_own.embedded_service()];
        embedded.dedup();
        let ticket = self.secret.expose_secret();
        if ticket.ends_with("-sso") {
            apps.to_vec()
        } else if ticket.ends_with("-cas") {
            embedded
        } else {
            embedded.into_iter().chain(apps).collect()
        }
    }
}

/// The first ticket in the text with something before it that will do.
fn find(text: &str, will_do: impl Fn(&str) -> bool) -> Option<Ticket> {
    // Scripts and JSON may escape what stands plainly in an address.
    let text = text.replace("\\/", "/").replace("\\u0026", "&").replace("&amp;", "&");
    let in_ticket = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.match_indices(TICKET).find_map(|(at, _)| {
        let (before, from) = text.split_at(at);
        let length = from.find(|c| !in_ticket(c)).unwrap_or(from.len());
        let ticket = from[..length].trim_end_matches(['.', '-', '_']);
        let begins_here = !before.ends_with(in_ticket);
        if !begins_here || ticket.len() <= TICKET.len() || !will_do(before) {
            return None;
        }
        Some(Ticket { secret: ticket.to_owned().into(), service: service(before, &from[ticket.len()..]) })
    })
}

/// `?ticket=` or `&ticket=`.
fn is_parameter(before: &str) -> bool {
    before.strip_suffix("ticket=").is_some_and(|before| before.ends_with(['?', '&']))
}

/// `"serviceTicketId": "`, `serviceTicket: '` and the like.
fn is_named(before: &str) -> bool {
    let name = before.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '=' | '"' | '\''));
    name.len() < before.len() && ["serviceTicketId", "serviceTicket"].iter().any(|of| name.ends_with(of))
}

/// The service that the text around a ticket names: the address that it is a parameter of, or a field.
fn service(before: &str, after: &str) -> Option<String> {
    if is_parameter(before) {
        let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`');
        let start =
            before.rfind(is_end).map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let url = before[start..].strip_suffix("ticket=")?;
        // More parameters may follow; without the ticket they come first.
        let rest = after.split(is_end).next().unwrap_or_default();
        let rest = rest.split('#').next().unwrap_or_default().trim_start_matches('&');
        let whole = if rest.is_empty() { url[..url.len() - 1].to_owned() } else { format!("{url}{rest}") };
        return is_address(&whole).then_some(whole);
    }
    let text = format!("{before}{after}");
    ["serviceURL", "serviceUrl", "service_url"].iter().find_map(|name| {
        let (_, value) = text.split_once(name)?;
        let value =
            value.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '=' | '"' | '\''));
        let value = value.split(['"', '\'', '\n', ' ']).next().unwrap_or_default();
        is_address(value).then(|| value.to_owned())
    })
}

fn is_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: &str = "ST-012345-AbCdEfGhIjKlMnOpQrSt-sso";

    fn parts(ticket: Option<Ticket>) -> Option<(String, Option<String>)> {
        ticket.map(|ticket| (ticket.secret.expose_secret().to_owned(), ticket.service))
    }

    #[test]
    fn a_ticket_is_read_out_of_whatever_is_pasted() {
        let embed = "https://sso.garmin.com/sso/embed";
        let ios = "https://mobile.integration.garmin.com/gcm/ios";
        let cases = [
            (T.to_owned(), None),
            (format!("  {T}\n"), None),
            (format!("my ticket is {T}."), None),
            (format!("{embed}?ticket={T}"), Some(embed.to_owned())),
            (format!("see {embed}?ticket={T}#top"), Some(embed.to_owned())),
            (format!("{embed}?a=1&ticket={T}&b=2"), Some(format!("{embed}?a=1&b=2"))),
            (format!("{embed}?ticket={T}&b=2"), Some(format!("{embed}?b=2"))),
            (format!("?ticket={T}"), None),
            (
                format!(r#"{{"serviceURL":"{}","serviceTicketId":"{T}"}}"#, ios.replace('/', "\\/")),
                Some(ios.to_owned()),
            ),
            (format!("{{serviceUrl: '{embed}', serviceTicket: '{T}'}}"), Some(embed.to_owned())),
            (
                format!("var response_url = \"{}?ticket={T}\";", embed.replace('/', "\\/")),
                Some(embed.to_owned()),
            ),
        ];
        for (text, service) in cases {
            assert_eq!(parts(Ticket::read(&text)), Some((T.to_owned(), service)), "{text}");
        }
        for text in ["", "ST-", "TEST-123-abc-sso", "HOST-1", "no ticket", "ST-.", "ST---"] {
            assert!(Ticket::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn in_passing_traffic_only_a_ticket_in_its_place_counts() {
        assert!(Ticket::in_url(&format!("https://x.test/?ticket={T}")).is_some());
        assert!(Ticket::in_url(&format!("https://x.test/{T}")).is_none());
        assert!(Ticket::in_url(&format!("https://x.test/?my-ticket={T}")).is_none());
        assert!(Ticket::in_body(&format!(r#"{{"serviceTicketId": "{T}"}}"#)).is_some());
        assert!(Ticket::in_body(&format!("serviceTicket: '{T}'")).is_some());
        assert!(Ticket::in_body(&format!("<p>{T}</p>")).is_none());
        assert!(Ticket::in_body(r#"{"serviceTicketId":null}"#).is_none());
    }

    #[test]
    fn a_bare_ticket_is_tried_for_the_services_that_its_end_allows() {
        let host = SsoHost::of_garmin(Domain::Cn);
        let services = |text: &str| Ticket::read(text).unwrap().services(&host);
        let ios = "https://mobile.integration.garmin.cn/gcm/ios";
        let android = "https://mobile.integration.garmin.cn/gcm/android";
        let embed = "https://sso.garmin.cn/sso/embed";
        assert_eq!(services("ST-1-a-sso"), [ios, android]);
        assert_eq!(services("ST-1-a-cas"), [embed]);
        assert_eq!(services("ST-1-a"), [embed, ios, android]);
        assert_eq!(services("https://x.test/y?ticket=ST-1-a-sso"), ["https://x.test/y"]);
    }

    #[test]
    fn the_service_tells_the_domain_where_it_is_garmins() {
        let domain = |text: &str| Ticket::read(text).unwrap().domain();
        assert_eq!(domain("https://sso.garmin.cn/sso/embed?ticket=ST-1-a-cas"), Some(Domain::Cn));
        assert_eq!(domain("https://sso.garmin.com/sso/embed?ticket=ST-1-a-cas"), Some(Domain::Com));
        assert_eq!(domain("https://notgarmin.com/?ticket=ST-1-a-cas"), None);
        assert_eq!(domain("http://127.0.0.1:8080/sso/embed?ticket=ST-1-a-cas"), None);
        assert_eq!(domain("ST-1-a-cas"), None);
    }

    #[test]
    fn a_ticket_does_not_show_itself() {
        let shown = format!("{:?}", Ticket::read(&format!("https://x.test/?ticket={T}")));
        assert!(!shown.contains(T) && shown.contains("x.test"), "{shown}");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*(ST-)?[a-z?&=\"'/ä#.-]{0,20}(ST-[a-z-]{0,6})?\\PC*") {
            let _ = (Ticket::read(&text), Ticket::in_url(&text), Ticket::in_body(&text));
        }
    }
}
