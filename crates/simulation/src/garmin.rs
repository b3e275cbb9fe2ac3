//! Garmin's door: what the client in `fitferry-garmin` does, one call at a time, without HTTP.
//!
//! A bearer is got and renewed by the rule *Tokens*, requests are spaced, a 401 is answered by a new bearer and one
//! more try, and each answer is read for what it says about the service or about the activity (*Blame*).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fitferry_core::activity::{
    Distance, FileKind, GarminId, Listed, Sha256, Summary, elapsed_from_number, elapsed_of,
};
use fitferry_core::ledger::RejectReason;
use fitferry_core::moment::{earlier, later};
use fitferry_core::ports::{
    Answer, Clock as _, Download, Failure, Original, Page, PortError, PutError, SecretName, Service, Source,
    Vault as _, Version,
};
use fitferry_core::tokens::{self, Held};
use fitferry_sandbox::What;
use fitferry_sandbox::direct::{Denial, HandedOut, Heard};
use fitferry_sandbox::garmin::{self, Durations, GarminActivity, ListQuery, Parcel, Tier};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use sha2::Digest as _;

use crate::dice::{mins, secs};
use crate::events::InFlight;
use crate::life::Curse;
use crate::login::{Bearer, ConnectLogin, GARMIN_CLIENT, Pair, key_of};
use crate::oracle;
use crate::plan::GarminLogin;
use crate::process::Process;
use crate::scene::{Point, State, name};

/// A bearer is renewed with this much left.
const MARGIN: SignedDuration = mins(60);
/// When an early renewal that failed is tried again.
const TRY_AGAIN: SignedDuration = mins(5);
/// How many activities the engine asks for when it looks at the newest ones.
const LOOK_PAGE: u32 = 20;
const TIMEOUT: SignedDuration = secs(30);
const DOWNLOAD_TIMEOUT: SignedDuration = secs(120);

/// A bearer, and whether it comes straight from the token endpoint.
struct Ready {
    bearer: Bearer,
    just_issued: bool,
}

/// An answer as it arrived, and when by the service's clock.
struct Arrived<T> {
    answer: Result<T, Denial>,
    /// The body ended before its end.
    is_cut: bool,
    date: Timestamp,
}

impl<T> Arrived<T> {
    fn fail(&self, error: PortError) -> Failure {
        Failure { error, usage: None, server_time: Some(self.date) }
    }

    fn is_unauthorized(&self) -> bool {
        matches!(self.answer, Err(Denial::Garmin { status: 401, .. } | Denial::Gateway(401)))
    }
}

fn down(status: Option<u16>, what: &str) -> PortError {
    PortError::Down { service: Service::Garmin, status, what: what.to_owned() }
}

fn refused(status: Option<u16>, what: &str) -> PortError {
    PortError::Refused { service: Service::Garmin, status, what: what.to_owned() }
}

/// What any answer but a good one says about the service.
fn blamed(denial: &Denial) -> PortError {
    match denial {
        Denial::Unseen => down(None, "no answer"),
        Denial::TooMany { retry_after } => PortError::Limited {
            service: Service::Garmin,
            until: None,
            retry_after: retry_after.map(|seconds| Duration::from_secs(seconds.into())),
        },
        Denial::Gateway(408 | 500..=599) | Denial::WebPage(408 | 500..=599) => down(None, "it answers 5xx"),
        Denial::Gateway(429) | Denial::WebPage(429) => {
            PortError::Limited { service: Service::Garmin, until: None, retry_after: None }
        }
        Denial::Gateway(status) => refused(Some(*status), "an answer that is not known"),
        Denial::WebPage(status) => refused(Some(*status), "a web page instead of data"),
        Denial::Redirect(status) => refused(Some(*status), "a redirect, which is not followed"),
        Denial::Garmin { status: status @ (408 | 500..=599), .. } => down(Some(*status), "it answers 5xx"),
        Denial::Garmin { status, .. } => refused(Some(*status), "an answer that is not known"),
        Denial::Half => refused(Some(200), "what should be JSON cannot be read"),
        Denial::Strava(_) => unreachable!("Garmin does not speak as Strava does"),
    }
}

