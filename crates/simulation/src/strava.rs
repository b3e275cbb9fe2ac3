//! Strava's door: what the client in `fitferry-strava` does, one call at a time, without HTTP.
//!
//! Every request is charged before and corrected after (*Budget*), a token that is about to end is renewed first, a
//! 401 is answered by a new token and one more try (*Tokens*), a look is complete or an error (*Fresh eyes*), and an
//! upload is answered about its file, not taken, or in doubt (*Doubt*).

mod fate;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use fitferry_core::activity::{Distance, Found, StravaId, UploadId, elapsed_from_number, external_id};
use fitferry_core::budget::{Full, FullReason, Kind, Purpose, Quota, Reading, View, limited_until};
use fitferry_core::moment::later;
use fitferry_core::ports::{
    Answer, Clock as _, Destination, Failure, Look, PortError, Processing, SecretName, SendError, Sent,
    Service, Sight, StoreError, Upload, Vault as _, Window,
};
use fitferry_sandbox::What;
use fitferry_sandbox::direct::{Denial, Heard, Rates, Shown};
use fitferry_sandbox::strava::{ListQuery, NewUpload, PerWindow, Refusal, Standing};
use jiff::civil::time;
use jiff::{SignedDuration, Timestamp};

use crate::dice::{hours, secs};
use crate::events::InFlight;
use crate::login::{StravaLogin, app};
use crate::oracle;
use crate::planted::Planted;
use crate::process::Process;
use crate::scene::{Point, State, name};

const TIMEOUT: SignedDuration = secs(30);
/// No look reads more pages.
const PAGES_MAX: u64 = 5;
/// A request that the run's end would cut shorter is not begun.
const TIMEOUT_MIN: Duration = Duration::from_secs(2);
const BEFORE_DEADLINE: Duration = Duration::from_secs(1);
/// How long an app that is inactive is left alone.
const INACTIVE: SignedDuration = hours(24);

pub(crate) use self::token::refresh_arrives;

/// An answer as it arrived.
struct Arrived<T> {
    answer: Result<T, Denial>,
    is_cut: bool,
    date: Timestamp,
    reading: Reading,
    usage: Option<View>,
}

impl<T> Arrived<T> {
    fn fail(&self, error: PortError) -> Failure {
        Failure { error, usage: self.usage, server_time: Some(self.date) }
    }

    fn tell<U>(&self, value: U) -> Answer<U> {
        Answer { value, usage: self.usage, server_time: Some(self.date) }
    }

    fn is_void(&self) -> bool {
        matches!(self.answer, Err(Denial::Strava(Refusal::BadToken) | Denial::Gateway(401)))
    }
}

/// A request that brought no answer.
struct Lost {
    unsent: bool,
}

fn down(status: Option<u16>, what: &str) -> PortError {
    PortError::Down { service: Service::Strava, status, what: what.to_owned() }
}

fn refused(status: Option<u16>, what: &str) -> PortError {
    PortError::Refused { service: Service::Strava, status, what: what.to_owned() }
}

/// What a refusal means, where it is not about what was asked for.
fn refusal(denial: &Denial, reading: &Reading, at: Timestamp) -> PortError {
    let limited = || PortError::Limited {
        service: Service::Strava,
        until: Some(limited_until(reading, at)),
        retry_after: None,
    };
    match denial {
        Denial::Strava(Refusal::Limited(_)) | Denial::TooMany { .. } => limited(),
        Denial::Gateway(429) | Denial::WebPage(429) => limited(),
        Denial::Strava(Refusal::Inactive) => PortError::AppInactive { until: Some(later(at, INACTIVE)) },
        Denial::Strava(Refusal::MissingScope(scope)) => PortError::LoginNeeded {
            service: Service::Strava,
            why: format!("the scope {scope} was not granted"),
        },
        Denial::Strava(Refusal::BadSecret) => {
            PortError::Misconfigured { service: Service::Strava, what: "the secret is wrong".to_owned() }
        }
        Denial::Strava(Refusal::BadToken) | Denial::Gateway(401) => {
            down(Some(401), "it refuses the token that it has just issued")
        }
        Denial::Gateway(status @ (408 | 500..=599)) | Denial::WebPage(status @ (408 | 500..=599)) => {
            down(Some(*status), "it answers 5xx")
        }
        Denial::Half => down(Some(200), "the answer was cut short"),
        Denial::Gateway(status) => refused(Some(*status), "an answer that is not known"),
        Denial::WebPage(status) => refused(Some(*status), "a web page instead of data"),
        Denial::Redirect(status) => refused(Some(*status), "a redirect, which is not followed"),
        Denial::Strava(_) => refused(Some(400), "it understands nothing"),
        Denial::Unseen | Denial::Garmin { .. } => down(None, "no answer"),
    }
}

