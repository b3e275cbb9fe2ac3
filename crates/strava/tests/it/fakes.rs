//! Vault, budget, lease and clock in memory.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fitferry_core::budget::{Account, Full, Kind, Purpose, Reading, View};
use fitferry_core::ports::{
    AppId, Budget, Clock, Fence, Lease, PutError, SecretName, StoreError, Vault, Version,
};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

/// One secret, and what the next writes answer.
#[derive(Default)]
pub(crate) struct MemoryVault {
    kept: Mutex<Option<(String, u64)>>,
    /// Before each write that comes next, another run writes this.
    pub(crate) others: Mutex<Vec<String>>,
    pub(crate) unwritable: AtomicBool,
}

impl MemoryVault {
    pub(crate) fn holding(text: &str) -> MemoryVault {
        MemoryVault { kept: Mutex::new(Some((text.to_owned(), 1))), ..MemoryVault::default() }
    }

    pub(crate) fn text(&self) -> Option<String> {
        self.kept.lock().unwrap().as_ref().map(|(text, _)| text.clone())
    }

    pub(crate) fn set(&self, text: &str) {
        let mut kept = self.kept.lock().unwrap();
        let version = kept.as_ref().map_or(0, |(_, version)| *version);
        *kept = Some((text.to_owned(), version + 1));
    }
}

#[async_trait]
impl Vault for MemoryVault {
    async fn get(&self, name: SecretName) -> Result<Option<(SecretString, Version)>, StoreError> {
        assert_eq!(name, SecretName::StravaLogin);
        let kept = self.kept.lock().unwrap();
        Ok(kept.as_ref().map(|(text, version)| (SecretString::from(text.clone()), Version(*version))))
    }

    async fn get_fresh(&self, name: SecretName) -> Result<Option<(SecretString, Version)>, StoreError> {
        self.get(name).await
    }

    async fn replace(
        &self,
        _: SecretName,
        expected: Version,
        new: &SecretString,
    ) -> Result<Version, PutError> {
        if self.unwritable.load(Ordering::Relaxed) {
            return Err(full_disk().into());
        }
        if let Some(other) = self.others.lock().unwrap().pop() {
            self.set(&other);
        }
        let mut kept = self.kept.lock().unwrap();
        let version = kept.as_ref().map_or(0, |(_, version)| *version);
        if Version(version) != expected {
            return Err(PutError::Conflict);
        }
        *kept = Some((new.expose_secret().to_owned(), version + 1));
        Ok(Version(version + 1))
    }

    async fn remove(&self, _: SecretName) -> Result<(), StoreError> {
        if self.unwritable.load(Ordering::Relaxed) {
            return Err(full_disk());
        }
        *self.kept.lock().unwrap() = None;
        Ok(())
    }
}

pub(crate) fn full_disk() -> StoreError {
    StoreError { what: "the disk is full".to_owned(), help: "Make room.".to_owned() }
}

/// One app's account, by the arithmetic of core, and what was asked of it.
pub(crate) struct MemoryBudget {
    account: Mutex<Account>,
    pub(crate) charges: Mutex<Vec<(AppId, Kind, Purpose, Timestamp)>>,
    pub(crate) corrections: Mutex<Vec<(Reading, Timestamp)>>,
    pub(crate) pauses: Mutex<Vec<Full>>,
    /// What every charge is answered with.
    pub(crate) full: Mutex<Option<Full>>,
    pub(crate) uncorrectable: AtomicBool,
}

impl MemoryBudget {
    pub(crate) fn new(now: Timestamp) -> MemoryBudget {
        MemoryBudget {
            account: Mutex::new(Account::new(now)),
            charges: Mutex::default(),
            corrections: Mutex::default(),
            pauses: Mutex::default(),
            full: Mutex::default(),
            uncorrectable: AtomicBool::default(),
        }
    }

    pub(crate) fn kinds(&self) -> Vec<Kind> {
        self.charges.lock().unwrap().iter().map(|(_, kind, _, _)| *kind).collect()
    }
}

#[async_trait]
impl Budget for MemoryBudget {
    async fn charge(
        &self,
        app: &AppId,
        kind: Kind,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Result<(), Full>, StoreError> {
        if let Some(full) = *self.full.lock().unwrap() {
            return Ok(Err(full));
        }
        self.charges.lock().unwrap().push((app.clone(), kind, purpose, now));
        Ok(self.account.lock().unwrap().charge(kind, purpose, now))
    }

    async fn correct(&self, _: &AppId, reading: &Reading, at: Timestamp) -> Result<View, StoreError> {
        if self.uncorrectable.load(Ordering::Relaxed) {
            return Err(full_disk());
        }
        self.corrections.lock().unwrap().push((*reading, at));
        let mut account = self.account.lock().unwrap();
        account.correct(reading, at);
        Ok(account.view(at))
    }

    async fn pause(&self, _: &AppId, full: Full) -> Result<(), StoreError> {
        self.pauses.lock().unwrap().push(full);
        self.account.lock().unwrap().pause(full);
        Ok(())
    }

    async fn clear(&self, _: &AppId) -> Result<(), StoreError> {
        self.account.lock().unwrap().clear();
        Ok(())
    }

    async fn view(&self, _: &AppId, now: Timestamp) -> Result<View, StoreError> {
        Ok(self.account.lock().unwrap().view(now))
    }
}

/// A lease that is free unless another run has it.
#[derive(Default)]
pub(crate) struct MemoryLease {
    pub(crate) taken_by_another: AtomicBool,
    held: AtomicBool,
}

#[async_trait]
impl Lease for MemoryLease {
    async fn take(&self, _: Timestamp) -> Result<Option<Fence>, StoreError> {
        if self.taken_by_another.load(Ordering::Relaxed) {
            return Ok(None);
        }
        self.held.store(true, Ordering::Relaxed);
        Ok(Some(Fence(1)))
    }

    async fn renew(&self, _: Timestamp) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn release(&self) -> Result<(), StoreError> {
        self.held.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn held(&self) -> Option<Fence> {
        self.held.load(Ordering::Relaxed).then_some(Fence(1))
    }
}

/// A clock that stands until it is moved.
pub(crate) struct StillClock {
    now: Mutex<Timestamp>,
    monotonic: Mutex<Duration>,
}

impl StillClock {
    pub(crate) fn at(now: Timestamp) -> StillClock {
        StillClock { now: Mutex::new(now), monotonic: Mutex::new(Duration::from_secs(1000)) }
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.now.lock().unwrap();
        *now = now.checked_add(by).unwrap();
        *self.monotonic.lock().unwrap() += by;
    }
}

#[async_trait]
impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        *self.monotonic.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}
