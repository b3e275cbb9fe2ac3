//! What every store must do, wherever it keeps its things. The promise is the function's name.
//!
//! Each store brings a [`Store`] that begins empty, and calls [`ledger`], [`vault`], [`budget`] and
//! [`lease`] with a way to make a fresh one.

use std::collections::BTreeSet;

use fitferry_core::activity::{Distance, FileKind, GarminId, Listed, Sha256, StravaId, UploadId};
use fitferry_core::budget::{Full, FullReason, Kind, Purpose, Quota, Reading};
use fitferry_core::head::{Head, Link, Pause, PauseCause, Running, Sweep};
use fitferry_core::ledger::{
    Cause, DuplicateClaim, FileFacts, How, RejectReason, Row, SkipReason, State, StateName,
};
use fitferry_core::ports::{
    AppId, Budget, Fence, Filter, Lease, Ledger, PutError, SecretName, Vault, Version,
};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

/// A store that is under test.
pub(crate) trait Store {
    type Run: Ledger + Vault + Lease;
    type Account: Budget;

    /// One more run of this athlete, as another process would begin it.
    async fn run(&self, athlete: &str) -> Self::Run;
    /// The budget, as another process would open it.
    async fn budget(&self) -> Self::Account;

    /// Whether ledger and vault are one store, so that Garmin's bearer is read with the head.
    const KEEPS_THE_BEARER_BESIDE_THE_HEAD: bool = true;

    /// Lets time pass, until a lease taken until [`soon`] is over. Nothing to do where the end of a process is
    /// the end of its lease.
    async fn outlast_leases(&self) {}
}

// ----------------------------------------------------------------------------------------- ledger

pub(crate) async fn ledger<S: Store>(fresh: impl AsyncFn() -> S) {
    what_was_never_put_is_not_there(&fresh().await).await;
    a_row_reads_back_as_written(&fresh().await).await;
    a_row_is_replaced_by_whoever_read_its_version(&fresh().await).await;
    of_two_writers_that_read_the_same_row_one_is_told(&fresh().await).await;
    a_row_that_is_there_is_not_put_as_a_new_one(&fresh().await).await;
    a_row_that_is_not_there_is_not_replaced(&fresh().await).await;
    a_ledger_without_a_head_has_the_default_one(&fresh().await).await;
    the_head_reads_back_as_written(&fresh().await).await;
    of_two_writers_of_the_head_one_is_told(&fresh().await).await;
    no_write_under_an_older_lease_changes_anything(&fresh().await).await;
    adding_leaves_the_rows_that_are_there_alone(&fresh().await).await;
    known_names_exactly_the_ids_that_have_a_row(&fresh().await).await;
    open_shows_exactly_the_rows_that_a_tick_may_have_to_touch(&fresh().await).await;
    open_begins_with_the_oldest_start(&fresh().await).await;
    a_row_that_ends_is_no_longer_open(&fresh().await).await;
    a_listing_begins_with_the_newest_start(&fresh().await).await;
    a_listing_ends_at_its_limit(&fresh().await).await;
    a_listing_shows_one_state_alone(&fresh().await).await;
    a_listing_since_a_day_goes_by_the_runners_calendar(&fresh().await).await;
    rows_are_counted_by_state(&fresh().await).await;
    athletes_do_not_see_each_others_rows(&fresh().await).await;
}

async fn what_was_never_put_is_not_there(store: &impl Store) {
    let run = store.run("anna").await;
    assert_eq!(Ledger::get(&run, GarminId(1)).await.unwrap(), None);
    assert_eq!(run.list(&Filter::default()).await.unwrap(), []);
    assert_eq!(run.open().await.unwrap(), []);
    assert_eq!(run.known(&[]).await.unwrap(), BTreeSet::new());
}

async fn a_row_reads_back_as_written(store: &impl Store) {
    let run = store.run("anna").await;
    let fence = lease_of(&run).await;
    for row in every_kind_of_row() {
        let version = run.put(&row, Version::ABSENT, fence).await.unwrap();
        assert_eq!(Ledger::get(&run, row.id()).await.unwrap(), Some((row, version)));
    }
}

async fn a_row_is_replaced_by_whoever_read_its_version(store: &impl Store) {
    let run = store.run("anna").await;
    let fence = lease_of(&run).await;
    let first = run.put(&wanted(1), Version::ABSENT, fence).await.unwrap();
    let second = run.put(&published(1), first, fence).await.unwrap();
    assert!(second > first && first > Version::ABSENT);
    assert_eq!(Ledger::get(&run, GarminId(1)).await.unwrap(), Some((published(1), second)));
}