impl Process {
    /// The service's clock, as far as this process, else the login, knows.
    fn service_now(&self, login: &StravaLogin) -> Timestamp {
        let skew = self.client().strava_skew.unwrap_or(login.pairs.current.skew);
        later(self.now(), skew)
    }

    fn left(&self, login: &StravaLogin) -> SignedDuration {
        login.pairs.current.ends.duration_since(self.service_now(login))
    }

    /// Charges one request, or says why it must not be made.
    async fn charge(&self, login: &StravaLogin, kind: Kind) -> Result<(), Failure> {
        let service_now = self.service_now(login);
        let purpose = self.client().purpose.unwrap_or(Purpose::Everyday);
        let charged = self.operate(|state| {
            let kind = if state.planted == Some(Planted::ReadWindowIgnored) { Kind::Upload } else { kind };
            let charged = state.charge(self.runner, &app(), (kind, purpose), service_now);
            if charged.is_ok() {
                oracle::limits::charged(state, self.runner, service_now);
            }
            charged
        });
        charged.await.map_err(|Full { until, why }| {
            let error = match why {
                FullReason::Spent => PortError::BudgetFull { until },
                FullReason::Limited => {
                    PortError::Limited { service: Service::Strava, until: Some(until), retry_after: None }
                }
                FullReason::Inactive => PortError::AppInactive { until: Some(until) },
            };
            Failure { server_time: Some(service_now), ..error.into() }
        })
    }

    /// Notes the clock and corrects the account by an answer that came.
    async fn correct<T>(&self, heard: Heard<T>, is_cut: bool) -> Arrived<T> {
        let Heard { answer, date, rates, .. } = heard;
        self.client().strava_skew = Some(date.duration_since(self.now()));
        let reading = reading(rates);
        let usage = Some(self.operate(|state| state.correct(self.runner, &app(), &reading, date)).await);
        if answer.is_err() || is_cut {
            self.state().slots[self.runner].tick.was_hit = true;
        }
        Arrived { answer, is_cut, date, reading, usage }
    }

    /// One charged read, without a renewal.
    async fn read_once<T>(
        &self,
        login: &StravaLogin,
        call: &impl Fn(&mut State, &str) -> Heard<T>,
    ) -> Result<Arrived<T>, Failure> {
        self.charge(login, Kind::Read).await?;
        self.meter.strava();
        let trip = self.state().trip(self.runner, TIMEOUT);
        self.pass(Point::ToStrava, trip.there).await;
        if trip.is_lost_before {
            self.pass(Point::FromStrava, trip.patience).await;
            return Err(down(None, "no answer in time").into());
        }
        let heard = {
            let mut state = self.state();
            state.stats.strava_requests += 1;
            oracle::strava_asked(&mut state, self.runner);
            let heard = call(&mut state, &login.pairs.current.access);
            let denial = heard.answer.as_ref().err();
            oracle::limits::answered(&mut state, self.runner, denial);
            heard
        };
        self.pass(Point::FromStrava, trip.back).await;
        let is_lost = trip.is_lost_after || matches!(heard.fault, Some(What::DropAfter));
        if is_lost || matches!(heard.answer, Err(Denial::Unseen)) {
            let mut state = self.state();
            state.stats.lost_answers += 1;
            state.slots[self.runner].tick.was_hit = true;
            return Err(down(None, "the connection ended without an answer").into());
        }
        let is_cut = matches!(heard.fault, Some(What::CutBody));
        Ok(self.correct(heard, is_cut).await)
    }

