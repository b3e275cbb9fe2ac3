//! The end of a tick: the head written last, the lease released, and what it all amounted to.

use jiff::Timestamp;

use super::report::{OpenCounts, Report, Trouble};
use super::{Halt, Tick};
use crate::activity::GarminId;
use crate::head::PauseCause;
use crate::ledger::{Cause, Row, State};
use crate::ports::{Fence, PortError, Service};

impl Tick<'_> {
    /// The head is written last, after the rows that it speaks of; then the lease is released.
    pub(super) async fn close(mut self, halt: Option<Halt>) -> Report {
        let mut halt = halt;
        self.keep_what_services_did();
        // A run that has lost its lease writes nothing more.
        let writes = !matches!(halt, Some(Halt::Busy | Halt::Store(_) | Halt::Port(_)));
        if let Some(fence) = self.fence.filter(|_| writes)
            && let Err(error) = self.write_last_head(fence).await
        {
            halt.get_or_insert(error);
        }
        if self.fence.is_some()
            && let Err(error) = self.ports.lease.release().await
        {
            halt.get_or_insert(Halt::Store(error));
        }
        self.report(halt)
    }

    async fn write_last_head(&mut self, fence: Fence) -> Result<(), Halt> {
        self.load_open().await?;
        if self.found_dirty {
            self.head.counts = self.ports.ledger.count().await?;
        }
        self.head.dirty = false;
        self.head.bearer_due = self.ports.source.bearer_due().or(self.head.bearer_due);
        self.head.budget = self.ports.destination.budget(self.now()).await?.or(self.head.budget);
        self.head.next_due = Some(self.next_due());
        if self.head != self.head_kept { self.write_head(fence).await } else { Ok(()) }
    }

    fn report(self, halt: Option<Halt>) -> Report {
        let now = self.now();
        let new_pause = |service: Service| {
            self.trouble.contains_key(&service) && self.head.paused(service, now).is_some()
        };
        let mut waiting: Vec<(GarminId, Option<Timestamp>, Cause)> = Vec::new();
        for row in self.open.values().filter(|row| !matches!(row.state, State::Submitted { .. })) {
            let concerned =
                self.changed.contains_key(&row.id()) || row.needs().iter().any(|service| new_pause(*service));
            if let Some((until, cause)) = row.waits(&self.head, now).filter(|_| concerned) {
                waiting.push((row.id(), until, cause));
            }
        }
        let mut rows = self.changed.clone();
        for (id, _, _) in &waiting {
            if let Some(row) = self.open.get(id) {
                rows.insert(*id, row.clone());
            }
        }
        let mut rows: Vec<Row> = rows.into_values().collect();
        rows.sort_by_key(|row| (row.start().unwrap_or(Timestamp::MAX), row.id()));
        Report {
            started: self.started,
            finished: now,
            dry_run: false,
            worked: self.fence.is_some(),
            listed: self.listed.len(),
            new: self.new,
            waiting,
            open: if self.open_loaded {
                OpenCounts::of(self.open.values(), &self.head, now)
            } else {
                self.counted_by_head()
            },
            requests: self.ports.meter.read() - self.before,
            budget: self.head.budget.map(|view| view.seen_at(now)),
            notes: self.notes.clone(),
            trouble: self.what_is_wrong(halt),
            would: Vec::new(),
            rows,
            fence: self.fence,
            head: self.head,
        }
    }

    /// An idle tick reads no row; the head counts what is open. All of it waits, or the tick were not idle.
    fn counted_by_head(&self) -> OpenCounts {
        use crate::ledger::StateName as S;
        let counts = &self.head.counts;
        OpenCounts {
            submitted: counts.get(S::Submitted),
            waiting: counts.get(S::Wanted) + counts.get(S::Submitting),
            ..OpenCounts::default()
        }
    }

    /// Pauses count as they stood when the tick began and decided by them: one that ended a moment ago has
    /// kept it from its work all the same.
    fn what_is_wrong(&self, halt: Option<Halt>) -> Option<Trouble> {
        let began = self.started;
        let pause = |service: Service| {
            let error = self.trouble.get(&service);
            match (error, self.head.paused(service, began)) {
                (Some(error), _) => Some(Trouble::Port(error.clone())),
                (None, Some(pause)) => Some(Trouble::Port(pause.as_error(service))),
                (None, None) => None,
            }
        };
        let because = |service: Service, causes: &[PauseCause]| {
            self.head.paused(service, began).is_some_and(|pause| causes.contains(&pause.cause))
        };
        let services = [Service::Garmin, Service::Strava];
        match halt {
            Some(Halt::Interrupted) => return Some(Trouble::Interrupted),
            Some(Halt::Port(error)) => return Some(Trouble::Port(error)),
            Some(Halt::Store(error)) => return Some(Trouble::Port(PortError::Store(error))),
            _ => {}
        }
        // In the order of the exit codes: configuration, a login, another run, a service.
        for causes in [&[PauseCause::Misconfigured], &[PauseCause::LoginNeeded]] {
            if let Some(service) = services.into_iter().find(|service| because(*service, causes)) {
                return pause(service);
            }
        }
        if halt.is_some() {
            return Some(Trouble::Busy);
        }
        // A Garmin list that failed, or may not be asked for yet, is work left.
        if let Some(trouble) = pause(Service::Garmin) {
            return Some(trouble);
        }
        let open = if self.open_loaded { !self.open.is_empty() } else { self.counted_by_head().total() > 0 };
        let work_left = self.head.link.on.is_none() || open;
        let strava_tried = self.trouble.contains_key(&Service::Strava);
        if work_left || strava_tried { pause(Service::Strava) } else { None }
    }
}