impl Process {
    fn tier(&self) -> Tier {
        match self.state().plan.garmin_login {
            GarminLogin::Key => Tier::Personal,
            GarminLogin::Pair => Tier::Connect,
        }
    }

    /// A request with a bearer, replayed once after a 401.
    async fn ask_garmin<T>(
        &self,
        timeout: SignedDuration,
        call: impl Fn(&mut State, &str) -> Heard<T>,
    ) -> Result<Arrived<T>, Failure> {
        let Ready { bearer, just_issued } = self.bearer().await?;
        let arrived = self.ask_garmin_once(&bearer, timeout, &call).await?;
        if !arrived.is_unauthorized() {
            return Ok(arrived);
        }
        let outage = || refused(Some(401), "Garmin refuses a bearer that it has just issued");
        if just_issued {
            return Err(arrived.fail(outage()));
        }
        let bearer = self.renew_bearer(Some(&bearer.token)).await?.bearer;
        let arrived = self.ask_garmin_once(&bearer, timeout, &call).await?;
        if arrived.is_unauthorized() { Err(arrived.fail(outage())) } else { Ok(arrived) }
    }

    async fn ask_garmin_once<T>(
        &self,
        bearer: &Bearer,
        timeout: SignedDuration,
        call: &impl Fn(&mut State, &str) -> Heard<T>,
    ) -> Result<Arrived<T>, Failure> {
        self.client().bearer = Some(bearer.clone());
        self.spaced().await;
        self.meter.garmin();
        self.travel(Point::ToGarmin, Point::FromGarmin, timeout, |state| {
            state.stats.garmin_requests += 1;
            oracle::garmin_asked(state, self.runner);
            call(state, &bearer.token)
        })
        .await
    }

    /// There and back again, with whatever may happen on the way.
    async fn travel<T>(
        &self,
        there: Point,
        back: Point,
        timeout: SignedDuration,
        call: impl FnOnce(&mut State) -> Heard<T>,
    ) -> Result<Arrived<T>, Failure> {
        let trip = self.state().trip(self.runner, timeout);
        self.pass(there, trip.there).await;
        if trip.is_lost_before {
            self.pass(back, trip.patience).await;
            return Err(down(None, "no answer in time").into());
        }
        let heard = call(&mut self.state());
        let Heard { answer, date, fault, .. } = heard;
        self.pass(back, trip.back).await;
        let is_lost = trip.is_lost_after || matches!(fault, Some(What::DropAfter));
        if is_lost || answer.as_ref().is_err_and(|denial| *denial == Denial::Unseen) {
            let mut state = self.state();
            state.stats.lost_answers += 1;
            state.slots[self.runner].tick.was_hit = true;
            return Err(down(None, "the connection ended without an answer").into());
        }
        let is_cut = matches!(fault, Some(What::CutBody));
        if is_cut || answer.is_err() {
            self.state().slots[self.runner].tick.was_hit = true;
        }
        Ok(Arrived { answer, is_cut, date })
    }

    fn note_limit(&self, error: &PortError) {
        if let PortError::Limited { retry_after, .. } = error {
            let asked = retry_after.and_then(|wait| SignedDuration::try_from(wait).ok()).unwrap_or_default();
            let mut state = self.state();
            let until = state.now + asked.max(mins(1));
            state.slots[self.runner].tick.garmin_limited_until = Some(until);
        }
    }

    /// The least time between the beginnings of two requests.
    async fn spaced(&self) {
        let last = self.client().last_request;
        let spacing = self.state().plan.settings.timing.garmin_spacing.unsigned_abs();
        if let Some(last) = last {
            let wait = (last + spacing).saturating_sub(self.monotonic());
            if !wait.is_zero() {
                self.sleep(wait).await;
            }
        }
        self.client().last_request = Some(self.monotonic());
    }

    // --------------------------------------------------------------------------- *Tokens*