async fn of_two_writers_that_read_the_same_row_one_is_told(store: &impl Store) {
    let run = store.run("anna").await;
    let fence = lease_of(&run).await;
    let read = run.put(&wanted(1), Version::ABSENT, fence).await.unwrap();
    run.put(&submitting(1), read, fence).await.unwrap();
    let second = run.put(&published(1), read, fence).await;
    assert_eq!(second, Err(PutError::Conflict), "the second writer overwrote the first");
    let (kept, _) = Ledger::get(&run, GarminId(1)).await.unwrap().unwrap();
    assert_eq!(kept, submitting(1));
}

async fn a_row_that_is_there_is_not_put_as_a_new_one(store: &impl Store) {
    let run = store.run("anna").await;
    let fence = lease_of(&run).await;
    run.put(&published(1), Version::ABSENT, fence).await.unwrap();
    assert_eq!(run.put(&wanted(1), Version::ABSENT, fence).await, Err(PutError::Conflict));
}

async fn a_row_that_is_not_there_is_not_replaced(store: &impl Store) {
    let run = store.run("anna").await;
    let fence = lease_of(&run).await;
    assert_eq!(run.put(&wanted(1), Version(1), fence).await, Err(PutError::Conflict));
    assert_eq!(Ledger::get(&run, GarminId(1)).await.unwrap(), None);
}

async fn a_ledger_without_a_head_has_the_default_one(store: &impl Store) {
    let run = store.run("anna").await;
    assert_eq!(run.head().await.unwrap(), (Head::default(), Version::ABSENT));
    lease_of(&run).await;
    assert_eq!(run.head().await.unwrap(), (Head::default(), Version::ABSENT));
}

async fn the_head_reads_back_as_written(store: &impl Store) {
    let run = store.run("anna").await;
    let fence = lease_of(&run).await;
    let first = run.put_head(Version::ABSENT, &full_head(), fence).await.unwrap();
    assert_eq!(run.head().await.unwrap(), (full_head(), first));
    let second = run.put_head(first, &Head::default(), fence).await.unwrap();
    assert_eq!(store.run("anna").await.head().await.unwrap(), (Head::default(), second));
}

async fn of_two_writers_of_the_head_one_is_told(store: &impl Store) {
    let run = store.run("anna").await;
    let fence = lease_of(&run).await;
    let read = run.put_head(Version::ABSENT, &Head::default(), fence).await.unwrap();
    run.put_head(read, &full_head(), fence).await.unwrap();
    for stale in [Version::ABSENT, read] {
        assert_eq!(run.put_head(stale, &Head::default(), fence).await, Err(PutError::Conflict));
    }
    assert_eq!(run.head().await.unwrap().0, full_head());
}

async fn no_write_under_an_older_lease_changes_anything(store: &impl Store) {
    let (first, second) = (store.run("anna").await, store.run("anna").await);
    let old = lease_of(&first).await;
    let row = first.put(&wanted(1), Version::ABSENT, old).await.unwrap();
    let head = first.put_head(Version::ABSENT, &full_head(), old).await.unwrap();
    first.release().await.unwrap();
    let new = lease_of(&second).await;

    assert_eq!(first.put(&published(1), row, old).await, Err(PutError::Conflict));
    assert_eq!(first.put(&wanted(2), Version::ABSENT, old).await, Err(PutError::Conflict));
    assert_eq!(first.add(&[wanted(3)], old).await, Err(PutError::Conflict));
    assert_eq!(first.put_head(head, &Head::default(), old).await, Err(PutError::Conflict));

    assert_eq!(second.list(&Filter::default()).await.unwrap(), [wanted(1)]);
    assert_eq!(second.head().await.unwrap(), (full_head(), head));
    second.put(&published(1), row, new).await.unwrap();
}

async fn adding_leaves_the_rows_that_are_there_alone(store: &impl Store) {
    let run = store.run("anna").await;
    let fence = lease_of(&run).await;
    let version = run.put(&published(2), Version::ABSENT, fence).await.unwrap();
    let added = run.add(&[wanted(1), wanted(2), wanted(3), wanted(3)], fence).await.unwrap();
    assert_eq!(added, [GarminId(1), GarminId(3)]);
    assert_eq!(Ledger::get(&run, GarminId(2)).await.unwrap(), Some((published(2), version)));
    let (row, version) = Ledger::get(&run, GarminId(3)).await.unwrap().unwrap();
    assert_eq!(row, wanted(3));
    run.put(&published(3), version, fence).await.unwrap();
}

