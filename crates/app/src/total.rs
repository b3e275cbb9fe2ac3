//! What a run of many ticks amounts to: one report of all of them.

use std::collections::BTreeMap;

use fitferry_core::activity::GarminId;
use fitferry_core::engine::report::Report;
use fitferry_core::ledger::{How, Row, State};
use fitferry_core::ports::Requests;
use jiff::Timestamp;

/// Sums up ticks as they end. A history of any length takes no more memory than what of it is unsettled, unless
/// every row is to be told at the end.
#[derive(Debug)]
pub struct Total {
    keeps_all: bool,
    last: Option<Report>,
    started: Timestamp,
    new: usize,
    worked: bool,
    rows: BTreeMap<GarminId, Row>,
    pub settled: Settled,
}

/// Rows that came to their end, by what it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    pub uploaded: u64,
    /// On Strava before we came.
    pub there: u64,
    pub skipped: u64,
}

impl Total {
    pub fn new(started: Timestamp, keeps_all: bool) -> Total {
        Total {
            keeps_all,
            last: None,
            started,
            new: 0,
            worked: false,
            rows: BTreeMap::new(),
            settled: Settled::default(),
        }
    }

    /// One more tick is over.
    pub fn add(&mut self, report: &Report) {
        self.new += report.new;
        self.worked |= report.worked;
        for row in &report.rows {
            let id = row.id();
            match &row.state {
                State::Published { how: How::Uploaded, .. } => self.settled.uploaded += 1,
                State::Published { .. } => self.settled.there += 1,
                State::Skipped { .. } => self.settled.skipped += 1,
                _ => {}
            }
            let is_settled = matches!(row.state, State::Published { .. } | State::Skipped { .. });
            if is_settled && !self.keeps_all {
                self.rows.remove(&id);
            } else {
                self.rows.insert(id, Row { history: Vec::new(), ..row.clone() });
            }
        }
        let mut last = Report { rows: Vec::new(), waiting: Vec::new(), ..report.clone() };
        if let Some(before) = self.last.take() {
            let notes = before.notes.into_iter().filter(|note| !report.notes.contains(note));
            last.notes = notes.chain(report.notes.iter().cloned()).collect();
            last.budget = last.budget.or(before.budget);
        }
        self.last = Some(last);
    }

    /// All of it as one report; `None` where no tick came to its end.
    pub fn report(self, finished: Timestamp, requests: Requests) -> Option<Report> {
        let mut report = self.last?;
        let mut rows: Vec<Row> = self.rows.into_values().collect();
        rows.sort_by_key(|row| (row.start().unwrap_or(Timestamp::MAX), row.id()));
        report.waiting = rows
            .iter()
            .filter(|row| !matches!(row.state, State::Submitted { .. }))
            .filter_map(|row| {
                row.waits(&report.head, finished).map(|(until, cause)| (row.id(), until, cause))
            })
            .collect();
        report.rows = rows;
        report.started = self.started;
        report.finished = finished;
        report.new = self.new;
        report.worked = self.worked;
        report.requests = requests;
        Some(report)
    }
}
