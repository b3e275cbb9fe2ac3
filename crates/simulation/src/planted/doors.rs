//! Doors that do otherwise than a port promises.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use fitferry_core::activity::{GarminId, Listed, UploadId};
use fitferry_core::budget::View;
use fitferry_core::head::Head;
use fitferry_core::ledger::{Counts, Row, State as RowState};
use fitferry_core::ports::{
    Answer, Destination, Download, Failure, Fence, Filter, Lease, Ledger, Look, Page, PortError, Ports,
    Processing, PutError, SendError, Sent, Sight, Source, StoreError, Upload, Version, Window,
};
use jiff::Timestamp;

use super::Planted;
use crate::process::Process;

/// The doors of a process, one of them spoilt.
pub(crate) struct Spoilt {
    process: Arc<Process>,
    planted: Planted,
}

impl Planted {
    pub(crate) fn doors(self, process: &Arc<Process>) -> Spoilt {
        Spoilt { process: Arc::clone(process), planted: self }
    }
}

impl Spoilt {
    pub(crate) fn ports(&self) -> Ports<'_> {
        Ports { source: self, destination: self, ledger: self, lease: self, ..self.process.ports() }
    }

    fn is(&self, planted: Planted) -> bool {
        self.planted == planted
    }
}

#[async_trait]
impl Source for Spoilt {
    async fn list(&self, page: Page) -> Result<Answer<Vec<Listed>>, Failure> {
        Source::list(&*self.process, page).await
    }

    async fn download(&self, id: GarminId) -> Result<Answer<Download>, Failure> {
        match self.process.download(id).await {
            Err(failure) if self.is(Planted::OutageOnActivity) => match failure.error {
                PortError::Down { .. } | PortError::Refused { .. } => Ok(Answer {
                    value: Download::Unavailable("Garmin is down".to_owned()),
                    usage: None,
                    server_time: failure.server_time,
                }),
                _ => Err(failure),
            },
            Ok(answer)
                if self.is(Planted::BrokenArchivePassed) && matches!(answer.value, Download::Broken(_)) =>
            {
                let file =
                    self.process.state().world.garmin.activities.get(&id.0).map(|one| one.file.clone());
                let mut file = file.unwrap_or_default();
                file.truncate(file.len() * 2 / 3);
                Ok(Answer { value: crate::garmin::original(&file, true), ..answer })
            }
            answer => answer,
        }
    }

    fn own_key(&self) -> Option<u64> {
        self.process.own_key()
    }

    fn bearer_due(&self) -> Option<Timestamp> {
        self.process.bearer_due()
    }
}

#[async_trait]
impl Destination for Spoilt {
    async fn find(&self, window: Window, stop_at: &BTreeSet<UploadId>) -> Result<Answer<Look>, Failure> {
        if self.is(Planted::OldLooksTrusted) && stop_at.is_empty() {
            let old =
                self.process.state().memories.looks.iter().find(|(old, _)| old.covers(&window)).cloned();
            if let Some((_, sight)) = old {
                return Ok(Answer { value: Look::Complete(sight), usage: None, server_time: None });
            }
        }
        let answer = match self.process.find(window, stop_at).await {
            Err(failure)
                if self.is(Planted::FailedLookIsEmpty) && matches!(failure.error, PortError::Down { .. }) =>
            {
                let sight = Sight { found: Vec::new(), sees_private: true };
                Answer { value: Look::Complete(sight), usage: None, server_time: failure.server_time }
            }
            answer => answer?,
        };
        if self.is(Planted::OldLooksTrusted)
            && stop_at.is_empty()
            && let Look::Complete(sight) = &answer.value
        {
            self.process.state().memories.looks.push((window, sight.clone()));
        }
        Ok(answer)
    }