    /// One read that is replayed once after a 401 about the token.
    async fn read<T>(
        &self,
        login: &mut StravaLogin,
        call: impl Fn(&mut State, &str) -> Heard<T>,
    ) -> Result<Arrived<T>, Failure> {
        let arrived = self.read_once(login, &call).await?;
        if !arrived.is_void() {
            return Ok(arrived);
        }
        let renewed = self.renew_login(Some(&login.pairs.current.access)).await;
        *login = renewed.map_err(|failure| Failure { usage: failure.usage.or(arrived.usage), ..failure })?;
        self.read_once(login, &call).await
    }

    /// What a refusal means; the pauses that it asks for are kept with the account.
    async fn blamed<T>(&self, arrived: &Arrived<T>, denial: &Denial) -> PortError {
        let error = refusal(denial, &arrived.reading, arrived.date);
        self.keep_pause(&error).await;
        error
    }

    async fn keep_pause(&self, error: &PortError) {
        let full = match error {
            PortError::Limited { until: Some(until), .. } => Full { until: *until, why: FullReason::Limited },
            PortError::AppInactive { until: Some(until) } => {
                Full { until: *until, why: FullReason::Inactive }
            }
            _ => return,
        };
        self.operate(|state| {
            if state.planted != Some(Planted::LimitNotObeyed) {
                state.pause_account(self.runner, &app(), full);
            }
            oracle::limits::paused(state, full);
        })
        .await;
    }

    /// One upload with one token.
    async fn send(&self, login: &StravaLogin, upload: &Upload) -> Result<Arrived<Taken>, SendError> {
        self.charge(login, Kind::Upload).await.map_err(SendError::NotTaken)?;
        // The last look at the clock before the request leaves (*Intent*).
        let is_late = self.state().planted == Some(Planted::SentTooLate);
        let allowed = Upload { start_before: Duration::MAX, ..upload.clone() };
        let upload = if is_late { &allowed } else { upload };
        let Some(timeout) = time_for(upload, self.monotonic()) else {
            return Err(SendError::NotTaken(PortError::OutOfTime.into()));
        };
        let timeout = SignedDuration::try_from(timeout).unwrap_or(secs(60));
        oracle::upload_checked(&mut self.state(), self.runner, upload.id);
        self.pass(Point::Sending, SignedDuration::ZERO).await;
        match self.upload_travels(login, upload, timeout).await {
            Ok((heard, is_cut)) => Ok(self.correct(heard, is_cut).await),
            Err(lost) if lost.unsent => Err(SendError::NotTaken(down(None, "no connection").into())),
            Err(_) => Err(SendError::InDoubt(down(None, "no answer").into())),
        }
    }