async fn known_names_exactly_the_ids_that_have_a_row(store: &impl Store) {
    let run = store.run("anna").await;
    let fence = lease_of(&run).await;
    let rows: Vec<Row> = (0..150).map(|n| wanted(2 * n)).collect();
    run.add(&rows, fence).await.unwrap();
    let asked: Vec<GarminId> = (0..3_000).map(GarminId).chain([GarminId(u64::MAX)]).collect();
    let known = run.known(&asked).await.unwrap();
    assert_eq!(known, rows.iter().map(Row::id).collect());
}

async fn open_shows_exactly_the_rows_that_a_tick_may_have_to_touch(store: &impl Store) {
    let run = store.run("anna").await;
    let fence = lease_of(&run).await;
    let rows = every_kind_of_row();
    run.add(&rows, fence).await.unwrap();
    let open: BTreeSet<GarminId> = run.open().await.unwrap().iter().map(|(row, _)| row.id()).collect();
    assert_eq!(open, rows.iter().filter(|row| row.state.is_open()).map(Row::id).collect());
}

async fn open_begins_with_the_oldest_start(store: &impl Store) {
    let run = store.run("anna").await;
    let fence = lease_of(&run).await;
    let rows = [
        starting(1, "2026-11-23T06:00:00.5Z"),
        starting(2, "2026-11-23T06:00:00Z"),
        starting(3, "2026-11-20T06:00:00Z"),
        seen_without_start(4, "2026-11-21T00:00:00Z"),
    ];
    run.add(&rows, fence).await.unwrap();
    let open: Vec<u64> = run.open().await.unwrap().iter().map(|(row, _)| row.id().0).collect();
    assert_eq!(open, [3, 4, 2, 1]);
}

async fn a_row_that_ends_is_no_longer_open(store: &impl Store) {
    let run = store.run("anna").await;
    let fence = lease_of(&run).await;
    run.put(&wanted(1), Version::ABSENT, fence).await.unwrap();
    let (_, version) = run.open().await.unwrap().remove(0);
    run.put(&published(1), version, fence).await.unwrap();
    assert_eq!(run.open().await.unwrap(), []);
}

async fn a_listing_begins_with_the_newest_start(store: &impl Store) {
    let run = store.run("anna").await;
    let fence = lease_of(&run).await;
    let mut by_its_file = seen_without_start(5, "2026-11-30T00:00:00Z");
    by_its_file.file = Some(FileFacts { start: Some(at("2026-11-22T00:00:00Z")), ..file_facts() });
    let rows = [
        starting(1, "2026-11-20T06:00:00Z"),
        starting(2, "2026-11-23T06:00:00Z"),
        starting(3, "2026-11-23T06:00:00.000000001Z"),
        seen_without_start(4, "2026-11-21T00:00:00Z"),
        by_its_file,
    ];
    run.add(&rows, fence).await.unwrap();
    assert_eq!(listed(&run, &Filter::default()).await, [3, 2, 5, 4, 1]);
}

async fn a_listing_ends_at_its_limit(store: &impl Store) {
    let run = store.run("anna").await;
    let fence = lease_of(&run).await;
    run.add(&[starting(1, "2026-11-20T06:00:00Z"), starting(2, "2026-11-23T06:00:00Z")], fence)
        .await
        .unwrap();
    assert_eq!(listed(&run, &Filter { limit: Some(1), ..Filter::default() }).await, [2]);
    assert_eq!(listed(&run, &Filter { limit: Some(9), ..Filter::default() }).await, [2, 1]);
    assert_eq!(listed(&run, &Filter { limit: Some(0), ..Filter::default() }).await, [0; 0]);
}

async fn a_listing_shows_one_state_alone(store: &impl Store) {
    let run = store.run("anna").await;
    let fence = lease_of(&run).await;
    let rows = every_kind_of_row();
    run.add(&rows, fence).await.unwrap();
    for state in StateName::ALL {
        let filter = Filter { state: Some(*state), ..Filter::default() };
        let shown: BTreeSet<u64> = listed(&run, &filter).await.into_iter().collect();
        let kept = rows.iter().filter(|row| row.state.name() == *state).map(|row| row.id().0);
        assert_eq!(shown, kept.collect());
    }
}

async fn a_listing_since_a_day_goes_by_the_runners_calendar(store: &impl Store) {
    let run = store.run("anna").await;
    let fence = lease_of(&run).await;
    let mut in_kiritimati = starting(1, "2026-11-22T12:00:00Z");
    in_kiritimati.activity.local_date = Some(day("2026-11-23"));
    let mut in_honolulu = starting(2, "2026-11-23T06:00:00Z");
    in_honolulu.activity.local_date = Some(day("2026-11-22"));
    let rows = [
        in_kiritimati,
        in_honolulu,
        starting(3, "2026-11-23T00:00:00Z"),
        seen_without_start(4, "2026-11-23T09:00:00Z"),
        seen_without_start(5, "2026-11-22T09:00:00Z"),
    ];
    run.add(&rows, fence).await.unwrap();
    let since = |since| Filter { since: Some(day(since)), ..Filter::default() };
    assert_eq!(listed(&run, &since("2026-11-23")).await, [4, 3, 1]);
    assert_eq!(listed(&run, &since("2026-11-22")).await.len(), 5);
    let narrow = Filter { state: Some(StateName::Wanted), limit: Some(2), ..since("2026-11-23") };
    assert_eq!(listed(&run, &narrow).await, [4, 3]);
}

