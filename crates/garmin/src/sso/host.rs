//! The sign-in host, and the addresses that tickets are good for (dossier garmin.md §1, §2).

use url::Url;

use crate::endpoints::{Domain, below, moved};

/// The sign-in host of one domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsoHost {
    base: Url,
    domain: Domain,
}

impl SsoHost {
    /// `base` as the configuration has it; Garmin's own host is that of `domain` whatever stands there, a test
    /// server's stays what it is.
    pub fn new(base: &Url, domain: Domain) -> SsoHost {
        SsoHost { base: moved(base, domain), domain }
    }

    /// Garmin's own.
    pub fn of_garmin(domain: Domain) -> SsoHost {
        let base = Url::parse(&format!("https://sso.{domain}")).expect("the two names make valid URLs");
        SsoHost { base, domain }
    }

    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// This host for accounts of another domain, as a ticket may turn out to be of.
    pub(super) fn within(&self, domain: Domain) -> SsoHost {
        SsoHost::new(&self.base, domain)
    }

    pub(super) fn at(&self, path: &str) -> Url {
        below(&self.base, path)
    }

    /// `https://sso.garmin.com`, as the header `Origin` has it.
    pub(super) fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// What tickets of the embedded page are good for.
    pub(super) fn embedded_service(&self) -> String {
        self.at("/sso/embed").to_string()
    }

    /// What tickets of the phone app's page are good for: a name, which nobody visits.
    pub(super) fn app_service(&self, app: App) -> String {
        format!("https://mobile.integration.{}/gcm/{}", self.domain, app.path())
    }
}

/// Garmin's phone app, on one of two systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum App {
    Ios,
    Android,
}

impl App {
    fn path(self) -> &'static str {
        match self {
            App::Ios => "ios",
            App::Android => "android",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinas_host_has_chinas_services_and_a_test_server_stays() {
        let china = SsoHost::new(&Url::parse("https://sso.garmin.com").unwrap(), Domain::Cn);
        assert_eq!(china, SsoHost::of_garmin(Domain::Cn));
        assert_eq!(china.origin(), "https://sso.garmin.cn");
        assert_eq!(china.embedded_service(), "https://sso.garmin.cn/sso/embed");
        assert_eq!(china.app_service(App::Ios), "https://mobile.integration.garmin.cn/gcm/ios");
        let test = SsoHost::new(&Url::parse("http://127.0.0.1:8080/sso-host/").unwrap(), Domain::Cn);
        assert_eq!(test.origin(), "http://127.0.0.1:8080");
        assert_eq!(test.embedded_service(), "http://127.0.0.1:8080/sso-host/sso/embed");
    }
}
