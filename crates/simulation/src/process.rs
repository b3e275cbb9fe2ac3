//! One process: what a run holds in memory, and the doors through which it reaches time and the store.
//!
//! Every call passes a point before its effect and one after it. At either the process may die or be frozen, time
//! may pass, and another run may do something. The doors to the two services are in `garmin` and `strava`.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use fitferry_core::activity::GarminId;
use fitferry_core::budget::Purpose;
use fitferry_core::head::Head;
use fitferry_core::ledger::{Counts, Row};
use fitferry_core::ports::{
    Clock, Fence, Filter, Lease, Ledger, Meter, Ports, PutError, SecretName, StoreError, Vault, Version,
};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use crate::login::Bearer;
use crate::memory::Conflict;
use crate::planted::Planted;
use crate::scene::{Going, Point, Scene, State};

pub(crate) struct Process {
    pub(crate) scene: Arc<Scene>,
    pub(crate) runner: usize,
    pub(crate) meter: Meter,
    pub(crate) stop: Arc<AtomicBool>,
    client: Mutex<Client>,
}

/// What the two clients keep in memory.
#[derive(Debug, Default)]
pub(crate) struct Client {
    /// Strava's clock less ours, by the last `Date`.
    pub(crate) strava_skew: Option<SignedDuration>,
    /// Monotonic moment before which no early renewal of Strava's token is tried.
    pub(crate) early_from: Duration,
    /// Garmin's bearer of the last request, and when that began.
    pub(crate) bearer: Option<Bearer>,
    pub(crate) last_request: Option<Duration>,
    /// Garmin's bearer as it was read with the head.
    bearer_read: Option<Option<(SecretString, Version)>>,
    /// Whose requests to Strava these are (*Budget*).
    pub(crate) purpose: Option<Purpose>,
    /// What a spoilt process never reads again.
    secrets: BTreeMap<SecretName, Option<(SecretString, Version)>>,
}

impl Process {
    pub(crate) fn new(scene: Arc<Scene>, runner: usize) -> Process {
        let stop = Arc::<AtomicBool>::default();
        scene.lock().slots[runner].stop = Arc::clone(&stop);
        Process { scene, runner, meter: Meter::default(), stop, client: Mutex::default() }
    }

    /// Everything that the engine may touch.
    pub(crate) fn ports(&self) -> Ports<'_> {
        Ports {
            source: self,
            destination: self,
            ledger: self,
            vault: self,
            lease: self,
            clock: self,
            meter: &self.meter,
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.scene.lock()
    }

    pub(crate) fn client(&self) -> MutexGuard<'_, Client> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets past a point, after that long.
    pub(crate) fn pass(&self, point: Point, span: SignedDuration) -> Pass<'_> {
        Pass { process: self, at: Some((point, span)), until: None }
    }

    /// The process dies here.
    pub(crate) async fn die(&self) {
        self.state().slots[self.runner].dead = true;
        std::future::pending().await
    }

    /// One operation of the store, which is atomic, with a point on either side.
    pub(crate) async fn operate<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        self.operate_at(Point::Store, work).await
    }

    async fn operate_at<T>(&self, point: Point, work: impl FnOnce(&mut State) -> T) -> T {
        let span = self.state().store_span();
        self.pass(point, span).await;
        let done = work(&mut self.state());
        self.pass(point, SignedDuration::ZERO).await;
        done
    }
}

/// A run on its way past a point.
pub(crate) struct Pass<'a> {
    process: &'a Process,
    at: Option<(Point, SignedDuration)>,
    until: Option<Timestamp>,
}

impl Future for Pass<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let runner = self.process.runner;
        let at = self.at.take();
        let mut state = self.process.scene.lock();
        let going = match at {
            Some((point, span)) => state.arrive(runner, point, span),
            // Two of one run may be on their way at once: whose moment has not come waits on.
            None => match self.until {
                Some(until) if until > state.now => Going::Later(Some(until)),
                _ => Going::On,
            },
        };
        match going {
            Going::On => Poll::Ready(()),
            Going::Later(until) => {
                if let Some(until) = until {
                    let wake = &mut state.slots[runner].wake;
                    *wake = Some(wake.map_or(until, |wake| wake.min(until)));
                }
                drop(state);
                self.until = until;
                Poll::Pending
            }
        }
    }
}

#[async_trait]
impl Clock for Process {
    fn now(&self) -> Timestamp {
        self.state().wall(self.runner)
    }

    fn monotonic(&self) -> Duration {
        self.state().monotonic()
    }

    async fn sleep(&self, duration: Duration) {
        let span = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        self.pass(Point::Sleep, span).await;
    }
}