async fn rows_are_counted_by_state(store: &impl Store) {
    let run = store.run("anna").await;
    let fence = lease_of(&run).await;
    let rows = every_kind_of_row();
    run.add(&rows, fence).await.unwrap();
    let counts = run.count().await.unwrap();
    for state in StateName::ALL {
        let kept = rows.iter().filter(|row| row.state.name() == *state).count();
        assert_eq!(counts.get(*state), u64::try_from(kept).unwrap(), "{state}");
    }
}

async fn athletes_do_not_see_each_others_rows(store: &impl Store) {
    let (anna, ben) = (store.run("anna").await, store.run("ben").await);
    let (fence_of_anna, fence_of_ben) = (lease_of(&anna).await, lease_of(&ben).await);
    anna.put(&wanted(1), Version::ABSENT, fence_of_anna).await.unwrap();
    anna.put_head(Version::ABSENT, &full_head(), fence_of_anna).await.unwrap();
    assert_eq!(Ledger::get(&ben, GarminId(1)).await.unwrap(), None);
    assert_eq!(ben.list(&Filter::default()).await.unwrap(), []);
    assert_eq!(ben.open().await.unwrap(), []);
    assert_eq!(ben.known(&[GarminId(1)]).await.unwrap(), BTreeSet::new());
    assert_eq!(ben.head().await.unwrap().0, Head::default());
    ben.put(&published(1), Version::ABSENT, fence_of_ben).await.unwrap();
    assert_eq!(Ledger::get(&anna, GarminId(1)).await.unwrap().unwrap().0, wanted(1));
}

// ------------------------------------------------------------------------------------------ vault

pub(crate) async fn vault<S: Store>(fresh: impl AsyncFn() -> S) {
    a_secret_reads_back_as_given(&fresh().await).await;
    a_secret_that_was_never_given_is_not_there(&fresh().await).await;
    of_two_writers_that_read_the_same_secret_one_is_told(&fresh().await).await;
    a_secret_that_is_there_is_not_put_as_a_new_one(&fresh().await).await;
    a_removed_secret_is_not_there(&fresh().await).await;
    a_writer_that_read_a_removed_secret_cannot_bring_it_back(&fresh().await).await;
    a_fresh_reading_sees_what_another_run_wrote(&fresh().await).await;
    a_secret_read_with_the_head_is_the_one_in_force(&fresh().await).await;
    a_run_that_lost_its_lease_can_still_keep_a_pair(&fresh().await).await;
    athletes_do_not_see_each_others_secrets(&fresh().await).await;
}

async fn a_secret_reads_back_as_given(store: &impl Store) {
    let run = store.run("anna").await;
    for name in SecretName::ALL {
        let given = format!("{{\"for\":\"{}\",\"text\":\"ü \\u0000 '\"}}", name.key());
        let version = run.replace(name, Version::ABSENT, &secret(&given)).await.unwrap();
        assert!(version > Version::ABSENT);
        assert_eq!(kept(&run, name).await, Some((given.clone(), version)));
        let (again, _) = Vault::get(&run, name).await.unwrap().unwrap();
        assert_eq!(again.expose_secret(), given);
    }
}

async fn a_secret_that_was_never_given_is_not_there(store: &impl Store) {
    let run = store.run("anna").await;
    for name in SecretName::ALL {
        assert!(Vault::get(&run, name).await.unwrap().is_none());
        assert_eq!(kept(&run, name).await, None);
        run.remove(name).await.unwrap();
    }
}

async fn of_two_writers_that_read_the_same_secret_one_is_told(store: &impl Store) {
    let (first, second) = (store.run("anna").await, store.run("anna").await);
    let name = SecretName::StravaLogin;
    let read = first.replace(name, Version::ABSENT, &secret("0")).await.unwrap();
    let newer = first.replace(name, read, &secret("1")).await.unwrap();
    assert_eq!(second.replace(name, read, &secret("2")).await, Err(PutError::Conflict));
    assert_eq!(kept(&second, name).await, Some(("1".to_owned(), newer)));
}