    async fn upload_travels(
        &self,
        login: &StravaLogin,
        upload: &Upload,
        timeout: SignedDuration,
    ) -> Result<(Heard<Taken>, bool), Lost> {
        self.meter.strava();
        let extension = upload.kind.extension();
        let external_id = external_id(upload.id);
        let new = NewUpload {
            filename: format!("{external_id}.{extension}"),
            data_type: extension.to_owned(),
            bytes: upload.bytes.to_vec(),
            external_id: Some(external_id),
            name: upload.name.clone(),
            ..NewUpload::default()
        };
        let bearer = login.pairs.current.access.clone();
        let (trip, never_left) = {
            let mut state = self.state();
            let trip = state.trip(self.runner, timeout);
            let never_left = trip.is_lost_before && state.network.chance(300);
            let new = Box::new(new.clone());
            let in_flight = InFlight::Upload { runner: self.runner, bearer: bearer.clone(), new };
            state.slots[self.runner].in_flight = (!never_left).then_some(in_flight);
            state.tell(|| format!("{} uploads {}", name(self.runner), upload.id));
            (trip, never_left)
        };
        self.pass(Point::Uploading, trip.there).await;
        self.state().slots[self.runner].in_flight = None;
        if trip.is_lost_before {
            self.pass(Point::Uploaded, trip.patience).await;
            return Err(Lost { unsent: never_left });
        }
        let heard = upload_arrives(&mut self.state(), self.runner, &bearer, new);
        self.pass(Point::Uploaded, trip.back).await;
        let is_lost = trip.is_lost_after || matches!(heard.fault, Some(What::DropAfter));
        if is_lost || matches!(heard.answer, Err(Denial::Unseen)) {
            let mut state = self.state();
            state.stats.lost_answers += 1;
            state.slots[self.runner].tick.was_hit = true;
            return Err(Lost { unsent: false });
        }
        let is_cut = matches!(heard.fault, Some(What::CutBody));
        Ok((heard, is_cut))
    }
}

/// What an answer to an upload tells.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    upload: u64,
    error: Option<String>,
}

/// How long the request may take if it starts now; `None`: it must not start.
fn time_for(upload: &Upload, now: Duration) -> Option<Duration> {
    let left = match upload.deadline {
        Some(deadline) => deadline.checked_sub(now)?.checked_sub(BEFORE_DEADLINE)?,
        None => Duration::MAX,
    };
    let timeout = upload.timeout.min(left);
    (now < upload.start_before && timeout >= TIMEOUT_MIN.min(upload.timeout)).then_some(timeout)
}

/// Strava gets a file, whoever hears of it.
pub(crate) fn upload_arrives(state: &mut State, runner: usize, bearer: &str, new: NewUpload) -> Heard<Taken> {
    state.settle_world();
    state.stats.strava_requests += 1;
    oracle::strava_asked(state, runner);
    let id = new.external_id.clone().unwrap_or_default();
    oracle::uploads::arrives(state, runner, &new);
    let before = state.world.strava.uploads.len();
    state.plan_upload(&id);
    let now = state.now;
    let heard = state
        .world
        .strava_upload(bearer, new, now)
        .map(|Standing { upload, error, .. }| Taken { upload, error: error.map(str::to_owned) });
    state.world.strava.plans.clear();
    if state.world.strava.uploads.len() > before {
        oracle::uploads::received(state, &id);
    }
    let denial = heard.answer.as_ref().err();
    oracle::uploads::refused_at_once(state, &id, &heard.answer);
    oracle::limits::answered(state, runner, denial);
    heard
}

fn reading(rates: Option<Rates>) -> Reading {
    let quota = |used: Option<PerWindow>, limit: Option<PerWindow>| Quota {
        used_15min: used.map(|used| used.quarter),
        used_day: used.map(|used| used.day),
        limit_15min: limit.map(|limit| limit.quarter),
        limit_day: limit.map(|limit| limit.day),
    };
    match rates {
        Some(rates) => Reading {
            overall: quota(Some(rates.overall_used), Some(rates.overall_limit)),
            read: quota(rates.read_used, rates.read_limit),
        },
        None => Reading::default(),
    }
}

/// An item of the list, as far as a client can read it.
fn found(shown: &Shown<'_>) -> Found {
    let activity = shown.activity;
    let start_hidden = shown.local.time() == time(0, 0, 1, 0);
    Found {
        id: StravaId(activity.id),
        name: Some(activity.name.clone()),
        external_id: activity.external_id.clone(),
        upload_id: activity.upload_id.map(UploadId),
        start: (!start_hidden).then_some(shown.start),
        start_hidden,
        local_date: Some(shown.local.date()),
        elapsed: elapsed_from_number(activity.elapsed_s.round()),
        moving: elapsed_from_number(activity.moving_s.round()),
        distance: Distance::from_meters(activity.distance_m),
        sport_type: Some(activity.sport_type.clone()),
    }
}