fn put_error(Conflict: Conflict) -> PutError {
    PutError::Conflict
}

#[async_trait]
impl Ledger for Process {
    async fn head(&self) -> Result<(Head, Version), StoreError> {
        let runner = self.runner;
        let read =
            self.operate(|state| (state.head(runner), state.secret(runner, SecretName::GarminBearer))).await;
        self.client().bearer_read = Some(read.1);
        Ok(read.0)
    }

    async fn put_head(&self, expected: Version, head: &Head, fence: Fence) -> Result<Version, PutError> {
        let put = |state: &mut State| state.put_head(self.runner, expected, head, fence);
        self.operate(put).await.map_err(put_error)
    }

    async fn get(&self, id: GarminId) -> Result<Option<(Row, Version)>, StoreError> {
        Ok(self.operate(|state| state.get(self.runner, id)).await)
    }

    async fn list(&self, _: &Filter) -> Result<Vec<Row>, StoreError> {
        Ok(self.operate(|state| state.store.rows.values().map(|(row, _)| row.clone()).collect()).await)
    }

    async fn known(&self, ids: &[GarminId]) -> Result<BTreeSet<GarminId>, StoreError> {
        Ok(self.operate(|state| state.known(self.runner, ids)).await)
    }

    async fn open(&self) -> Result<Vec<(Row, Version)>, StoreError> {
        Ok(self.operate(|state| state.open_rows(self.runner)).await)
    }

    async fn put(&self, row: &Row, expected: Version, fence: Fence) -> Result<Version, PutError> {
        let put = |state: &mut State| state.put(self.runner, row, expected, fence);
        let is_intent = matches!(row.state, fitferry_core::ledger::State::Submitting { .. });
        let point = if is_intent { Point::Intent } else { Point::Store };
        self.operate_at(point, put).await.map_err(put_error)
    }

    async fn add(&self, rows: &[Row], fence: Fence) -> Result<Vec<GarminId>, PutError> {
        let add = |state: &mut State| state.add(self.runner, rows, fence);
        self.operate(add).await.map_err(put_error)
    }

    async fn count(&self) -> Result<Counts, StoreError> {
        Ok(self.operate(|state| state.count(self.runner)).await)
    }
}

#[async_trait]
impl Vault for Process {
    async fn get(&self, name: SecretName) -> Result<Option<(SecretString, Version)>, StoreError> {
        if name == SecretName::GarminBearer
            && let Some(read) = self.client().bearer_read.clone()
        {
            return Ok(read);
        }
        self.get_fresh(name).await
    }

    async fn get_fresh(&self, name: SecretName) -> Result<Option<(SecretString, Version)>, StoreError> {
        let is_kept = self.state().planted == Some(Planted::VaultNotReadAgain);
        if is_kept && let Some(first) = self.client().secrets.get(&name).cloned() {
            return Ok(first);
        }
        let found = self.operate_at(Point::Vault, |state| state.secret(self.runner, name)).await;
        if is_kept && name != SecretName::GarminBearer {
            self.client().secrets.insert(name, found.clone());
        }
        if name == SecretName::GarminBearer {
            self.client().bearer_read = Some(found.clone());
        }
        Ok(found)
    }

    async fn replace(
        &self,
        name: SecretName,
        expected: Version,
        new: &SecretString,
    ) -> Result<Version, PutError> {
        let replace = |state: &mut State| state.replace(self.runner, name, expected, new);
        let version = self.operate_at(Point::Vault, replace).await.map_err(put_error)?;
        if name == SecretName::GarminBearer {
            self.client().bearer_read = Some(Some((new.clone(), version)));
        }
        Ok(version)
    }

    async fn remove(&self, name: SecretName) -> Result<(), StoreError> {
        self.operate(|state| state.remove_secret(self.runner, name)).await;
        Ok(())
    }
}

#[async_trait]
impl Lease for Process {
    async fn take(&self, until: Timestamp) -> Result<Option<Fence>, StoreError> {
        let take = |state: &mut State| {
            let now = state.wall(self.runner);
            state.take(self.runner, now, until)
        };
        Ok(self.operate(take).await)
    }

    async fn renew(&self, until: Timestamp) -> Result<bool, StoreError> {
        Ok(self.operate(|state| state.renew(self.runner, until)).await)
    }

    async fn release(&self) -> Result<(), StoreError> {
        self.operate(|state| state.release(self.runner)).await;
        Ok(())
    }

    fn held(&self) -> Option<Fence> {
        self.state().slots[self.runner].fence
    }
}
