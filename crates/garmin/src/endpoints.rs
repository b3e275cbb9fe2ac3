//! Which hosts are asked: Garmin's, China's, or a test server's.

use std::fmt;

use url::Url;

/// One of Garmin's two separate worlds of accounts (dossier garmin.md §1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Domain {
    #[default]
    Com,
    Cn,
}

impl Domain {
    /// As the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            Domain::Com => "garmin.com",
            Domain::Cn => "garmin.cn",
        }
    }

    pub fn from_name(name: &str) -> Option<Domain> {
        [Domain::Com, Domain::Cn].into_iter().find(|domain| domain.name() == name)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The hosts of one domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The Personal API, its key exchange included.
    pub personal: Url,
    /// The Connect API.
    pub api: Url,
    /// The token endpoint of the Connect API.
    pub auth: Url,
}

impl Endpoints {
    /// Garmin's own hosts. That the Personal API has one in China is a guess (dossier garmin.md §0.1).
    pub fn for_domain(domain: Domain) -> Endpoints {
        let url = |host: &str| {
            Url::parse(&format!("https://{host}.{domain}")).expect("the names above make valid URLs")
        };
        Endpoints { personal: url("personal.connectapi"), api: url("connectapi"), auth: url("diauth") }
    }

    /// These, for a login of `domain`: hosts of Garmin's move there, others stay what they are.
    pub(crate) fn within(&self, domain: Domain) -> Endpoints {
        Endpoints {
            personal: moved(&self.personal, domain),
            api: moved(&self.api, domain),
            auth: moved(&self.auth, domain),
        }
    }
}

/// Garmin's own host in the other domain; others stay what they are.
pub(crate) fn moved(url: &Url, domain: Domain) -> Url {
    let mut url = url.clone();
    let host = url.host_str().and_then(|host| {
        [".garmin.com", ".garmin.cn"].iter().find_map(|end| host.strip_suffix(end)).map(str::to_owned)
    });
    if let Some(host) = host
        && url.set_host(Some(&format!("{host}.{domain}"))).is_err()
    {
        tracing::warn!(%url, "cannot move this host to {domain}");
    }
    url
}

/// `path` below what may be a URL with a path of its own.
pub(crate) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_in_china_moves_garmins_hosts_and_no_others() {
        let mut endpoints = Endpoints::for_domain(Domain::Com);
        assert_eq!(endpoints.within(Domain::Cn), Endpoints::for_domain(Domain::Cn));
        endpoints.api = Url::parse("http://127.0.0.1:8080/api").unwrap();
        assert_eq!(endpoints.within(Domain::Cn).api, endpoints.api);
        assert_eq!(endpoints.within(Domain::Cn).auth.as_str(), "https://diauth.garmin.cn/");
    }

    #[test]
    fn a_path_goes_below_the_path_of_its_base() {
        let base = Url::parse("http://127.0.0.1:8080/garmin/").unwrap();
        assert_eq!(below(&base, "/a/1").as_str(), "http://127.0.0.1:8080/garmin/a/1");
        assert_eq!(below(&Url::parse("https://x.test").unwrap(), "/a").as_str(), "https://x.test/a");
    }
}
