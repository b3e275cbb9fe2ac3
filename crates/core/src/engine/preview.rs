//! `sync --dry-run`: what a tick would do, without writing anything.
//!
//! It makes the same requests that only read, decides by the same rules and matches by the same numbers.
//! It takes no lease; only a client that must refresh a token does, for that moment.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::look::{
    LOOK_PAGE, LOOK_PAGES_MAX, SWEEP_PAGE, SWEEP_PAGES_MAX, Walk, due_sweep, first_day_of, wholly_before,
};
use super::next::{joined, link_window, window_of};
use super::report::{OpenCounts, Report, Trouble, Would, WouldAction};
use super::settle::look_over;
use super::{Run, Settings, first_day, is_another_key, require_logins};
use crate::activity::{Found, GarminId, Listed};
use crate::head::Head;
use crate::ledger::{Row, State};
use crate::matching;
use crate::ports::{Destination, Failure, PortError, Ports, Service, Window};
use crate::rules::Decision;

/// Looks and decides; the report's `would` says what would become of each activity.
pub async fn preview(ports: Ports<'_>, settings: &Settings, run: Run<'_>) -> Report {
    let started = ports.clock.now();
    let before = ports.meter.read();
    let mut preview = Preview {
        ports,
        settings,
        run,
        head: Head::default(),
        listed: BTreeSet::new(),
        unknown: Vec::new(),
        open: Vec::new(),
        would: Vec::new(),
    };
    let trouble = preview.work().await.err();
    let now = ports.clock.now();
    // The head's copy is the last tick's; this look was charged since.
    let budget = ports.destination.budget(now).await.ok().flatten().or(preview.head.budget);
    Report {
        started,
        finished: now,
        dry_run: true,
        worked: false,
        listed: preview.listed.len(),
        new: preview.unknown.len(),
        rows: Vec::new(),
        waiting: Vec::new(),
        open: OpenCounts::of(preview.open.iter(), &preview.head, now),
        requests: ports.meter.read() - before,
        budget: budget.map(|view| view.seen_at(now)),
        notes: Vec::new(),
        trouble,
        would: preview.would,
        fence: None,
        head: preview.head,
    }
}

/// Whether *Garmin's own link* is on, by a look at what came to Strava of late; nothing is kept of it.
pub async fn garmins_own_link(destination: &dyn Destination, strava_now: Timestamp) -> Result<bool, Failure> {
    let sight = look_over(destination, link_window(strava_now)).await?.value;
    Ok(sight.found.iter().any(Found::by_garmins_own_link))
}

struct Preview<'a> {
    ports: Ports<'a>,
    settings: &'a Settings,
    run: Run<'a>,
    head: Head,
    listed: BTreeSet<GarminId>,
    unknown: Vec<Listed>,
    open: Vec<Row>,
    would: Vec<Would>,
}

pub(super) fn port(failure: Failure) -> Trouble {
    match failure.error {
        PortError::Busy => Trouble::Busy,
        error => Trouble::Port(error),
    }
}

/// The head of a ledger that is in use, with both logins there.
pub(super) async fn head_to_go_by(ports: Ports<'_>) -> Result<Head, Trouble> {
    let read = ports.ledger.head().await;
    let (mut head, _) = read.map_err(|error| Trouble::Port(PortError::Store(error)))?;
    if let Some(to) = &head.moved_to {
        return Err(Trouble::Port(PortError::Moved { to: to.clone() }));
    }
    require_logins(ports).await.map_err(port)?;
    if is_another_key(&head, ports.source) {
        head.set_pause(Service::Garmin, None);
    }
    Ok(head)
}

/// *Blame*: a service that is left alone is asked by nobody.
pub(super) fn refuse_if_paused(head: &Head, service: Service, now: Timestamp) -> Result<(), Trouble> {
    head.paused(service, now).map_or(Ok(()), |pause| Err(Trouble::Port(pause.as_error(service))))
}

