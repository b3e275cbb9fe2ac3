//! *Tokens*: how a login whose pairs rotate is renewed. A pair is a number here; the service of the tests
//! takes some and refuses the rest, and everything that happens is written down in the order in which it
//! did.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use expect_test::{Expect, expect};
use fitferry_core::ports::{
    Clock, Failure, Fence, Lease, PortError, PutError, SecretName, Service, StoreError, Vault, Version,
};
use fitferry_core::tokens::{Pairs, RotatingLogin, load, renew};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::given::at;

#[tokio::test]
async fn the_new_pair_is_durable_before_it_is_returned() {
    let world = World::with("1");
    assert_eq!(world.renew().await.unwrap(), "11 before 1");
    world.happened(expect![
        "take lease until 06:02:00, read 1, write 1, exchange 1, write 11 before 1, release lease"
    ]);
}

#[tokio::test]
async fn what_another_run_renewed_meanwhile_is_used_and_nothing_is_asked_for() {
    let world = World { usable: vec![7], ..World::with("7 before 3") };
    assert_eq!(world.renew().await.unwrap(), "7 before 3");
    world.happened(expect!["take lease until 06:02:00, read 7 before 3, release lease"]);
}

#[tokio::test]
async fn without_the_lease_the_run_leaves_and_nothing_is_asked_for() {
    let world = World { lease_is_free: false, ..World::with("1") };
    assert!(matches!(world.renew().await, Err(PortError::Busy)));
    world.happened(expect!["lease not free"]);
}