    /// The bearer in the vault, or a new one where that wants to be renewed.
    async fn bearer(&self) -> Result<Ready, Failure> {
        let stored = self.get(SecretName::GarminBearer).await?;
        match stored.and_then(|(secret, _)| Bearer::read(&secret)) {
            Some(bearer) if self.now() < bearer.due() => Ok(Ready { bearer, just_issued: false }),
            None if self.get(SecretName::GarminLogin).await?.is_none() => {
                Err(tokens::no_login(Service::Garmin))
            }
            _ => self.renew_bearer(None).await,
        }
    }

    /// A bearer other than `void`, under the lease.
    async fn renew_bearer(&self, void: Option<&str>) -> Result<Ready, Failure> {
        let held = Held::take(self, self).await?;
        let outcome = self.renew_bearer_under_lease(void).await;
        held.release().await?;
        outcome
    }

    async fn renew_bearer_under_lease(&self, void: Option<&str>) -> Result<Ready, Failure> {
        let Some((login, _)) = self.get_fresh(SecretName::GarminLogin).await? else {
            return Err(tokens::no_login(Service::Garmin));
        };
        let (stored, version) = match self.get_fresh(SecretName::GarminBearer).await? {
            Some((secret, version)) => (Bearer::read(&secret), version),
            None => (None, Version::ABSENT),
        };
        let stored = stored.filter(|old| void.is_none_or(|void| old.token != void));
        if let Some(bearer) = &stored
            && self.now() < bearer.due()
        {
            return Ok(Ready { bearer: bearer.clone(), just_issued: false });
        }
        match self.issue(&login, void).await {
            Ok(ready) => {
                self.keep_bearer(&ready.bearer, version).await?;
                Ok(ready)
            }
            Err(failure) => {
                let may_pass = matches!(
                    failure.error,
                    PortError::Down { .. } | PortError::Refused { .. } | PortError::Limited { .. }
                );
                let old = stored.filter(|old| may_pass && self.now() < earlier(old.ends, old.skew));
                let Some(mut old) = old else { return Err(failure) };
                old.renew_at = later(later(self.now(), old.skew), TRY_AGAIN).min(old.ends);
                self.keep_bearer(&old, version).await?;
                Ok(Ready { bearer: old, just_issued: false })
            }
        }
    }

    async fn issue(&self, login: &SecretString, void: Option<&str>) -> Result<Ready, Failure> {
        if let Some(key) = key_of(login) {
            let bearer = self.exchange_key(key).await?;
            return Ok(Ready { bearer, just_issued: true });
        }
        let before = <ConnectLogin as tokens::RotatingLogin>::read(login)
            .map_err(|why| Failure::from(PortError::LoginNeeded { service: Service::Garmin, why }))?;
        let usable = |login: &ConnectLogin| {
            let bearer = Bearer::of_pair(&login.pairs.current);
            self.now() < bearer.due() && void.is_none_or(|void| bearer.token != void)
        };
        let exchange = |_: ConnectLogin, pair: Pair| self.exchange_pair(pair);
        let renewed: ConnectLogin = tokens::renew(self, self, self, usable, exchange).await?;
        let just_issued = renewed.pairs.current.access != before.pairs.current.access;
        Ok(Ready { bearer: Bearer::of_pair(&renewed.pairs.current), just_issued })
    }

    async fn exchange_key(&self, key: &str) -> Result<Bearer, Failure> {
        self.spaced().await;
        self.meter.token();
        let travel = self.travel(Point::ToToken, Point::FromToken, TIMEOUT, |state| {
            state.stats.token_requests += 1;
            let now = state.now;
            let lifetime = state.world.garmin.tokens.personal_lifetime;
            state.world.garmin_key(key, now).map(|token| (token, now + lifetime))
        });
        let arrived = travel.await?;
        match &arrived.answer {
            Ok((token, ends)) if !arrived.is_cut => Ok(Bearer {
                token: token.clone(),
                ends: *ends,
                renew_at: earlier(*ends, MARGIN),
                skew: arrived.date.duration_since(self.now()),
            }),
            Ok(_) => Err(arrived.fail(down(Some(200), "the token was cut short"))),
            Err(Denial::Garmin { status: 400 | 401 | 403, .. } | Denial::Gateway(400 | 401 | 403)) => {
                let why = "Garmin refuses the Personal API key".to_owned();
                Err(arrived.fail(PortError::LoginNeeded { service: Service::Garmin, why }))
            }
            Err(denial) => Err(arrived.fail(blamed(denial))),
        }
    }

