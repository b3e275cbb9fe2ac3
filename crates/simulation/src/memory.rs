//! What is durable: a ledger, a vault, leases and accounts in plain maps, as exact as a table in the cloud.
//!
//! Every write is atomic and is refused under an old fence or an old version, and a lease ends at its moment. The
//! same maps are what a store with real code underneath is compared with (`store`).

use std::collections::{BTreeMap, BTreeSet};

use fitferry_core::activity::GarminId;
use fitferry_core::budget::{Account, Full, Kind, Purpose, Reading, View};
use fitferry_core::head::Head;
use fitferry_core::ledger::{Counts, Row};
use fitferry_core::ports::{AppId, Fence, SecretName, Version};
use jiff::Timestamp;
use secrecy::SecretString;

use crate::plan::LeaseKind;
use crate::planted::Planted;

/// A write that met another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conflict;

/// The lease that is in force.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) fence: Fence,
    pub(crate) by: usize,
    /// On the clock of the one who took it.
    pub(crate) until: Timestamp,
}

#[derive(Debug)]
pub(crate) struct Memory {
    kind: LeaseKind,
    planted: Option<Planted>,
    pub(crate) rows: BTreeMap<GarminId, (Row, Version)>,
    open: BTreeSet<GarminId>,
    pub(crate) counts: Counts,
    pub(crate) head: Head,
    head_version: Version,
    /// Counts every write of the head, for those who wait for one.
    pub(crate) head_writes: u64,
    pub(crate) newest_fence: Fence,
    pub(crate) lease: Option<Taken>,
    secrets: BTreeMap<SecretName, (Option<SecretString>, Version)>,
    accounts: BTreeMap<AppId, Account>,
}

impl Memory {
    pub(crate) fn new(kind: LeaseKind, planted: Option<Planted>) -> Memory {
        Memory {
            kind,
            planted,
            rows: BTreeMap::new(),
            open: BTreeSet::new(),
            counts: Counts::default(),
            head: Head::default(),
            head_version: Version::ABSENT,
            head_writes: 0,
            newest_fence: Fence(0),
            lease: None,
            secrets: BTreeMap::new(),
            accounts: BTreeMap::new(),
        }
    }

    // ---------------------------------------------------------------------------------- ledger

    pub(crate) fn head(&self) -> (Head, Version) {
        (self.head.clone(), self.head_version)
    }

    pub(crate) fn put_head(
        &mut self,
        expected: Version,
        head: &Head,
        fence: Fence,
    ) -> Result<Version, Conflict> {
        if self.is_old(fence) || expected != self.head_version {
            return Err(Conflict);
        }
        self.head_writes += 1;
        self.head = head.clone();
        self.head_version = Version(expected.0 + 1);
        Ok(self.head_version)
    }

    pub(crate) fn get(&self, id: GarminId) -> Option<(Row, Version)> {
        self.rows.get(&id).cloned()
    }