#[tokio::test]
async fn a_run_that_has_the_lease_keeps_it() {
    let world = World { held: Some(Fence(4)), ..World::with("1") };
    world.renew().await.unwrap();
    world.happened(expect!["read 1, write 1, exchange 1, write 11 before 1"]);
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_noticed_before_the_service_ends_the_old_pair() {
    let world = World { writes_until_full: Some(0), ..World::with("1") };
    assert!(matches!(world.renew().await, Err(PortError::Store(_))));
    world.happened(expect!["take lease until 06:02:00, read 1, disk full, release lease"]);
}

#[tokio::test]
async fn a_store_that_fails_after_the_exchange_is_told() {
    let world = World { writes_until_full: Some(1), ..World::with("1") };
    assert!(matches!(world.renew().await, Err(PortError::Store(_))));
    world.happened(expect![
        "take lease until 06:02:00, read 1, write 1, exchange 1, disk full, release lease"
    ]);
}

#[tokio::test]
async fn the_pair_kept_aside_and_the_pair_before_are_each_tried_once_before_login_needed() {
    let world = World { taken: BTreeSet::new(), ..World::with("3 before 2 aside 4") };
    let Err(PortError::LoginNeeded { service: Service::Strava, why }) = world.renew().await else {
        panic!("a login that ended");
    };
    assert_eq!(why, "refused 3", "of the pair in force");
    world.happened(expect![
        "take lease until 06:02:00, read 3 before 2 aside 4, write 3 before 2 aside 4, exchange 3, exchange 4, \
         exchange 2, read 3 before 2 aside 4, release lease"
    ]);
}

#[tokio::test]
async fn the_first_pair_that_the_service_takes_is_renewed() {
    let cases = [
        ("3 before 2 aside 4", 3, "13 before 3"),
        ("3 before 2 aside 4", 4, "14 before 4"),
        ("3 before 2 aside 4", 2, "12 before 2"),
        ("3 before 2", 2, "12 before 2"),
        ("3 aside 4", 4, "14 before 4"),
    ];
    for (stored, taken, renewed) in cases {
        let world = World { taken: BTreeSet::from([taken]), ..World::with(stored) };
        assert_eq!(world.renew().await.unwrap(), renewed, "{stored}, {taken} is taken");
        assert_eq!(world.stored(), renewed, "it is durable");
    }
}

/// Found by the simulation: a process that slept for hours heard that its old login had ended, and a person had signed
/// in meanwhile.
#[tokio::test]
async fn a_refusal_is_no_end_of_a_login_that_somebody_has_made_meanwhile() {
    for (usable, outcome) in [(vec![50], Some("50")), (vec![], None)] {
        let made_meanwhile = Mutex::new(Some("50"));
        let world = World { usable, made_meanwhile, taken: BTreeSet::new(), ..World::with("1") };
        match (world.renew().await, outcome) {
            (Ok(login), Some(expected)) => assert_eq!(login, expected),
            (Err(PortError::Busy), None) => {}
            (other, _) => panic!("{other:?}"),
        }
        world.happened(expect![
            "take lease until 06:02:00, read 1, write 1, exchange 1, read 50, release lease"
        ]);
        assert_eq!(world.stored(), "50");
    }
}

#[tokio::test]
async fn an_outage_says_nothing_of_a_pair_and_the_others_stay_untried() {
    let world = World { down: true, ..World::with("3 before 2 aside 4") };
    assert!(matches!(world.renew().await, Err(PortError::Down { .. })));
    assert_eq!(world.stored(), "3 before 2 aside 4");
    world.happened(expect![
        "take lease until 06:02:00, read 3 before 2 aside 4, write 3 before 2 aside 4, exchange 3, release lease"
    ]);
}

#[tokio::test]
async fn a_pair_that_meets_anothers_write_is_kept_aside_in_what_the_other_wrote() {
    let world = World { others: Mutex::new(vec![(1, "50 before 40")]), ..World::with("1") };
    assert_eq!(world.renew().await.unwrap(), "50 before 40 aside 11", "the other's pair is used");
    assert_eq!(world.stored(), "50 before 40 aside 11");
    world.happened(expect![
        "take lease until 06:02:00, read 1, write 1, exchange 1, conflict, read 50 before 40, write 50 before \
         40 aside 11, release lease"
    ]);
}

#[tokio::test]
async fn it_is_kept_aside_however_often_the_other_writes() {
    let others = Mutex::new(vec![(1, "50"), (0, "60 before 50")]);
    let world = World { others, ..World::with("1") };
    assert_eq!(world.renew().await.unwrap(), "60 before 50 aside 11");
    assert_eq!(world.stored(), "60 before 50 aside 11");
}

#[tokio::test]
async fn a_write_of_another_run_before_the_exchange_makes_us_use_its_pair_or_leave() {
    for (usable, outcome) in [(vec![50], Some("50")), (vec![], None)] {
        let others = Mutex::new(vec![(0, "50")]);
        let world = World { usable, others, ..World::with("1") };
        match (world.renew().await, outcome) {
            (Ok(login), Some(expected)) => assert_eq!(login, expected),
            (Err(PortError::Busy), None) => {}
            (other, _) => panic!("{other:?}"),
        }
        world.happened(expect!["take lease until 06:02:00, read 1, conflict, read 50, release lease"]);
    }
}

#[tokio::test]
async fn without_a_login_or_with_one_that_cannot_be_read_a_person_must_sign_in() {
    let nobody = World { login: Mutex::new(None), ..World::with("1") };
    let Err(PortError::LoginNeeded { why, .. }) = nobody.renew().await else { panic!("nobody") };
    assert_eq!(why, "nobody is signed in");
    nobody.happened(expect!["take lease until 06:02:00, release lease"]);
    let damaged = World::with("milk, bread");
    let Err(PortError::LoginNeeded { why, .. }) = damaged.renew().await else { panic!("damaged") };
    assert_eq!(why, "the stored login is unreadable (no pair)");
    assert!(load::<Login>(&World::with("5")).await.is_ok());
}

// ------------------------------------------------------------------------------------- helpers

/// Written as `3 before 2 aside 4`.
#[derive(Clone, Debug)]
struct Login(Pairs<u32>);

impl RotatingLogin for Login {
    type Pair = u32;
    const NAME: SecretName = SecretName::StravaLogin;
    const SERVICE: Service = Service::Strava;

    fn read(secret: &SecretString) -> Result<Login, String> {
        let text = secret.expose_secret();
        let word_after = |mark: &str| {
            let (_, rest) = text.split_once(mark)?;
            rest.split(' ').next()?.parse().ok()
        };
        let first = text.split(' ').next().and_then(|word| word.parse().ok());
        let current = first.ok_or("no pair")?;
        Ok(Login(Pairs { current, before: word_after("before "), aside: word_after("aside ") }))
    }

    fn write(&self) -> SecretString {
        let mut text = self.0.current.to_string();
        for (mark, pair) in [("before", self.0.before), ("aside", self.0.aside)] {
            text += &pair.map(|pair| format!(" {mark} {pair}")).unwrap_or_default();
        }
        text.into()
    }

    fn pairs(&self) -> &Pairs<u32> {
        &self.0
    }

    fn pairs_mut(&mut self) -> &mut Pairs<u32> {
        &mut self.0
    }
}

/// Vault, lease, clock and service in one, with a diary.
struct World {
    login: Mutex<Option<(String, u64)>>,
    /// Pairs that will do as they are.
    usable: Vec<u32>,
    /// Pairs that the service takes; it answers with that number and ten more.
    taken: BTreeSet<u32>,
    down: bool,
    lease_is_free: bool,
    held: Option<Fence>,
    /// How many writes the disk has room for.
    writes_until_full: Option<usize>,
    /// What other runs write in our way, each after so many writes of ours since the last one's.
    others: Mutex<Vec<(usize, &'static str)>>,
    /// The login of a person who signs in while the service is asked.
    made_meanwhile: Mutex<Option<&'static str>>,
    diary: Mutex<Vec<String>>,
}

impl World {
    /// One in which all is well.
    fn with(login: &str) -> World {
        World {
            login: Mutex::new(Some((login.to_owned(), 1))),
            usable: Vec::new(),
            taken: (0..10).collect(),
            down: false,
            lease_is_free: true,
            held: None,
            writes_until_full: None,
            others: Mutex::default(),
            made_meanwhile: Mutex::default(),
            diary: Mutex::default(),
        }
    }

    /// Renews, and tells the login in its stored form.
    async fn renew(&self) -> Result<String, PortError> {
        let usable = |login: &Login| self.usable.contains(&login.0.current);
        let exchange = |_: Login, pair: u32| async move {
            self.note(format!("exchange {pair}"));
            if let Some(made) = self.made_meanwhile.lock().unwrap().take() {
                let mut login = self.login.lock().unwrap();
                let version = login.as_ref().map_or(0, |(_, version)| *version);
                *login = Some((made.to_owned(), version + 1));
            }
            if self.down {
                let what = "503".to_owned();
                return Err(PortError::Down { service: Service::Strava, status: Some(503), what }.into());
            }
            if !self.taken.contains(&pair) {
                let why = format!("refused {pair}");
                return Err(PortError::LoginNeeded { service: Service::Strava, why }.into());
            }
            Ok::<u32, Failure>(pair + 10)
        };
        let renewed = renew::<Login, _, _, _>(self, self, self, usable, exchange).await;
        renewed.map(|login| login.write().expose_secret().to_owned()).map_err(|failure| failure.error)
    }

    fn stored(&self) -> String {
        self.login.lock().unwrap().clone().expect("a login").0
    }

    fn note(&self, line: impl Into<String>) {
        self.diary.lock().unwrap().push(line.into());
    }

    #[expect(clippy::needless_pass_by_value, reason = "`expect!` makes values")]
    fn happened(&self, expected: Expect) {
        expected.assert_eq(&self.diary.lock().unwrap().join(", "));
    }
}

#[async_trait]
impl Vault for World {
    async fn get(&self, _: SecretName) -> Result<Option<(SecretString, Version)>, StoreError> {
        panic!("under the lease the vault is read again")
    }

    async fn get_fresh(&self, name: SecretName) -> Result<Option<(SecretString, Version)>, StoreError> {
        assert_eq!(name, Login::NAME);
        let login = self.login.lock().unwrap().clone();
        Ok(login.map(|(text, version)| {
            self.note(format!("read {text}"));
            (text.into(), Version(version))
        }))
    }

    async fn replace(
        &self,
        name: SecretName,
        expected: Version,
        new: &SecretString,
    ) -> Result<Version, PutError> {
        assert_eq!(name, Login::NAME);
        let mut login = self.login.lock().unwrap();
        let (text, version) = login.as_mut().expect("a login");
        let mut others = self.others.lock().unwrap();
        match others.first_mut() {
            Some((0, theirs)) => {
                *text = (*theirs).to_owned();
                *version += 1;
                others.remove(0);
            }
            Some((after, _)) => *after -= 1,
            None => {}
        }
        if Version(*version) != expected {
            self.note("conflict");
            return Err(PutError::Conflict);
        }
        let writes = self.diary.lock().unwrap().iter().filter(|line| line.starts_with("write")).count();
        if self.writes_until_full.is_some_and(|most| writes >= most) {
            self.note("disk full");
            let (what, help) = ("the disk is full".to_owned(), "Make room.".to_owned());
            return Err(StoreError { what, help }.into());
        }
        *text = new.expose_secret().to_owned();
        *version += 1;
        self.note(format!("write {text}"));
        Ok(Version(*version))
    }

    async fn remove(&self, _: SecretName) -> Result<(), StoreError> {
        panic!("a renewal removes nothing")
    }
}

#[async_trait]
impl Lease for World {
    async fn take(&self, until: Timestamp) -> Result<Option<Fence>, StoreError> {
        let time = until.strftime("%H:%M:%S");
        self.note(if self.lease_is_free {
            format!("take lease until {time}")
        } else {
            "lease not free".to_owned()
        });
        Ok(self.lease_is_free.then_some(Fence(1)))
    }

    async fn renew(&self, _: Timestamp) -> Result<bool, StoreError> {
        panic!("a renewal is short")
    }

    async fn release(&self) -> Result<(), StoreError> {
        self.note("release lease");
        Ok(())
    }

    fn held(&self) -> Option<Fence> {
        self.held
    }
}

#[async_trait]
impl Clock for World {
    fn now(&self) -> Timestamp {
        at(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _: Duration) {
        panic!("nobody waits")
    }
}