    async fn exchange_pair(&self, pair: Pair) -> Result<Pair, Failure> {
        self.spaced().await;
        self.meter.token();
        let refresh_token = pair.refresh.clone();
        self.state().slots[self.runner].in_flight = Some(InFlight::GarminRefresh {
            refresh_token: refresh_token.clone(),
            client_id: GARMIN_CLIENT.to_owned(),
        });
        let travel = self.travel(Point::ToToken, Point::FromToken, TIMEOUT, |state| {
            state.slots[self.runner].in_flight = None;
            state.stats.token_requests += 1;
            refresh_arrives(state, Some(self.runner), &refresh_token, GARMIN_CLIENT)
        });
        let travelled = travel.await;
        self.state().slots[self.runner].in_flight = None;
        let arrived = travelled?;
        match &arrived.answer {
            Ok((access, refresh, ends)) if !arrived.is_cut => {
                oracle::tokens::heard(&mut self.state(), Service::Garmin, refresh);
                Ok(Pair {
                    access: access.clone(),
                    refresh: refresh.clone(),
                    ends: *ends,
                    skew: arrived.date.duration_since(self.now()),
                })
            }
            Ok(_) => Err(arrived.fail(down(Some(200), "the token was cut short"))),
            Err(Denial::Garmin { status: 400 | 401, .. }) => {
                let why = "Garmin refuses the refresh token".to_owned();
                Err(arrived.fail(PortError::LoginNeeded { service: Service::Garmin, why }))
            }
            Err(denial) => Err(arrived.fail(blamed(denial))),
        }
    }

    /// A bearer can always be got again, so one that another run has just written stays.
    async fn keep_bearer(&self, bearer: &Bearer, version: Version) -> Result<(), Failure> {
        match self.replace(SecretName::GarminBearer, version, &bearer.write()).await {
            Ok(_) | Err(PutError::Conflict) => Ok(()),
            Err(PutError::Store(error)) => Err(error.into()),
        }
    }
}

/// Garmin makes a new pair, whoever hears of it: `by` is the runner that waits for the answer.
pub(crate) fn refresh_arrives(
    state: &mut State,
    by: Option<usize>,
    refresh_token: &str,
    client_id: &str,
) -> Heard<(String, String, Timestamp)> {
    let now = state.now;
    let lifetime = state.world.garmin.tokens.access_lifetime;
    let before = state.world.garmin.tokens.takes(refresh_token, now);
    let heard = state.world.garmin_refresh(refresh_token, client_id, now);
    if before && !state.world.garmin.tokens.takes(refresh_token, now) {
        oracle::tokens::rotated(state, Service::Garmin, by);
    }
    heard.map(|pair| (pair.access_token, pair.refresh_token, now + lifetime))
}

impl Bearer {
    fn of_pair(pair: &Pair) -> Bearer {
        let Pair { access, ends, skew, .. } = pair;
        Bearer { token: access.clone(), ends: *ends, renew_at: earlier(*ends, MARGIN), skew: *skew }
    }

    /// When it wants to be renewed, on our clock.
    fn due(&self) -> Timestamp {
        earlier(self.renew_at, self.skew)
    }
}

