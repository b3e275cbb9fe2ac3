//! Of a backfill: the file that goes next is downloaded while this one is uploaded, and waits in memory.

use super::next::in_turn;
use super::{Halt, Tick};
use crate::activity::GarminId;
use crate::ledger::State;
use crate::planted::{self, Fault};
use crate::ports::{Answer, Download, Failure, Service, Source};

/// What came of a download before its turn.
pub(super) type Ahead = (GarminId, Result<Answer<Download>, Failure>);

pub(super) async fn fetch_ahead(source: &dyn Source, id: Option<GarminId>) -> Option<Ahead> {
    let id = id?;
    Some((id, source.download(id).await))
}

impl Tick<'_> {
    /// The one that goes next is downloaded while this one is uploaded.
    pub(super) async fn begin_ahead(&mut self) -> Result<Option<GarminId>, Halt> {
        let next = self.history.as_ref().filter(|course| course.ahead.is_none() && course.may_fetch_ahead);
        let next = next.and_then(|course| in_turn(&self.facts(), &course.slice).first().map(|row| row.id()));
        let Some(row) = next.and_then(|id| self.row(id)) else { return Ok(None) };
        self.download_begins(row).await?;
        Ok(next)
    }

    /// A file waits for its turn; trouble with Garmin does not, since nobody asks it again before that is booked.
    pub(super) async fn keep_ahead(&mut self, ahead: Option<Ahead>) -> Result<(), Halt> {
        match ahead {
            Some((id, Err(failure))) => match self.row(id) {
                Some(row) => self.put_download_off(row, failure).await,
                None => self.blame(Service::Garmin, failure),
            },
            Some((id, Ok(answer))) => {
                if let Some(course) = &mut self.history {
                    course.ahead = Some((id, answer));
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(super) fn take_ahead(&mut self, id: GarminId) -> Option<Answer<Download>> {
        let (_, answer) = self.history.as_mut()?.ahead.take_if(|(held, _)| *held == id)?;
        Some(answer)
    }

    /// A turn ends: what is in memory is kept for the next one, and no download is under way.
    pub(super) async fn set_ahead_aside(&mut self) -> Result<(), Halt> {
        let Some((id, _)) = self.history.as_ref().and_then(|course| course.ahead.as_ref()) else {
            return Ok(());
        };
        let id = *id;
        match self.row(id).filter(|row| row.state == State::Wanted) {
            Some(_) if planted::has(Fault::FileAheadCountsAgainst) => Ok(()),
            Some(mut row) => {
                row.download_set_aside();
                self.keep_quietly(row).await
            }
            None => {
                if let Some(course) = &mut self.history {
                    course.ahead = None;
                }
                Ok(())
            }
        }
    }
}
