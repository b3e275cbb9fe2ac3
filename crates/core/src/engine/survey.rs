//! What lies before a backfill: Garmin's list read through, and how much of it is wanted. Writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use super::cursor::{Cursor, Span};
use super::look::{SWEEP_PAGE, SWEEP_PAGES_MAX, Walk};
use super::next::{joined, window_of};
use super::preview::{head_to_go_by, port, refuse_if_paused};
use super::report::{Trouble, Would, WouldAction};
use super::settle::look_over;
use super::{Progress, Run, Settings};
use crate::activity::{GarminId, Listed};
use crate::head::PauseCause;
use crate::ledger::{Row, SkipReason, State};
use crate::matching;
use crate::ports::{Destination, Failure, PortError, Ports, Service, StoreError};
use crate::rules::Decision;

/// What a backfill would meet.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Activities on Garmin's list.
    pub listed: u64,
    /// Not on its way yet, and wanted by the rules.
    pub wanted: u64,
    /// Of these, how many Strava has already; only where it was looked.
    pub there: u64,
    /// Not wanted by the rules.
    pub skipped: u64,
    /// Done with, or on their way: the ledger has them.
    pub known: u64,
    /// What would become of each; only where it was looked.
    pub would: Vec<Would>,
    /// The windows of the budget did not hold all looks: what Strava has of these is not known.
    pub unlooked: u64,
}

/// As many wanted ones are looked for at a time.
const AT_ONCE: usize = 190;

/// Reads the list over a span of days. `look`: Strava is looked at too, and each activity is told of.
pub async fn survey(
    ports: Ports<'_>,
    settings: &Settings,
    span: Span,
    run: Run<'_>,
    look: Option<&dyn Destination>,
) -> Result<Survey, Trouble> {
    let head = head_to_go_by(ports).await?;
    let now = ports.clock.now();
    refuse_if_paused(&head, Service::Garmin, now)?;
    // A budget that is spent leaves some unlooked.
    if look.is_some() && head.pause(Service::Strava).is_some_and(|pause| pause.cause != PauseCause::Budget) {
        refuse_if_paused(&head, Service::Strava, now)?;
    }
    let mut surveyor = Surveyor::over(span);
    while !surveyor.is_done() {
        surveyor.step(ports, settings, run, look).await.map_err(Met::trouble)?;
    }
    let mut survey = surveyor.survey;
    survey.would.sort_by_key(|would| (would.row.start().unwrap_or(jiff::Timestamp::MAX), would.row.id()));
    Ok(survey)
}

/// A survey part by part, so that other things can be done in between.
#[derive(Debug)]
pub(super) struct Surveyor {
    span: Span,
    cursor: Cursor,
    pub(super) survey: Survey,
    /// Wanted, and not looked for yet.
    unseen: Vec<Row>,
}

impl Surveyor {
    pub(super) fn over(span: Span) -> Surveyor {
        let cursor = Cursor::over(span);
        Surveyor { span, cursor, survey: Survey::default(), unseen: Vec::new() }
    }

    pub(super) fn is_done(&self) -> bool {
        self.cursor.window().is_none()
    }

    /// Reads the next part of the list. After an error it may be tried again.
    pub(super) async fn step(
        &mut self,
        ports: Ports<'_>,
        settings: &Settings,
        run: Run<'_>,
        look: Option<&dyn Destination>,
    ) -> Result<(), Met> {
        let Some((from, to)) = self.cursor.window() else { return Ok(()) };
        let open = ports.ledger.open().await?;
        let open = open.into_iter().map(|(row, _)| (row.id(), row.state)).collect();
        let reader = Reader { ports, settings, span: self.span, open };
        let mut part = Survey { listed: self.survey.listed, ..Survey::default() };
        let mut unseen = Vec::new();
        let mut walk = Walk::default();
        while walk.pages() < SWEEP_PAGES_MAX {
            if run.stop.load(Ordering::Relaxed) {
                return Err(Met::Interrupted);
            }
            let page = walk.next(SWEEP_PAGE, Some(from), Some(to));
            let listed = ports.source.list(page).await?.value;
            let fresh = walk.fresh(listed);
            if fresh.is_empty() {
                break;
            }
            reader.read(fresh, &mut part, look.is_some().then_some(&mut unseen)).await?;
            run.observer.hears(Progress::Listing { seen: count(part.listed) });
        }
        self.survey.listed = part.listed;
        self.survey.wanted += part.wanted;
        self.survey.skipped += part.skipped;
        self.survey.known += part.known;
        self.survey.would.append(&mut part.would);
        self.unseen.append(&mut unseen);
        self.cursor.has_read(to, walk.seen());
        if let Some(destination) = look
            && (self.unseen.len() >= AT_ONCE || self.is_done())
        {
            self.look(destination, ports, run).await?;
        }
        Ok(())
    }

