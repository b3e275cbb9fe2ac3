//! The way through a person's own browser: which page to open, and where the ticket goes by
//! (dossier garmin.md §3.1, §3.3).
//!
//! The page is the embedded one, since nothing on it uses the ticket up: a person without a driven browser may
//! copy it out of the address bar. Not here: the browser (`fitferry-browser`).

use url::Url;

use super::host::SsoHost;
use super::ticket::Ticket;

/// The page that a person signs in on (dossier garmin.md §2.3, P2).
pub fn page(host: &SsoHost) -> Url {
    let embedded = host.embedded_service();
    let mut page = host.at("/sso/signin");
    page.query_pairs_mut().append_pair("id", "gauth-widget").append_pair("embedWidget", "true").extend_pairs(
        ["gauthHost", "service", "source", "redirectAfterAccountLoginUrl", "redirectAfterAccountCreationUrl"]
            .map(|name| (name, embedded.as_str())),
    );
    page
}

/// When a request can show a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// By its address, before it leaves.
    Request,
    /// By its answer, before the page has it.
    Answer,
}

/// A kind of request to hold up and look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The address, where `*` stands for anything.
    pub pattern: String,
    pub moment: Moment,
}

/// Every place where a ticket is known to go by, whichever of Garmin's pages the person ends up on.
pub fn watches(host: &SsoHost) -> Vec<Watch> {
    let domain = host.domain();
    let own = |path: &str| format!("{}{path}*", host.at("").as_str().trim_end_matches('/'));
    let watch = |moment| move |pattern| Watch { pattern, moment };
    let addresses = [
        own("/sso/embed"),
        format!("https://mobile.integration.{domain}/*"),
        format!("https://connect.{domain}/*ticket=*"),
    ];
    let answers = [
        "/mobile/api/login",
        "/mobile/api/mfa/verifyCode",
        "/portal/api/login",
        "/portal/api/mfa/verifyCode",
        "/sso/signin",
        "/sso/login",
        "/sso/verifyMFA/",
    ];
    let answers = answers.map(own).into_iter().map(watch(Moment::Answer));
    addresses.into_iter().map(watch(Moment::Request)).chain(answers).collect()
}

/// The ticket of a request that went by: in its address, in the address that it was sent on to, or in the body
/// of its answer. A request that shows one is to be stopped, or the page uses the ticket up.
pub fn ticket_in(addresses: &[&str], body: Option<&str>) -> Option<Ticket> {
    addresses.iter().find_map(|url| Ticket::in_url(url)).or_else(|| Ticket::in_body(body?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Domain;

    #[test]
    fn the_page_is_the_embedded_one_of_the_domain() {
        let page = page(&SsoHost::of_garmin(Domain::Cn));
        let embed = "https%3A%2F%2Fsso.garmin.cn%2Fsso%2Fembed";
        let expected = format!(
            "https://sso.garmin.cn/sso/signin?id=gauth-widget&embedWidget=true&gauthHost={embed}\
             &service={embed}&source={embed}&redirectAfterAccountLoginUrl={embed}\
             &redirectAfterAccountCreationUrl={embed}"
        );
        assert_eq!(page.as_str(), expected);
    }

    #[test]
    fn tickets_are_watched_for_on_the_hosts_of_the_domain() {
        let watches = watches(&SsoHost::of_garmin(Domain::Com));
        let has = |pattern: &str, moment| watches.contains(&Watch { pattern: pattern.to_owned(), moment });
        assert!(has("https://sso.garmin.com/sso/embed*", Moment::Request));
        assert!(has("https://sso.garmin.com/sso/signin*", Moment::Answer));
        assert!(has("https://sso.garmin.com/mobile/api/login*", Moment::Answer));
        assert!(has("https://mobile.integration.garmin.com/*", Moment::Request));
    }

    #[test]
    fn a_ticket_shows_in_the_address_before_it_shows_in_the_body() {
        let in_both =
            ticket_in(&["https://x.test/?ticket=ST-1-a-cas"], Some(r#"{"serviceTicketId":"ST-2-b-sso"}"#));
        let host = SsoHost::of_garmin(Domain::Com);
        assert_eq!(in_both.unwrap().services(&host), ["https://x.test/"]);
        assert!(ticket_in(&["https://x.test/"], None).is_none());
        assert!(ticket_in(&["https://x.test/", "https://x.test/?ticket=ST-1-a-cas"], None).is_some());
    }
}