impl Preview<'_> {
    async fn work(&mut self) -> Result<(), Trouble> {
        let store = |error| Trouble::Port(PortError::Store(error));
        self.head = head_to_go_by(self.ports).await?;
        self.open = self.ports.ledger.open().await.map_err(store)?.into_iter().map(|(row, _)| row).collect();
        let now = self.ports.clock.now();
        let since = first_day(self.settings, &self.head, now);
        refuse_if_paused(&self.head, Service::Garmin, now)?;
        self.read_list(since).await?;

        let mut wanted: Vec<Row> =
            self.open.iter().filter(|row| row.state == State::Wanted).cloned().collect();
        for listed in &self.unknown {
            match self.settings.rules.decide(listed, since) {
                Decision::Wanted => wanted.push(Row::seen(listed.clone(), State::Wanted, now)),
                Decision::Skipped { reason, detail } => self.would.push(Would {
                    row: Row::seen(listed.clone(), State::Skipped { reason, detail }, now),
                    action: WouldAction::Skip,
                }),
            }
        }
        let looked = self.find(&wanted).await;
        let found = looked.as_deref().unwrap_or_default();
        // Without a look nothing is known of those that would go.
        for row in wanted.into_iter().filter(|_| looked.is_ok()) {
            let there = found.iter().any(|found| matching::same(&row, found).is_some());
            let action = if there { WouldAction::AlreadyThere } else { WouldAction::Upload };
            self.would.push(Would { row, action });
        }
        self.would.sort_by_key(|would| (would.row.start().unwrap_or(jiff::Timestamp::MAX), would.row.id()));
        looked.map(|_| ())
    }

    /// The pages that a tick would read now.
    async fn read_list(&mut self, since: Option<jiff::civil::Date>) -> Result<(), Trouble> {
        let mut taken = BTreeSet::new();
        let mut walk = Walk::default();
        while walk.pages() < LOOK_PAGES_MAX {
            let page = self.page(walk.next(LOOK_PAGE, None, None)).await?;
            let before = wholly_before(&page, since);
            if self.take_unknown(&walk.fresh(page), &mut taken).await? == 0 || before {
                break;
            }
        }
        let Some(sweep) = due_sweep(&self.head, self.settings, since, self.ports.clock.now()) else {
            return Ok(());
        };
        let mut walk = Walk::default();
        let from = first_day_of(&sweep);
        while walk.pages() < SWEEP_PAGES_MAX {
            let page = self.page(walk.next(SWEEP_PAGE, from, sweep.reached)).await?;
            let fresh = walk.fresh(page);
            if fresh.is_empty() || self.run.stop.load(std::sync::atomic::Ordering::Relaxed) {
                break;
            }
            self.take_unknown(&fresh, &mut taken).await?;
        }
        Ok(())
    }

    async fn page(&mut self, page: crate::ports::Page) -> Result<Vec<Listed>, Trouble> {
        let listed = self.ports.source.list(page).await.map_err(port)?.value;
        self.listed.extend(listed.iter().map(|listed| listed.id));
        Ok(listed)
    }

    async fn take_unknown(
        &mut self,
        fresh: &[Listed],
        taken: &mut BTreeSet<GarminId>,
    ) -> Result<usize, Trouble> {
        let ids: Vec<GarminId> = fresh.iter().map(|listed| listed.id).collect();
        let known =
            self.ports.ledger.known(&ids).await.map_err(|error| Trouble::Port(PortError::Store(error)))?;
        let unknown: Vec<&Listed> = fresh.iter().filter(|listed| !known.contains(&listed.id)).collect();
        for listed in &unknown {
            if taken.insert(listed.id) {
                self.unknown.push((*listed).clone());
            }
        }
        Ok(unknown.len())
    }

    async fn find(&self, wanted: &[Row]) -> Result<Vec<Found>, Trouble> {
        let now = self.ports.clock.now();
        let windows: Vec<Window> = joined(wanted.iter().filter_map(|row| window_of(row, now)).collect());
        if windows.is_empty() {
            return Ok(Vec::new());
        }
        refuse_if_paused(&self.head, Service::Strava, self.ports.clock.now())?;
        let mut found = Vec::new();
        for window in windows {
            found.extend(look_over(self.ports.destination, window).await.map_err(port)?.value.found);
        }
        Ok(found)
    }
}