async fn a_secret_that_is_there_is_not_put_as_a_new_one(store: &impl Store) {
    let run = store.run("anna").await;
    let name = SecretName::GarminLogin;
    assert_eq!(run.replace(name, Version(1), &secret("0")).await, Err(PutError::Conflict));
    run.replace(name, Version::ABSENT, &secret("1")).await.unwrap();
    assert_eq!(run.replace(name, Version::ABSENT, &secret("2")).await, Err(PutError::Conflict));
}

async fn a_removed_secret_is_not_there(store: &impl Store) {
    let run = store.run("anna").await;
    for name in SecretName::ALL {
        run.replace(name, Version::ABSENT, &secret("1")).await.unwrap();
        run.remove(name).await.unwrap();
        run.remove(name).await.unwrap();
        assert!(Vault::get(&run, name).await.unwrap().is_none());
        assert_eq!(kept(&run, name).await, None);
    }
    run.head().await.unwrap();
    assert!(Vault::get(&run, SecretName::GarminBearer).await.unwrap().is_none());
}

async fn a_writer_that_read_a_removed_secret_cannot_bring_it_back(store: &impl Store) {
    let run = store.run("anna").await;
    let name = SecretName::StravaLogin;
    let mut stale = vec![run.replace(name, Version::ABSENT, &secret("0")).await.unwrap()];
    for round in 1..4 {
        run.remove(name).await.unwrap();
        for version in &stale {
            assert_eq!(run.replace(name, *version, &secret("old")).await, Err(PutError::Conflict));
        }
        let version = run.replace(name, Version::ABSENT, &secret(&round.to_string())).await.unwrap();
        assert!(!stale.contains(&version), "a version was used twice");
        for version in &stale {
            assert_eq!(run.replace(name, *version, &secret("old")).await, Err(PutError::Conflict));
        }
        stale.push(version);
    }
    assert_eq!(kept(&run, name).await.unwrap().0, "3");
}

async fn a_fresh_reading_sees_what_another_run_wrote(store: &impl Store) {
    let (first, second) = (store.run("anna").await, store.run("anna").await);
    let name = SecretName::GarminBearer;
    let old = first.replace(name, Version::ABSENT, &secret("old")).await.unwrap();
    second.head().await.unwrap();
    let new = first.replace(name, old, &secret("new")).await.unwrap();
    assert_eq!(kept(&second, name).await, Some(("new".to_owned(), new)));
    let (again, version) = Vault::get(&second, name).await.unwrap().unwrap();
    assert_eq!((again.expose_secret(), version), ("new", new));
}

async fn a_secret_read_with_the_head_is_the_one_in_force<S: Store>(store: &S) {
    let run = store.run("anna").await;
    let name = SecretName::GarminBearer;
    run.head().await.unwrap();
    assert!(Vault::get(&run, name).await.unwrap().is_none());
    let first = run.replace(name, Version::ABSENT, &secret("first")).await.unwrap();
    assert_eq!(Vault::get(&run, name).await.unwrap().unwrap().0.expose_secret(), "first");
    let other = store.run("anna").await;
    other.replace(name, first, &secret("second")).await.unwrap();
    run.head().await.unwrap();
    if !S::KEEPS_THE_BEARER_BESIDE_THE_HEAD {
        // A vault of its own is read once per process, and again when the client asks for it (*Tokens*).
        run.get_fresh(name).await.unwrap();
    }
    assert_eq!(Vault::get(&run, name).await.unwrap().unwrap().0.expose_secret(), "second");
}

async fn a_run_that_lost_its_lease_can_still_keep_a_pair(store: &impl Store) {
    let (first, second) = (store.run("anna").await, store.run("anna").await);
    let name = SecretName::StravaLogin;
    lease_of(&first).await;
    let read = first.replace(name, Version::ABSENT, &secret("0")).await.unwrap();
    first.release().await.unwrap();
    lease_of(&second).await;
    first.replace(name, read, &secret("1")).await.unwrap();
    assert_eq!(kept(&second, name).await.unwrap().0, "1");
}

async fn athletes_do_not_see_each_others_secrets(store: &impl Store) {
    let (anna, ben) = (store.run("anna").await, store.run("ben").await);
    for name in SecretName::ALL {
        anna.replace(name, Version::ABSENT, &secret("anna's")).await.unwrap();
        ben.head().await.unwrap();
        assert!(Vault::get(&ben, name).await.unwrap().is_none());
        assert_eq!(kept(&ben, name).await, None);
        ben.remove(name).await.unwrap();
        assert_eq!(kept(&anna, name).await.unwrap().0, "anna's");
    }
}

// ----------------------------------------------------------------------------------------- budget