    pub(crate) fn known(&self, ids: &[GarminId]) -> BTreeSet<GarminId> {
        ids.iter().copied().filter(|id| self.rows.contains_key(id)).collect()
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = &(Row, Version)> {
        self.open.iter().filter_map(|id| self.rows.get(id))
    }

    pub(crate) fn put(&mut self, row: &Row, expected: Version, fence: Fence) -> Result<Version, Conflict> {
        let id = row.id();
        let stored = self.rows.get(&id);
        if self.is_old(fence) || stored.map_or(Version::ABSENT, |(_, version)| *version) != expected {
            return Err(Conflict);
        }
        self.counts.moved(stored.map(|(row, _)| row.state.name()), row.state.name());
        let version = Version(expected.0 + 1);
        self.index(row);
        self.rows.insert(id, (row.clone(), version));
        Ok(version)
    }

    pub(crate) fn add(&mut self, rows: &[Row], fence: Fence) -> Result<Vec<GarminId>, Conflict> {
        if self.is_old(fence) {
            return Err(Conflict);
        }
        let mut added = Vec::new();
        for row in rows {
            let id = row.id();
            if self.rows.contains_key(&id) {
                continue;
            }
            self.counts.moved(None, row.state.name());
            self.index(row);
            self.rows.insert(id, (row.clone(), Version::FIRST));
            added.push(id);
        }
        Ok(added)
    }

    fn is_old(&self, fence: Fence) -> bool {
        fence < self.newest_fence && self.planted != Some(Planted::LeaseWithoutFence)
    }

    fn index(&mut self, row: &Row) {
        if row.state.is_open() {
            self.open.insert(row.id());
        } else {
            self.open.remove(&row.id());
        }
    }

    // ----------------------------------------------------------------------------------- lease

    /// `mine`: the fence that the taker has from before; `now` and `until` are on its own clock.
    pub(crate) fn take(
        &mut self,
        by: usize,
        mine: Option<Fence>,
        now: Timestamp,
        until: Timestamp,
    ) -> Option<Fence> {
        if let Some(taken) = &mut self.lease {
            if mine == Some(taken.fence) {
                taken.until = taken.until.max(until);
                return mine;
            }
            let is_held = self.kind == LeaseKind::Lock || taken.until > now;
            if is_held && self.planted == Some(Planted::LeaseForEverybody) {
                return Some(taken.fence);
            }
            if is_held {
                return None;
            }
        }
        self.newest_fence = Fence(self.newest_fence.0 + 1);
        self.lease = Some(Taken { fence: self.newest_fence, by, until });
        Some(self.newest_fence)
    }

    pub(crate) fn renew(&mut self, mine: Option<Fence>, until: Timestamp) -> bool {
        match &mut self.lease {
            Some(taken) if mine == Some(taken.fence) => {
                taken.until = until;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn release(&mut self, mine: Option<Fence>) {
        if self.lease.is_some_and(|taken| mine == Some(taken.fence)) {
            self.lease = None;
        }
    }

    /// A process died. Only a lock is freed by that.
    pub(crate) fn died(&mut self, mine: Option<Fence>) {
        if self.kind == LeaseKind::Lock {
            self.release(mine);
        }
    }

    // ----------------------------------------------------------------------------------- vault

    pub(crate) fn secret(&self, name: SecretName) -> Option<(SecretString, Version)> {
        let (value, version) = self.secrets.get(&name)?;
        Some((value.clone()?, *version))
    }

    /// The version of a secret that is there.
    pub(crate) fn secret_version(&self, name: SecretName) -> Version {
        self.secrets
            .get(&name)
            .and_then(|(value, version)| value.as_ref().map(|_| *version))
            .unwrap_or(Version::ABSENT)
    }

    pub(crate) fn replace(
        &mut self,
        name: SecretName,
        expected: Version,
        new: &SecretString,
    ) -> Result<Version, Conflict> {
        let (value, stored) = self.secrets.entry(name).or_insert((None, Version::ABSENT));
        let fits = match expected {
            Version::ABSENT => value.is_none(),
            expected => value.is_some() && *stored == expected,
        };
        if !fits && self.planted != Some(Planted::VaultWithoutVersions) {
            return Err(Conflict);
        }
        *stored = Version(stored.0 + 1);
        *value = Some(new.clone());
        Ok(*stored)
    }

    pub(crate) fn remove(&mut self, name: SecretName) {
        if let Some((value, stored)) = self.secrets.get_mut(&name).filter(|(value, _)| value.is_some()) {
            *stored = Version(stored.0 + 1);
            *value = None;
        }
    }

    // ---------------------------------------------------------------------------------- budget

    pub(crate) fn charge(
        &mut self,
        app: &AppId,
        kind: Kind,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<(), Full> {
        self.account(app, now).charge(kind, purpose, now)
    }

    pub(crate) fn correct(&mut self, app: &AppId, reading: &Reading, at: Timestamp) -> View {
        let account = self.account(app, at);
        account.correct(reading, at);
        account.view(at)
    }

    pub(crate) fn pause(&mut self, app: &AppId, full: Full) {
        self.account(app, Timestamp::UNIX_EPOCH).pause(full);
    }

    pub(crate) fn clear(&mut self, app: &AppId) {
        self.account(app, Timestamp::UNIX_EPOCH).clear();
    }

    pub(crate) fn view(&self, app: &AppId, now: Timestamp) -> View {
        self.accounts.get(app).map_or_else(|| Account::new(now).view(now), |account| account.view(now))
    }

    fn account(&mut self, app: &AppId, begins: Timestamp) -> &mut Account {
        if !self.accounts.contains_key(app) {
            self.accounts.insert(app.clone(), Account::new(begins));
        }
        self.accounts.get_mut(app).expect("it was put there")
    }
}