/// What an error says: a duplicate of which activity, or something about the file.
fn duplicate(error: &str) -> Option<Option<StravaId>> {
    if !error.contains("duplicate") {
        return None;
    }
    let after = |mark: &str| {
        let digits: String = error.split_once(mark)?.1.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok().map(StravaId)
    };
    Some(after("activity ").or_else(|| after("/activities/")))
}

fn about_the_file(error: &str) -> Sent {
    match duplicate(error) {
        Some(of) => Sent::Duplicate { of, text: error.to_owned() },
        None => Sent::Refused(error.to_owned()),
    }
}

/// The same door for a history, whose requests leave the everyday tick its reserve.
pub(crate) struct History<'a>(pub(crate) &'a Process);

impl History<'_> {
    /// A process makes one request to Strava at a time.
    async fn charged<T>(&self, request: impl Future<Output = T>) -> T {
        self.0.client().purpose = Some(Purpose::Backfill);
        let answer = request.await;
        self.0.client().purpose = None;
        answer
    }
}

#[async_trait]
impl Destination for History<'_> {
    async fn find(&self, window: Window, stop_at: &BTreeSet<UploadId>) -> Result<Answer<Look>, Failure> {
        self.charged(self.0.find(window, stop_at)).await
    }

    async fn upload(&self, upload: &Upload) -> Result<Answer<Sent>, SendError> {
        self.charged(self.0.upload(upload)).await
    }

    async fn confirm(&self, upload: UploadId) -> Result<Answer<Processing>, Failure> {
        self.charged(self.0.confirm(upload)).await
    }

    async fn budget(&self, now: Timestamp) -> Result<Option<View>, StoreError> {
        self.0.budget(now).await
    }
}

#[async_trait]
impl Destination for Process {
    async fn find(&self, window: Window, stop_at: &BTreeSet<UploadId>) -> Result<Answer<Look>, Failure> {
        let mut login = self.login().await?;
        let service_now = self.service_now(&login);
        let latest = service_now.as_second() - hours(24).as_secs();
        let after = (window.after.as_second() - 1).min(latest).max(0);
        let before = (window.before.as_second() + 2).max(0);
        let per_page = self.state().plan.page_items;
        let mut all: BTreeMap<StravaId, Found> = BTreeMap::new();
        let mut uploads = BTreeSet::new();
        let mut began = None;
        for page in 1..=PAGES_MAX {
            let query = ListQuery { before: Some(before), after: Some(after), page, per_page };
            let arrived = self
                .read(&mut login, |state, bearer| {
                    let now = state.now;
                    let heard = state.world.strava_list(bearer, query, now);
                    heard.map(|items| (now, items.iter().map(found).collect::<Vec<_>>()))
                })
                .await?;
            let (asked, items) = match &arrived.answer {
                Ok(_) if arrived.is_cut => return Err(arrived.fail(down(Some(200), "the list was cut"))),
                Ok((asked, items)) => (*asked, items),
                Err(denial) => {
                    let error = self.blamed(&arrived, denial).await;
                    return Err(arrived.fail(error));
                }
            };
            let began = *began.get_or_insert(asked);
            let count = items.len() as u64;
            self.state().tell(|| {
                format!("{} looks from {after} to {before}, page {page}: {count} items", name(self.runner))
            });
            uploads.extend(items.iter().filter_map(|item| item.upload_id));
            all.extend(items.iter().map(|item| (item.id, item.clone())));
            let is_spoilt = self.state().planted == Some(Planted::FirstPageIsAll);
            let is_last = count < per_page * 3 / 4 || is_spoilt;
            if is_last && (!is_spoilt || count < per_page * 3 / 4) {
                oracle::looked(&mut self.state(), self.runner, (after, before), began);
            }
            if is_last || !stop_at.is_empty() && stop_at.is_subset(&uploads) {
                let sight = Sight { found: all.into_values().collect(), sees_private: login.sees_private };
                return Ok(arrived.tell(Look::Complete(sight)));
            }
            if page == PAGES_MAX {
                return Ok(arrived.tell(Look::TooWide));
            }
        }
        unreachable!("the last page returns")
    }