pub(crate) async fn budget<S: Store>(fresh: impl AsyncFn() -> S) {
    an_app_that_was_never_charged_has_the_limits_of_a_new_one(&fresh().await).await;
    every_charge_counts_whoever_makes_it(&fresh().await).await;
    a_request_too_many_is_refused_until_the_window_ends(&fresh().await).await;
    an_answer_corrects_the_count_upwards(&fresh().await).await;
    the_pause_of_a_429_is_kept_and_nothing_but_time_ends_it(&fresh().await).await;
    the_pause_of_an_inactive_app_is_kept_until_it_is_cleared(&fresh().await).await;
    apps_do_not_share_an_account(&fresh().await).await;
}

async fn an_app_that_was_never_charged_has_the_limits_of_a_new_one(store: &impl Store) {
    let budget = store.budget().await;
    let view = budget.view(&app(), noon()).await.unwrap();
    assert_eq!((view.overall_15min.used, view.overall_15min.limit), (0, 200));
    assert_eq!((view.read_day.used, view.read_day.limit), (0, 1_000));
    budget.clear(&app()).await.unwrap();
    assert_eq!(budget.view(&app(), noon()).await.unwrap(), view);
}

async fn every_charge_counts_whoever_makes_it(store: &impl Store) {
    let (one, other) = (store.budget().await, store.budget().await);
    for budget in [&one, &other, &one] {
        charge(budget, Kind::Read).await.unwrap();
        charge(budget, Kind::Upload).await.unwrap();
    }
    let view = other.view(&app(), noon()).await.unwrap();
    assert_eq!((view.overall_15min.used, view.read_15min.used), (6, 3));
    assert_eq!((view.overall_day.used, view.read_day.used), (6, 3));
}

async fn a_request_too_many_is_refused_until_the_window_ends(store: &impl Store) {
    let budget = store.budget().await;
    let mut made = 0;
    let full = loop {
        match charge(&budget, Kind::Read).await {
            Ok(()) => made += 1,
            Err(full) => break full,
        }
    };
    assert_eq!(made, 100);
    assert_eq!(full, Full { until: at("2026-11-23T12:15:00Z"), why: FullReason::Spent });
    assert_eq!(budget.view(&app(), noon()).await.unwrap().read_15min.used, 100);
    charge(&budget, Kind::Upload).await.unwrap();
    budget.charge(&app(), Kind::Read, Purpose::Everyday, full.until).await.unwrap().unwrap();
}

async fn an_answer_corrects_the_count_upwards(store: &impl Store) {
    let budget = store.budget().await;
    charge(&budget, Kind::Upload).await.unwrap();
    let overall =
        Quota { used_15min: Some(50), used_day: Some(0), limit_15min: Some(300), limit_day: Some(3_000) };
    let reading = Reading { overall, read: Quota::default() };
    let view = budget.correct(&app(), &reading, noon()).await.unwrap();
    assert_eq!((view.overall_15min.used, view.overall_15min.limit), (50, 300));
    assert_eq!((view.overall_day.used, view.overall_day.limit), (1, 3_000));
    assert_eq!(store.budget().await.view(&app(), noon()).await.unwrap(), view);
}

async fn the_pause_of_a_429_is_kept_and_nothing_but_time_ends_it(store: &impl Store) {
    let budget = store.budget().await;
    let full = Full { until: at("2026-11-23T12:15:00Z"), why: FullReason::Limited };
    budget.pause(&app(), full).await.unwrap();
    let other = store.budget().await;
    other.clear(&app()).await.unwrap();
    assert_eq!(charge(&other, Kind::Upload).await, Err(full));
    other.charge(&app(), Kind::Upload, Purpose::Everyday, full.until).await.unwrap().unwrap();
}

async fn the_pause_of_an_inactive_app_is_kept_until_it_is_cleared(store: &impl Store) {
    let budget = store.budget().await;
    let full = Full { until: at("2026-11-24T12:00:00Z"), why: FullReason::Inactive };
    budget.pause(&app(), full).await.unwrap();
    assert_eq!(charge(&store.budget().await, Kind::Read).await, Err(full));
    budget.clear(&app()).await.unwrap();
    charge(&store.budget().await, Kind::Read).await.unwrap();
}

async fn apps_do_not_share_an_account(store: &impl Store) {
    let budget = store.budget().await;
    let other = AppId("67890".to_owned());
    charge(&budget, Kind::Read).await.unwrap();
    budget.pause(&app(), Full { until: at("2026-11-23T12:15:00Z"), why: FullReason::Limited }).await.unwrap();
    assert_eq!(budget.view(&other, noon()).await.unwrap().overall_day.used, 0);
    budget.charge(&other, Kind::Read, Purpose::Everyday, noon()).await.unwrap().unwrap();
}

// ------------------------------------------------------------------------------------------ lease