#[async_trait]
impl Source for Process {
    async fn list(&self, page: Page) -> Result<Answer<Vec<Listed>>, Failure> {
        let query = ListQuery {
            start: page.start.into(),
            limit: page.limit.into(),
            from: page.from,
            to: page.to,
            ..ListQuery::default()
        };
        // A sweep begins with another page, of another length.
        let is_newest =
            page.start == 0 && page.limit == LOOK_PAGE && page.from.is_none() && page.to.is_none();
        let tier = self.tier();
        self.state().slots[self.runner].tick.listing_failed = true;
        let arrived = self
            .ask_garmin(TIMEOUT, |state, bearer| {
                if query.start > 0 {
                    let in_look = page.limit == LOOK_PAGE && page.from.is_none();
                    crate::life::shift(state, self.runner, query.start, in_look);
                }
                if is_newest {
                    state.slots[self.runner].tick.garmin_changes = state.garmin_changes;
                }
                let now = state.now;
                let heard = state.world.garmin_list(tier, bearer, &query, now);
                let told = match &heard.answer {
                    Ok(page) => format!("{} items", page.len()),
                    Err(denial) => format!("{denial:?}"),
                };
                if let Some(lines) = &mut state.trace {
                    let (by, skip) = (name(self.runner), query.start);
                    lines.push(format!("{now:.3}  {by} reads Garmin's list after {skip}: {told}"));
                }
                heard.map(|page| page.into_iter().map(listed).collect::<Vec<_>>())
            })
            .await?;
        let server_time = Some(arrived.date);
        match &arrived.answer {
            Ok(_) if arrived.is_cut => Err(arrived.fail(down(Some(200), "the answer was cut short"))),
            Ok(_) => {
                let value = arrived.answer.unwrap_or_default();
                self.state().slots[self.runner].tick.listing_failed = false;
                if page.limit == LOOK_PAGE && page.from.is_none() && page.to.is_none() {
                    let reached = usize::try_from(page.start + page.limit).unwrap_or(0);
                    self.state().slots[self.runner].tick.look_reached = reached;
                }
                if is_newest {
                    self.state().slots[self.runner].tick.newest_page =
                        value.iter().map(|listed| listed.id).collect();
                }
                Ok(Answer { value, usage: None, server_time })
            }
            Err(denial) => {
                let error = blamed(denial);
                self.note_limit(&error);
                Err(arrived.fail(error))
            }
        }
    }

    async fn download(&self, id: GarminId) -> Result<Answer<Download>, Failure> {
        let tier = self.tier();
        let curse = self.state().life.fact(id).map_or(Curse::None, |fact| fact.curse);
        self.state().tell(|| format!("{} downloads {id}", name(self.runner)));
        if let Curse::Silent(until) = curse
            && until.is_none_or(|until| self.state().now < until)
        {
            self.spaced().await;
            self.meter.garmin();
            self.pass(Point::ToGarmin, DOWNLOAD_TIMEOUT).await;
            return Err(down(None, "no answer in time").into());
        }
        let arrived = self
            .ask_garmin(DOWNLOAD_TIMEOUT, |state, bearer| {
                let now = state.now;
                state.world.garmin_download(tier, bearer, id.0, now).map(|handed_out| parcel(&handed_out))
            })
            .await?;
        if curse == Curse::Poison && arrived.answer.is_ok() {
            self.state().tell(|| format!("{} is killed by the file of {id}", name(self.runner)));
            self.die().await;
        }
        let server_time = Some(arrived.date);
        let broken = |what: &str| Ok(Download::Broken(what.to_owned()));
        let value = match &arrived.answer {
            Ok(_) if arrived.is_cut => broken("the download was cut"),
            Ok(download) => Ok(download.clone()),
            Err(Denial::Half) => broken("the archive is damaged"),
            Err(Denial::Garmin { status: 404 | 410, .. } | Denial::Gateway(404 | 410)) => {
                Ok(Download::NoFile)
            }
            Err(Denial::Garmin { status: 400 | 403 | 500, message }) => {
                Ok(Download::Unavailable(format!("Garmin answers: {message}")))
            }
            Err(Denial::Gateway(status @ (400 | 403 | 500)) | Denial::WebPage(status @ 500)) => {
                Ok(Download::Unavailable(format!("Garmin answers {status}")))
            }
            Err(Denial::WebPage(200)) => broken("a web page instead of a file"),
            Err(denial) => Err(blamed(denial)),
        };
        match value {
            Ok(value) => {
                if !matches!(value, Download::File(_) | Download::Unfit { .. })
                    && let Some(fact) = self.state().life.fact_mut(id)
                {
                    fact.bad_downloads += 1;
                }
                Ok(Answer { value, usage: None, server_time })
            }
            Err(error) => {
                self.note_limit(&error);
                Err(arrived.fail(error))
            }
        }
    }