    async fn upload(&self, upload: &Upload) -> Result<Answer<Sent>, SendError> {
        let login = self.login().await.map_err(SendError::NotTaken)?;
        let mut arrived = self.send(&login, upload).await?;
        if arrived.is_void() {
            let renewed = self.renew_login(Some(&login.pairs.current.access)).await;
            let login = renewed.map_err(|failure| {
                SendError::NotTaken(Failure { usage: failure.usage.or(arrived.usage), ..failure })
            })?;
            arrived = self.send(&login, upload).await?;
        }
        match &arrived.answer {
            Ok(_) if arrived.is_cut => {
                Err(SendError::InDoubt(arrived.fail(down(Some(201), "the answer was cut"))))
            }
            Ok(Taken { error: Some(error), .. }) => Ok(arrived.tell(about_the_file(error))),
            Ok(Taken { upload, .. }) => Ok(arrived.tell(Sent::Accepted(UploadId(*upload)))),
            Err(Denial::Strava(Refusal::UploadError { error, .. })) => {
                Ok(arrived.tell(about_the_file(error)))
            }
            Err(Denial::Strava(Refusal::Bad(_, field, code))) => {
                Ok(arrived.tell(Sent::Refused(format!("Bad Request: {field} {code}"))))
            }
            Err(
                Denial::Gateway(status @ (400 | 413 | 422)) | Denial::WebPage(status @ (400 | 413 | 422)),
            ) => Ok(arrived.tell(Sent::Refused(format!("HTTP {status}")))),
            Err(denial) => {
                let is_in_doubt = match denial {
                    Denial::Half | Denial::WebPage(200..=299) => true,
                    Denial::Gateway(status) | Denial::WebPage(status) => *status == 408 || *status >= 500,
                    _ => false,
                };
                if is_in_doubt {
                    let error = refusal(denial, &arrived.reading, arrived.date);
                    return Err(SendError::InDoubt(arrived.fail(error)));
                }
                let error = self.blamed(&arrived, denial).await;
                Err(SendError::NotTaken(arrived.fail(error)))
            }
        }
    }

    async fn confirm(&self, upload: UploadId) -> Result<Answer<Processing>, Failure> {
        let mut login = self.login().await?;
        let arrived = self
            .read(&mut login, |state, bearer| {
                let now = state.now;
                state.world.strava_upload_status(bearer, upload.0, now).map(|standing| {
                    let Standing { status, error, activity, .. } = standing;
                    match (error, activity) {
                        (Some(error), _) => match duplicate(error) {
                            Some(of) => Processing::Duplicate { of, text: error.to_owned() },
                            None => Processing::Failed(error.to_owned()),
                        },
                        (None, Some(activity)) => Processing::Ready(StravaId(activity)),
                        _ if status.contains("deleted") => Processing::Deleted,
                        _ if status.contains("error processing") => Processing::Failed(status.to_owned()),
                        _ => Processing::Pending,
                    }
                })
            })
            .await?;
        match &arrived.answer {
            Ok(_) if arrived.is_cut => Err(arrived.fail(down(Some(200), "the answer was cut"))),
            Ok(processing) => Ok(arrived.tell(processing.clone())),
            Err(Denial::Strava(Refusal::NotFound(_)) | Denial::Gateway(404) | Denial::WebPage(404)) => {
                Ok(arrived.tell(Processing::Unknown))
            }
            Err(denial) => {
                let error = self.blamed(&arrived, denial).await;
                Err(arrived.fail(error))
            }
        }
    }

    async fn budget(&self, now: Timestamp) -> Result<Option<View>, StoreError> {
        if self.get(SecretName::StravaLogin).await?.is_none() {
            return Ok(None);
        }
        Ok(Some(self.operate(|state| state.view(self.runner, &app(), now)).await))
    }
}
