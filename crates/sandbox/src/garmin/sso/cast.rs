//! Accounts of every kind, for a person who clicks through the pages.

use jiff::{SignedDuration, Timestamp};

use super::{Block, BlockForm, Mfa, MfaMethod, PASSWORD, Sso, SsoUser, Standing};
use crate::garmin::ATHLETE;

impl Sso {
    /// Adds an account for each thing that may become of signing in. All are the same person's, with [`PASSWORD`].
    pub fn add_cast(&mut self, now: Timestamp) {
        let mut add = |name: &str, change: &dyn Fn(&mut SsoUser)| {
            let mut user = SsoUser::new(ATHLETE, PASSWORD);
            change(&mut user);
            self.add(&format!("{name}@garmin.example"), user);
        };
        add("mail", &|user| user.mfa = Some(Mfa::email()));
        add("sms", &|user| user.mfa = Some(Mfa::sms()));
        add("app", &|user| user.mfa = Some(Mfa::app()));
        add("captcha", &|user| user.wants_captcha = true);
        add("locked", &|user| user.standing = Standing::Locked);
        add("reset", &|user| user.standing = Standing::PasswordResetNeeded);
        add("text", &|user| user.sees_ticket_as_text = true);
        add("blocked", &|user| {
            let lasts = SignedDuration::from_hours(2);
            let (status, form) = (429, BlockForm::Html);
            user.block = Some(Block { until: now + lasts, lasts, status, retry_after: None, form });
        });
    }
}

impl SsoUser {
    /// What becomes of signing in, in a few words.
    pub(super) fn in_words(&self) -> &'static str {
        match (&self.mfa, self.standing) {
            _ if self.block.is_some() => "blocked as by Cloudflare",
            (_, Standing::Locked) => "locked",
            (_, Standing::Disabled) => "disabled",
            (_, Standing::Problem) => "has a problem",
            (_, Standing::PasswordResetNeeded) => "has to reset the password",
            _ if self.wants_captcha => "wants a captcha",
            _ if self.sees_ticket_as_text => "ends on a page that shows the ticket",
            (Some(mfa), _) => match mfa.method {
                MfaMethod::Email => "wants a code by e-mail",
                MfaMethod::Sms => "wants a code by SMS",
                MfaMethod::App => "wants a code of an authenticator",
            },
            (None, _) => "signs in",
        }
    }
}