    fn bearer_due(&self) -> Option<Timestamp> {
        self.client().bearer.as_ref().map(Bearer::due)
    }
}

/// What a list item says; every field but the id may be missing.
fn listed(activity: &GarminActivity) -> Listed {
    let elapsed = match activity.durations {
        Durations::Seconds => activity.elapsed_s,
        Durations::ElapsedInMilliseconds => activity.elapsed_s.map(|elapsed| elapsed * 1000.0),
    };
    let (_, parent) = garmin::type_numbers(&activity.type_key);
    Listed {
        id: GarminId(activity.id),
        name: activity.name.clone(),
        type_key: Some(activity.type_key.clone()),
        parent_type_id: Some(parent.into()),
        start: activity.start,
        local_date: activity.start_local().map(|local| local.date()),
        elapsed: elapsed_of(elapsed, activity.duration_s, activity.duration_s),
        distance: activity.distance_m.and_then(Distance::from_meters),
        manual: activity.manual,
        parent: activity.parent.map(GarminId),
    }
}

/// What is in a parcel, unpacked and looked into.
fn parcel(handed_out: &HandedOut<'_>) -> Download {
    let broken = |what: &str| Download::Broken(what.to_owned());
    match handed_out.parcel {
        Parcel::Zip | Parcel::ZipNamed(_) => original(&handed_out.activity.file, true),
        Parcel::Raw => original(&handed_out.activity.file, false),
        Parcel::ZipOf(entries) => match entries.as_slice() {
            [] => broken("the archive is empty"),
            [only] => original(&only.content, true),
            several => Download::Unfit {
                reason: RejectReason::SeveralFiles,
                detail: format!("{} activity files", several.len()),
            },
        },
        Parcel::EmptyZip => broken("the archive is empty"),
        Parcel::WrongCrc => broken("the archive is damaged (checksum)"),
        Parcel::CutZip => broken("the archive is damaged (no end)"),
        Parcel::EmptyBody => broken("the download is empty"),
        Parcel::Html => broken("a web page instead of a file"),
        Parcel::NotFound | Parcel::Gone => Download::NoFile,
        Parcel::NullPointer => Download::Unavailable("Garmin answers 500: NullPointerException".to_owned()),
        Parcel::Forbidden => Download::Unavailable("Garmin answers 403: only the owner may".to_owned()),
    }
}

/// By content; only the certain is objected to (*Judge little*).
pub(crate) fn original(bytes: &[u8], in_archive: bool) -> Download {
    let kind = kind(bytes);
    if kind.is_none() && !in_archive {
        return Download::Broken("neither a ZIP archive nor an activity file".to_owned());
    }
    let mut summary = Summary::default();
    let mut damage = None;
    let mut objection = match kind {
        Some(_) => None,
        None if bytes.is_empty() => {
            Some((RejectReason::MalformedFile, "the file in the archive is empty".to_owned()))
        }
        None => Some((RejectReason::NotAnActivity, "neither FIT nor GPX nor TCX".to_owned())),
    };
    if kind == Some(FileKind::Fit) {
        let look = fitferry_fit::look(bytes);
        summary = Summary {
            start: look.start,
            elapsed: look.elapsed_s.and_then(elapsed_from_number),
            distance: look.distance_m.and_then(Distance::from_meters),
            sport: look.sport,
            sessions: look.sessions,
        };
        damage = look.damage.map(|damage| damage.to_string());
        if let Some(other @ fitferry_fit::FileType::Other(_)) = look.file_type {
            objection = Some((RejectReason::NotAnActivity, format!("a FIT file of type {other}")));
        }
    }
    Download::File(Original {
        bytes: Arc::from(bytes),
        kind: kind.unwrap_or(FileKind::Fit),
        sha256: Sha256(sha2::Sha256::digest(bytes).into()),
        summary,
        damage,
        objection,
    })
}

fn kind(bytes: &[u8]) -> Option<FileKind> {
    if fitferry_fit::is_fit(bytes) {
        Some(FileKind::Fit)
    } else if bytes.starts_with(b"<gpx") {
        Some(FileKind::Gpx)
    } else {
        None
    }
}