pub(crate) async fn lease<S: Store>(fresh: impl AsyncFn() -> S) {
    a_second_run_is_turned_away_while_the_first_holds_the_lease(&fresh().await).await;
    a_run_that_takes_its_lease_again_has_the_same_fence(&fresh().await).await;
    every_taking_has_a_greater_fence(&fresh().await).await;
    a_run_knows_whether_it_holds_the_lease(&fresh().await).await;
    a_run_that_ends_without_a_word_gives_its_lease_up(&fresh().await).await;
    athletes_do_not_exclude_each_other(&fresh().await).await;
}

async fn a_second_run_is_turned_away_while_the_first_holds_the_lease(store: &impl Store) {
    let (first, second) = (store.run("anna").await, store.run("anna").await);
    lease_of(&first).await;
    assert_eq!(second.take(soon()).await.unwrap(), None);
    assert!(!second.renew(soon()).await.unwrap());
    second.release().await.unwrap();
    assert_eq!(second.take(soon()).await.unwrap(), None, "a lease was given up by a run that had none");
    first.release().await.unwrap();
    assert!(second.take(soon()).await.unwrap().is_some());
    assert_eq!(first.take(soon()).await.unwrap(), None);
}

async fn a_run_that_takes_its_lease_again_has_the_same_fence(store: &impl Store) {
    let run = store.run("anna").await;
    let fence = lease_of(&run).await;
    assert_eq!(run.take(soon()).await.unwrap(), Some(fence));
    assert!(run.renew(soon()).await.unwrap());
    assert_eq!(run.held(), Some(fence));
}

async fn every_taking_has_a_greater_fence(store: &impl Store) {
    let (first, second) = (store.run("anna").await, store.run("anna").await);
    let mut newest = None;
    for run in [&first, &first, &second, &first] {
        let fence = Some(lease_of(run).await);
        assert!(fence > newest);
        newest = fence;
        run.release().await.unwrap();
    }
}

async fn a_run_knows_whether_it_holds_the_lease(store: &impl Store) {
    let run = store.run("anna").await;
    assert_eq!(run.held(), None);
    assert!(!run.renew(soon()).await.unwrap());
    run.release().await.unwrap();
    let fence = lease_of(&run).await;
    assert_eq!(run.held(), Some(fence));
    run.release().await.unwrap();
    assert_eq!(run.held(), None);
    assert!(!run.renew(soon()).await.unwrap());
}

async fn a_run_that_ends_without_a_word_gives_its_lease_up(store: &impl Store) {
    let (first, second) = (store.run("anna").await, store.run("anna").await);
    lease_of(&first).await;
    drop(first);
    store.outlast_leases().await;
    lease_of(&second).await;
}

async fn athletes_do_not_exclude_each_other(store: &impl Store) {
    let (anna, ben) = (store.run("anna").await, store.run("ben").await);
    lease_of(&anna).await;
    lease_of(&ben).await;
    // Names that differ in little, or that are no names of files.
    for name in ["Anna 2", "Anna_2", "anna/2", "..", "ünë", ""] {
        lease_of(&store.run(name).await).await;
    }
}

// ---------------------------------------------------------------------------------------- helpers

async fn lease_of(run: &impl Lease) -> Fence {
    run.take(soon()).await.unwrap().expect("the lease is free")
}

async fn listed(run: &impl Ledger, filter: &Filter) -> Vec<u64> {
    run.list(filter).await.unwrap().iter().map(|row| row.id().0).collect()
}

async fn kept(run: &impl Vault, name: SecretName) -> Option<(String, Version)> {
    let found = run.get_fresh(name).await.unwrap();
    found.map(|(secret, version)| (secret.expose_secret().to_owned(), version))
}

async fn charge(budget: &impl Budget, kind: Kind) -> Result<(), Full> {
    budget.charge(&app(), kind, Purpose::Everyday, noon()).await.unwrap()
}

pub(crate) fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn app() -> AppId {
    AppId("12345".to_owned())
}

pub(crate) fn at(moment: &str) -> Timestamp {
    moment.parse().unwrap()
}

fn day(date: &str) -> Date {
    date.parse().unwrap()
}

pub(crate) fn noon() -> Timestamp {
    at("2026-11-23T12:00:00Z")
}

/// The end of a lease that outlasts any test.
pub(crate) fn soon() -> Timestamp {
    at("9000-01-01T00:00:00Z")
}

fn row_in(id: u64, state: State) -> Row {
    let listed = Listed { start: Some(at("2026-11-23T06:00:00Z")), ..Listed::bare(GarminId(id)) };
    Row::seen(listed, state, noon())
}

pub(crate) fn wanted(id: u64) -> Row {
    row_in(id, State::Wanted)
}