    /// Looks for the wanted ones that have been read since the last look.
    async fn look(
        &mut self,
        destination: &dyn Destination,
        ports: Ports<'_>,
        run: Run<'_>,
    ) -> Result<(), Failure> {
        let now = ports.clock.now();
        let rows = std::mem::take(&mut self.unseen);
        run.observer.hears(Progress::Looking);
        let mut there = BTreeSet::new();
        for window in joined(rows.iter().filter_map(|row| window_of(row, now)).collect()) {
            let found = match look_over(destination, window).await {
                Ok(answer) => answer.value.found,
                Err(Failure { error: PortError::BudgetFull { .. }, .. }) => {
                    let is_inside = |row: &&Row| row.start().is_some_and(|start| window.contains(start));
                    let unlooked = rows.iter().filter(is_inside).count();
                    self.survey.unlooked += u64::try_from(unlooked).unwrap_or(u64::MAX);
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            let is_there = |row: &&Row| found.iter().any(|found| matching::same(row, found).is_some());
            there.extend(rows.iter().filter(is_there).map(Row::id));
        }
        for row in rows {
            let is_there = there.contains(&row.id());
            self.survey.there += u64::from(is_there);
            let action = if is_there { WouldAction::AlreadyThere } else { WouldAction::Upload };
            self.survey.would.push(Would { row, action });
        }
        Ok(())
    }
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// What ended a step before its time.
#[derive(Debug)]
pub(super) enum Met {
    Interrupted,
    Failed(Failure),
}

impl Met {
    fn trouble(self) -> Trouble {
        match self {
            Met::Interrupted => Trouble::Interrupted,
            Met::Failed(failure) => port(failure),
        }
    }
}

impl<E: Into<Failure>> From<E> for Met {
    fn from(error: E) -> Met {
        Met::Failed(error.into())
    }
}

struct Reader<'a> {
    ports: Ports<'a>,
    settings: &'a Settings,
    span: Span,
    open: BTreeMap<GarminId, State>,
}

impl Reader<'_> {
    /// `tells`: where the wanted ones go, if each is to be told of.
    async fn read(
        &self,
        fresh: Vec<Listed>,
        part: &mut Survey,
        mut tells: Option<&mut Vec<Row>>,
    ) -> Result<(), StoreError> {
        let ids: Vec<GarminId> = fresh.iter().map(|listed| listed.id).collect();
        let known = self.ports.ledger.known(&ids).await?;
        for listed in fresh {
            if listed.day().is_some_and(|day| !self.span.contains(day)) {
                continue;
            }
            part.listed += 1;
            if known.contains(&listed.id) && !self.may_be_wanted(listed.id).await? {
                part.known += 1;
                continue;
            }
            let now = self.ports.clock.now();
            match self.settings.rules.decide(&listed, Some(self.span.from)) {
                Decision::Wanted => {
                    part.wanted += 1;
                    if let Some(wanted) = &mut tells {
                        wanted.push(Row::seen(listed, State::Wanted, now));
                    }
                }
                Decision::Skipped { reason, detail } => {
                    part.skipped += 1;
                    if tells.is_some() {
                        let row = Row::seen(listed, State::Skipped { reason, detail }, now);
                        part.would.push(Would { row, action: WouldAction::Skip });
                    }
                }
            }
        }
        Ok(())
    }

    /// Of one that the ledger knows: it is on no way yet, or a rule skipped it that may hold no more.
    async fn may_be_wanted(&self, id: GarminId) -> Result<bool, StoreError> {
        let state = match self.open.get(&id) {
            Some(state) => Some(state.clone()),
            None => self.ports.ledger.get(id).await?.map(|(row, _)| row.state),
        };
        Ok(match state {
            Some(State::Wanted) => true,
            Some(State::Skipped { reason, .. }) => reason != SkipReason::ByHand,
            _ => false,
        })
    }
}
