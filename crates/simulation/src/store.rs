//! The store's doors. Each operation is done on the maps (`memory`) and, where a seed runs over one, by a store's
//! own code too; the two must answer alike. The oracle sees everything that becomes durable.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use fitferry_core::activity::GarminId;
use fitferry_core::budget::{Full, Kind, Purpose, Reading, View};
use fitferry_core::head::Head;
use fitferry_core::ledger::{Counts, Row};
use fitferry_core::ports::{
    AppId, Budget, Fence, Filter, Lease, Ledger, PutError, SecretName, Vault, Version,
};
use fitferry_store::dynamodb::DynamoAthlete;
use fitferry_store::{AthleteStore, SqliteStore};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::dynamo::Dynamo;
use crate::memory::Conflict;
use crate::oracle;
use crate::outcome::{Law, Violation};
use crate::plan::StoreKind;
use crate::scene::State;

/// A store with code of its own.
pub(crate) struct Real {
    underneath: Underneath,
    /// One door for each runner, and the last one for people.
    doors: Vec<Door>,
    /// What the SDK's time limits want around them; it drives nothing.
    surroundings: Option<tokio::runtime::Runtime>,
}

/// What a new process opens its door to.
enum Underneath {
    Sqlite(SqliteStore),
    Dynamo(Box<Dynamo>),
}

/// One process's way to the store.
enum Door {
    Sqlite(AthleteStore, SqliteStore),
    Dynamo(Box<DynamoAthlete>),
}

/// Everything that a store is to one athlete.
trait Doors: Ledger + Vault + Lease {}

impl<T: Ledger + Vault + Lease> Doors for T {}

impl Door {
    fn athlete(&self) -> &dyn Doors {
        match self {
            Door::Sqlite(door, _) => door,
            Door::Dynamo(door) => &**door,
        }
    }

    fn budget(&self) -> &dyn Budget {
        match self {
            Door::Sqlite(_, store) => store,
            Door::Dynamo(door) => door.store(),
        }
    }
}

const ATHLETE: &str = "me";

/// Far more often than any answer of a store that never waits has to be asked for.
const POLLS_MAX: u32 = 1_000;

impl Real {
    /// `None`: the maps alone.
    pub(crate) fn open(kind: StoreKind, seed: u64, runners: usize) -> Option<Real> {
        let (underneath, surroundings) = match kind {
            StoreKind::Memory => return None,
            StoreKind::Sqlite => {
                let store = SqliteStore::open_in_memory().expect("memory can always be opened");
                (Underneath::Sqlite(store), None)
            }
            StoreKind::DynamoDb => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
                let runtime = runtime.expect("a runtime without input and output can always be made");
                (Underneath::Dynamo(Box::new(Dynamo::new(seed))), Some(runtime))
            }
        };
        let doors = (0..=runners).map(|_| underneath.door()).collect();
        Some(Real { underneath, doors, surroundings })
    }

    fn door(&self, who: usize) -> &dyn Doors {
        self.doors[who].athlete()
    }

    fn budget(&self, who: usize) -> &dyn Budget {
        self.doors[who].budget()
    }

    /// The answer of a store that never waits.
    fn at_once<T>(&self, answer: impl Future<Output = T>) -> T {
        let _within = self.surroundings.as_ref().map(tokio::runtime::Runtime::enter);
        let mut answer = pin!(answer);
        for _ in 0..POLLS_MAX {
            if let Poll::Ready(value) = answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return value;
            }
        }
        unreachable!("a store within this process answers within the call")
    }
}

impl Underneath {
    fn door(&self) -> Door {
        match self {
            Underneath::Sqlite(store) => Door::Sqlite(store.athlete(ATHLETE), store.clone()),
            Underneath::Dynamo(dynamo) => Door::Dynamo(Box::new(dynamo.store().athlete(ATHLETE))),
        }
    }
}

fn conflict<T>(answer: Result<T, PutError>) -> Result<T, Conflict> {
    answer.map_err(|error| match error {
        PutError::Conflict => Conflict,
        PutError::Store(error) => panic!("a store in memory does not fail: {error}"),
    })
}

impl State {
    /// Who writes when a person does.
    pub(crate) fn person(&self) -> usize {
        self.slots.len()
    }

    fn count_write(&mut self, who: usize) {
        if let Some(slot) = self.slots.get_mut(who) {
            slot.tick.writes += 1;
        }
    }