fn submitting(id: u64) -> Row {
    row_in(id, State::Submitting { attempt: 1, send_before: at("2026-11-23T12:00:20.000000001Z") })
}

pub(crate) fn published(id: u64) -> Row {
    row_in(id, State::Published { strava: StravaId(9_000_000_001), how: How::Uploaded })
}

fn starting(id: u64, start: &str) -> Row {
    Row::seen(
        Listed { start: Some(at(start)), ..Listed::bare(GarminId(id)) },
        State::Wanted,
        at("2026-12-01T00:00:00Z"),
    )
}

fn seen_without_start(id: u64, first_seen: &str) -> Row {
    Row::seen(Listed::bare(GarminId(id)), State::Wanted, at(first_seen))
}

fn file_facts() -> FileFacts {
    FileFacts {
        sha256: Sha256([0xa5; 32]),
        bytes: 123_456,
        kind: FileKind::Fit,
        damage: None,
        start: None,
        elapsed: None,
    }
}

/// A row in every state and for every reason, and one in which everything is set.
pub(crate) fn every_kind_of_row() -> Vec<Row> {
    let detail = || Some("says \"why\"".to_owned());
    let mut states = vec![
        State::Wanted,
        State::Submitting { attempt: 3, send_before: at("2026-11-23T12:00:20.000000001Z") },
        State::Submitted { upload: UploadId(u64::MAX), since: noon() },
    ];
    states.extend(How::ALL.iter().map(|how| State::Published { strava: StravaId(7), how: *how }));
    states.extend(SkipReason::ALL.iter().map(|reason| State::Skipped { reason: *reason, detail: None }));
    states
        .extend(RejectReason::ALL.iter().map(|reason| State::Rejected { reason: *reason, detail: detail() }));
    let mut rows: Vec<Row> = (1..).zip(states).map(|(id, state)| row_in(id, state)).collect();
    for (id, cause) in (100..).zip(Cause::ALL) {
        rows.push(Row { not_before: Some(noon()), cause: Some(*cause), ..wanted(id) });
    }
    rows.push(full_row(u64::MAX));
    rows
}

fn full_row(id: u64) -> Row {
    Row {
        activity: Listed {
            id: GarminId(id),
            name: Some("Lauf 🏃 \"früh\"".to_owned()),
            type_key: Some("trail_running".to_owned()),
            parent_type_id: Some(1),
            start: Some(at("2026-11-23T06:00:00.123456789Z")),
            local_date: Some(day("2026-11-23")),
            elapsed: Some(SignedDuration::new(3_661, 1)),
            distance: Distance::from_meters(10_012.340_000_000_002),
            manual: true,
            parent: Some(GarminId(5)),
        },
        not_before: Some(noon()),
        cause: Some(Cause::InDoubt),
        download_begun: Some(noon()),
        failed_downloads: 1,
        sends: 2,
        counted_resends: 3,
        resends_after_5xx: 4,
        last_send_5xx: true,
        first_absent: Some(noon()),
        duplicate: Some(DuplicateClaim { of: Some(StravaId(8)), text: "duplicate of 8".to_owned() }),
        confirms: 5,
        file: Some(FileFacts {
            damage: Some("short".to_owned()),
            start: Some(noon()),
            elapsed: Some(SignedDuration::from_millis(1_500)),
            ..file_facts()
        }),
        force: true,
        skip_noted: true,
        by_hand: true,
        ..submitting(id)
    }
}

pub(crate) fn full_head() -> Head {
    let pause = |cause, until| Some(Pause { cause, until, what: "as it was seen".to_owned(), key: None });
    let mut head = Head {
        fingerprint: Some(u64::MAX),
        next_due: Some(noon()),
        dirty: true,
        garmin_pause: pause(PauseCause::LoginNeeded, None),
        strava_pause: pause(PauseCause::Limit, Some(noon())),
        garmin_rung: 1,
        strava_rung: 2,
        garmin_429_minutes: 4,
        last_change: Some(noon()),
        since_kept: Some(day("2026-11-01")),
        sweep: Sweep {
            last_complete: Some(noon()),
            last_full: Some(at("2026-11-20T00:00:00.5Z")),
            running: Some(Running {
                started: noon(),
                back_to: Some(day("2026-10-01")),
                full: true,
                reached: Some(day("2026-10-20")),
            }),
        },
        link: Link { on: Some(false), looked: Some(noon()) },
        bearer_due: Some(noon()),
        vault: Some("secretsmanager:fitferry".to_owned()),
        moved_to: Some("dynamodb:fitferry".to_owned()),
        ..Head::default()
    };
    for (count, state) in (1..).zip(StateName::ALL) {
        head.counts.set(*state, count);
    }
    head
}