    async fn upload(&self, upload: &Upload) -> Result<Answer<Sent>, SendError> {
        match self.process.upload(upload).await {
            Ok(answer) if self.is(Planted::DuplicateIsFailure) => {
                let value = match answer.value {
                    Sent::Duplicate { text, .. } => Sent::Refused(text),
                    other => other,
                };
                Ok(Answer { value, ..answer })
            }
            Err(SendError::InDoubt(failure)) if self.is(Planted::LostUploadIsNotSent) => {
                Err(SendError::NotTaken(failure))
            }
            answer => answer,
        }
    }

    async fn confirm(&self, upload: UploadId) -> Result<Answer<Processing>, Failure> {
        let answer = self.process.confirm(upload).await?;
        let value = match answer.value {
            Processing::Duplicate { text, .. } if self.is(Planted::DuplicateIsFailure) => {
                Processing::Failed(text)
            }
            other => other,
        };
        Ok(Answer { value, ..answer })
    }

    async fn budget(&self, now: Timestamp) -> Result<Option<View>, StoreError> {
        self.process.budget(now).await
    }
}

#[async_trait]
impl Ledger for Spoilt {
    async fn head(&self) -> Result<(Head, Version), StoreError> {
        Ledger::head(&*self.process).await
    }

    async fn put_head(&self, expected: Version, head: &Head, fence: Fence) -> Result<Version, PutError> {
        let put = self.process.put_head(expected, head, fence).await?;
        let late = std::mem::take(&mut self.process.state().memories.late_rows);
        if !late.is_empty() && !head.dirty {
            self.process.add(&late, fence).await?;
        } else {
            self.process.state().memories.late_rows = late;
        }
        Ok(put)
    }

    async fn get(&self, id: GarminId) -> Result<Option<(Row, Version)>, StoreError> {
        Ledger::get(&*self.process, id).await
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<Row>, StoreError> {
        Ledger::list(&*self.process, filter).await
    }

    async fn known(&self, ids: &[GarminId]) -> Result<BTreeSet<GarminId>, StoreError> {
        let mut known = self.process.known(ids).await?;
        let state = self.process.state();
        known.extend(state.memories.late_rows.iter().map(Row::id).filter(|id| ids.contains(id)));
        Ok(known)
    }

    async fn open(&self) -> Result<Vec<(Row, Version)>, StoreError> {
        self.process.state().memories.unwritten.clear();
        self.process.state().memories.late_rows.clear();
        self.process.open().await
    }

    async fn put(&self, row: &Row, expected: Version, fence: Fence) -> Result<Version, PutError> {
        if self.is(Planted::IntentNotWritten) {
            if matches!(row.state, RowState::Submitting { .. }) {
                self.process.state().memories.unwritten.insert(row.id(), row.clone());
                return Ok(Version(expected.0 + 1));
            }
            if self.process.state().memories.unwritten.remove(&row.id()).is_some() {
                return self.process.put(row, Version(expected.0 - 1), fence).await;
            }
        }
        self.process.put(row, expected, fence).await
    }

    async fn add(&self, rows: &[Row], fence: Fence) -> Result<Vec<GarminId>, PutError> {
        if self.is(Planted::HeadBeforeRows) {
            let (wait, now): (Vec<Row>, Vec<Row>) =
                rows.iter().cloned().partition(|row| !row.state.is_open());
            let mut added = self.process.add(&now, fence).await?;
            added.extend(wait.iter().map(Row::id));
            self.process.state().memories.late_rows.extend(wait);
            return Ok(added);
        }
        self.process.add(rows, fence).await
    }

    async fn count(&self) -> Result<Counts, StoreError> {
        self.process.count().await
    }
}

#[async_trait]
impl Lease for Spoilt {
    async fn take(&self, until: Timestamp) -> Result<Option<Fence>, StoreError> {
        self.process.take(until).await
    }

    async fn renew(&self, until: Timestamp) -> Result<bool, StoreError> {
        self.process.renew(until).await
    }

    async fn release(&self) -> Result<(), StoreError> {
        self.process.release().await
    }

    fn held(&self) -> Option<Fence> {
        self.process.held()
    }
}