    /// Compares what the real store answers with what the maps did.
    fn agree<T: PartialEq + std::fmt::Debug>(
        &mut self,
        operation: &str,
        modelled: &T,
        real: impl FnOnce(&Real) -> T,
    ) {
        let Some(store) = &self.real else { return };
        let real = real(store);
        if real != *modelled {
            let what = format!("{operation}: {real:?}, where {modelled:?} was expected");
            self.violate(Violation::new(Law::Store, what));
        }
    }

    pub(crate) fn head(&mut self, who: usize) -> (Head, Version) {
        let read = self.store.head();
        self.agree("head", &read, |real| real.at_once(real.door(who).head()).expect("it is readable"));
        read
    }

    pub(crate) fn put_head(
        &mut self,
        who: usize,
        expected: Version,
        head: &Head,
        fence: Fence,
    ) -> Result<Version, Conflict> {
        let before = self.store.head.clone();
        let put = self.store.put_head(expected, head, fence);
        self.agree("put head", &put, |real| {
            conflict(real.at_once(real.door(who).put_head(expected, head, fence)))
        });
        if put.is_ok() {
            self.count_write(who);
            oracle::head_written(self, who, &before, fence);
        }
        put
    }

    pub(crate) fn get(&mut self, who: usize, id: GarminId) -> Option<(Row, Version)> {
        let found = self.store.get(id);
        self.agree("get", &found, |real| {
            real.at_once(Ledger::get(real.door(who), id)).expect("it is readable")
        });
        found
    }

    pub(crate) fn known(&mut self, who: usize, ids: &[GarminId]) -> BTreeSet<GarminId> {
        let known = self.store.known(ids);
        self.agree("known", &known, |real| real.at_once(real.door(who).known(ids)).expect("it is readable"));
        known
    }

    pub(crate) fn open_rows(&mut self, who: usize) -> Vec<(Row, Version)> {
        let open: Vec<(Row, Version)> = self.store.open().cloned().collect();
        self.agree("open", &open, |real| {
            let mut found = real.at_once(real.door(who).open()).expect("it is readable");
            found.sort_by_key(|(row, _)| row.id());
            found
        });
        open
    }

    pub(crate) fn count(&mut self, who: usize) -> Counts {
        let counts = self.store.counts;
        self.agree("count", &counts, |real| real.at_once(real.door(who).count()).expect("it is readable"));
        counts
    }

    pub(crate) fn put(
        &mut self,
        who: usize,
        row: &Row,
        expected: Version,
        fence: Fence,
    ) -> Result<Version, Conflict> {
        let before = self.store.rows.get(&row.id()).map(|(row, _)| row.state.clone());
        let put = self.store.put(row, expected, fence);
        self.agree("put", &put, |real| conflict(real.at_once(real.door(who).put(row, expected, fence))));
        if put.is_ok() {
            self.count_write(who);
            oracle::row_written(self, who, row, before.as_ref(), fence);
        }
        put
    }

    pub(crate) fn add(&mut self, who: usize, rows: &[Row], fence: Fence) -> Result<Vec<GarminId>, Conflict> {
        let added = self.store.add(rows, fence);
        self.agree("add", &added, |real| conflict(real.at_once(real.door(who).add(rows, fence))));
        if let Ok(ids) = &added {
            self.count_write(who);
            for row in rows.iter().filter(|row| ids.contains(&row.id())) {
                oracle::row_written(self, who, row, None, fence);
            }
        }
        added
    }

    pub(crate) fn take(&mut self, who: usize, now: Timestamp, until: Timestamp) -> Option<Fence> {
        let mine = self.fence_of(who);
        let taken = self.store.take(who, mine, now, until);
        if let Some(Real { underneath: Underneath::Dynamo(dynamo), .. }) = &self.real {
            dynamo.set_clock(now);
        }
        self.agree("take", &taken, |real| real.at_once(real.door(who).take(until)).expect("it is writable"));
        if taken.is_some() && taken != mine {
            oracle::lease_taken(self, who);
        }
        self.set_fence(who, taken.or(mine));
        if let (Some(slot), Some(_)) = (self.slots.get_mut(who), taken) {
            slot.lease_until = Some(until);
        }
        taken
    }

    pub(crate) fn renew(&mut self, who: usize, until: Timestamp) -> bool {
        let mine = self.fence_of(who);
        let renewed = self.store.renew(mine, until);
        self.agree("renew", &renewed, |real| {
            real.at_once(real.door(who).renew(until)).expect("it is readable")
        });
        match self.slots.get_mut(who) {
            Some(slot) if renewed => slot.lease_until = Some(until),
            _ => self.set_fence(who, None),
        }
        renewed
    }

    pub(crate) fn release(&mut self, who: usize) {
        let mine = self.fence_of(who);
        self.store.release(mine);
        if let Some(real) = &self.real {
            real.at_once(real.door(who).release()).expect("a lock can be given up");
        }
        self.set_fence(who, None);
    }

    /// A process died, or has ended: its door closes.
    pub(crate) fn process_ends(&mut self, who: usize) {
        let mine = self.fence_of(who);
        self.store.died(mine);
        self.set_fence(who, None);
        if let Some(real) = &mut self.real {
            real.doors[who] = real.underneath.door();
        }
    }

    fn fence_of(&self, who: usize) -> Option<Fence> {
        match self.slots.get(who) {
            Some(slot) => slot.fence,
            None => self.person_fence,
        }
    }

    fn set_fence(&mut self, who: usize, fence: Option<Fence>) {
        match self.slots.get_mut(who) {
            Some(slot) => slot.fence = fence,
            None => self.person_fence = fence,
        }
    }

    pub(crate) fn secret(&mut self, who: usize, name: SecretName) -> Option<(SecretString, Version)> {
        let found = self.store.secret(name);
        let shown = |found: Option<(SecretString, Version)>| {
            found.map(|(secret, version)| (secret.expose_secret().to_owned(), version))
        };
        self.agree("secret", &shown(found.clone()), |real| {
            shown(real.at_once(real.door(who).get_fresh(name)).expect("it is readable"))
        });
        found
    }

    pub(crate) fn replace(
        &mut self,
        who: usize,
        name: SecretName,
        expected: Version,
        new: &SecretString,
    ) -> Result<Version, Conflict> {
        let there = self.store.secret_version(name);
        let replaced = self.store.replace(name, expected, new);
        self.agree("replace", &replaced.is_ok(), |real| {
            conflict(real.at_once(real.door(who).replace(name, expected, new))).is_ok()
        });
        if replaced.is_ok() {
            self.count_write(who);
            self.tell(|| format!("{} writes {}", crate::scene::name(who), name.key()));
            oracle::tokens::secret_written(self, name, new);
            oracle::tokens::was_read(self, who, name, there, expected);
        }
        replaced
    }

    pub(crate) fn remove_secret(&mut self, who: usize, name: SecretName) {
        self.store.remove(name);
        if let Some(real) = &self.real {
            real.at_once(real.door(who).remove(name)).expect("it is writable");
        }
    }

    pub(crate) fn charge(
        &mut self,
        who: usize,
        app: &AppId,
        (kind, purpose): (Kind, Purpose),
        now: Timestamp,
    ) -> Result<(), Full> {
        let charged = self.store.charge(app, kind, purpose, now);
        self.agree("charge", &charged, |real| {
            real.at_once(real.budget(who).charge(app, kind, purpose, now)).expect("it is writable")
        });
        charged
    }

    pub(crate) fn correct(&mut self, who: usize, app: &AppId, reading: &Reading, at: Timestamp) -> View {
        let view = self.store.correct(app, reading, at);
        self.agree("correct", &view, |real| {
            let budget = real.budget(who);
            let told = real.at_once(budget.correct(app, reading, at)).expect("it is writable");
            // A process that has nothing to correct tells what it saw last; the account itself is the maps'.
            let is_shared = matches!(real.underneath, Underneath::Dynamo(_));
            if is_shared && told != view {
                return real.at_once(budget.view(app, at)).expect("it is readable");
            }
            told
        });
        view
    }

    pub(crate) fn pause_account(&mut self, who: usize, app: &AppId, full: Full) {
        self.store.pause(app, full);
        if let Some(real) = &self.real {
            real.at_once(real.budget(who).pause(app, full)).expect("it is writable");
        }
    }

    pub(crate) fn clear_account(&mut self, who: usize, app: &AppId) {
        self.store.clear(app);
        if let Some(real) = &self.real {
            real.at_once(real.budget(who).clear(app)).expect("it is writable");
        }
    }

    pub(crate) fn view(&mut self, who: usize, app: &AppId, now: Timestamp) -> View {
        let view = self.store.view(app, now);
        self.agree("view", &view, |real| {
            real.at_once(real.budget(who).view(app, now)).expect("it is readable")
        });
        view
    }

    /// Everything, once, at the end.
    pub(crate) fn compare_all(&mut self) {
        let rows: Vec<Row> = self.store.rows.values().map(|(row, _)| row.clone()).collect();
        self.agree("list", &rows, |real| {
            let mut rows = real.at_once(real.door(0).list(&Filter::default())).expect("it is readable");
            rows.sort_by_key(Row::id);
            rows
        });
    }
}
