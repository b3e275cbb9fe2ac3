//! A person of one story: their own Garmin and Strava, their own desk, their own partition of the table.

use std::sync::{Arc, Mutex, MutexGuard};

use fitferry_sandbox::garmin::{self, GarminActivity};
use fitferry_sandbox::generate::GenerateSpec;
use fitferry_sandbox::{Clock, Hook, Options, Route, Sandbox, Seen, World, strava};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cloud::{Cloud, Deployed};
use crate::desk::{Desk, Ran};
use crate::recorder::Who;
use crate::steps::Steps;
use crate::time::Time;

pub const SCOPES: [&str; 3] = ["read", "activity:read_all", "activity:write"];

/// How long Garmin's key lives.
pub const KEY_DAYS: i64 = 100;

/// The rule's name for the athlete whom an event need not name.
pub const ME: &str = "me";

pub struct Account {
    cloud: Arc<Cloud>,
    pub sandbox: Sandbox,
    pub steps: Steps,
    athlete: String,
    time: Time,
    vault: Vault,
    app: App,
    garmin_key: String,
    desk: Desk,
}

struct App {
    id: u64,
    secret: String,
}

/// How a story's person is set up.
#[derive(Default)]
pub struct Setup {
    pub world: Option<World>,
    /// Whether the story moves the clock.
    pub moves_time: bool,
    pub vault: Vault,
}

/// Where the deployed function looks for logins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vault {
    #[default]
    Table,
    SecretsManager,
}

impl Account {
    /// Somebody who has signed in at the desk and pushed both logins to where the function looks for them.
    pub fn pushed(cloud: &Arc<Cloud>, athlete: &str, setup: Setup) -> Account {
        let account = Account::signed_in(cloud, athlete, setup);
        account.push().worked();
        account
    }

    /// Somebody who has signed in at the desk, where the logins still are.
    pub fn signed_in(cloud: &Arc<Cloud>, athlete: &str, setup: Setup) -> Account {
        let account = Account::new(cloud, athlete, setup);
        account.sign_in_to_garmin();
        account.sign_in_to_strava();
        account
    }

    /// A newcomer.
    pub fn new(cloud: &Arc<Cloud>, athlete: &str, setup: Setup) -> Account {
        let number = cloud.next_number();
        let seed = u64::try_from(number).expect("a small number");
        let mut world = setup.world.unwrap_or_else(world);
        // An app, a key and dice of their own: budgets are kept per app, and tokens come from the dice.
        world.rng = fitferry_sandbox::rng::Rng::new(seed);
        let app = App { id: 50_000 + seed, secret: world.rng.hex(40) };
        let mut registered = world.strava.apps.remove(&strava::CLIENT_ID).expect("the sandbox's own app");
        registered.secret.clone_from(&app.secret);
        world.strava.apps.insert(app.id, registered);
        let garmin_key = format!("canary-garmin-key-{}", world.rng.hex(24));
        world.garmin.tokens.revoke_key(garmin::API_KEY);
        world.garmin.tokens.add_key(&garmin_key, garmin::ATHLETE);
        cloud.secrets.add([app.secret.clone(), garmin_key.clone()]);

        let steps = Steps::default();
        let noted = steps.clone();
        let on_request: Hook = Arc::new(move |event| noted.asked(event));
        let options = Options { clock: Clock::default(), on_request: Some(on_request) };
        let time = match setup.moves_time {
            true => Time::shifted(options.clock.clone(), cloud.folder().join(format!("time-{number}"))),
            false => Time::of_the_machine(options.clock.clone()),
        };
        let sandbox = Sandbox::start(Arc::new(Mutex::new(world)), options).expect("the sandbox starts");
        let door = cloud.recorder.door(Who::Desk);
        let mut environment = sandbox.env();
        environment.extend(cloud.credentials());
        environment.push(("FITFERRY_ATHLETE".to_owned(), athlete.to_owned()));
        environment.push(("FITFERRY_TIMING__GARMIN_SPACING".to_owned(), "0s".to_owned()));
        let desk = Desk::new(&cloud.desk_program, door, environment);
        Account {
            cloud: cloud.clone(),
            sandbox,
            steps,
            athlete: athlete.to_owned(),
            time,
            vault: setup.vault,
            app,
            garmin_key,
            desk,
        }
    }

    pub fn sign_in_to_garmin(&self) {
        let ends = (self.now() + SignedDuration::from_hours(24 * KEY_DAYS)).strftime("%Y-%m-%d").to_string();
        let login = ["login", "garmin", "--api-key-stdin", "--key-ends", &ends];
        self.at_desk_with(&login, &self.garmin_key).worked();
    }

    pub fn sign_in_to_strava(&self) {
        let token = self.strava_refresh_token();
        self.import_strava(&token).worked();
    }

    /// Consents once more, which gives the refresh token that holds from then on.
    pub fn strava_refresh_token(&self) -> String {
        let now = self.now();
        let World { strava, rng, .. } = &mut *self.world();
        let pair = strava.sign_in(self.app.id, strava::ATHLETE, &SCOPES, now, rng);
        pair.expect("the app has room for its first athlete").refresh_token
    }

    pub fn import_strava(&self, refresh_token: &str) -> Ran {
        self.note_secrets();
        let id = self.app.id.to_string();
        let login = ["login", "strava", "--client-id", &id, "--client-secret-stdin", "--refresh-token-stdin"];
        self.at_desk_with(&login, &format!("{}\n{refresh_token}\n", self.app.secret))
    }

    /// Moves the logins into the deployed vault.
    pub fn push(&self) -> Ran {
        let to = self.store();
        let mut arguments = vec!["aws", "push-credentials", "--to", &to, "--yes"];
        if self.vault == Vault::SecretsManager {
            let vault = self.deployed().variable("FITFERRY_STORE__VAULT").expect("Terraform has set it");
            arguments.extend(["--vault", vault]);
        }
        self.at_desk(&arguments)
    }

    /// The deployed table, as `--store` names it.
    pub fn store(&self) -> String {
        format!("dynamodb:{}", self.cloud.table())
    }

    pub fn at_desk(&self, arguments: &[&str]) -> Ran {
        self.at_desk_with(arguments, "")
    }

    pub fn at_desk_with(&self, arguments: &[&str], input: &str) -> Ran {
        let ran = self.desk.run_with(arguments, input);
        self.note_secrets();
        self.cloud.secrets.heard("the desk", &format!("{}{}", ran.stdout, ran.stderr));
        ran
    }

    /// Lines of the guide, in a shell in which this person's secrets lie where the guide supposes them.
    pub fn shell_at_desk(&self, lines: &str) -> Ran {
        let ran = self.desk.shell(lines, &self.app.secret, &self.garmin_key);
        self.note_secrets();
        self.cloud.secrets.heard("the desk", &format!("{}{}", ran.stdout, ran.stderr));
        ran
    }

    pub fn cloud(&self) -> &Arc<Cloud> {
        &self.cloud
    }

    /// The deployment that this story's bootstraps are of.
    pub fn deployed(&self) -> &Deployed {
        match self.vault {
            Vault::Table => &self.cloud.deployed,
            Vault::SecretsManager => self.cloud.with_secrets_manager(),
        }
    }

    pub fn athlete(&self) -> &str {
        &self.athlete
    }

    pub fn client_id(&self) -> u64 {
        self.app.id
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.sandbox.world()
    }

    pub fn now(&self) -> Timestamp {
        self.time.now()
    }

    /// So much time goes by, for the bootstrap and the services.
    pub fn pass(&self, span: SignedDuration) {
        self.time.pass(span);
    }

    /// What the bootstrap is told of where Garmin and Strava are.
    pub fn endpoints(&self) -> Vec<(String, String)> {
        self.sandbox.env()
    }

    pub fn clock_variables(&self) -> Vec<(String, String)> {
        self.time.variables()
    }

    /// What the rule sends at this moment; it need not name `me`.
    pub fn event(&self) -> Value {
        self.event_of(self.now())
    }

    pub fn event_of(&self, time: Timestamp) -> Value {
        let second = Timestamp::from_second(time.as_second()).expect("a time of today");
        let rule = self.cloud.output("rule_name");
        let (region, account) = (crate::aws::REGION, crate::aws::ACCOUNT);
        let event = json!({
            "version": "0",
            "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": account,
            "time": second.to_string(),
            "region": region,
            "resources": [format!("arn:aws:events:{region}:{account}:rule/{rule}")],
            "detail": {},
        });
        self.of_this_athlete(event)
    }

    /// Says whom an event is for.
    pub fn of_this_athlete(&self, mut event: Value) -> Value {
        if self.athlete != ME {
            event["athlete"] = json!(self.athlete);
        }
        event
    }

    /// Tokens live in the world as long as they are good: what is good now is what must not be shown.
    pub fn note_secrets(&self) {
        let world = self.world();
        self.cloud.secrets.add(world.strava.issued_tokens());
        self.cloud.secrets.add(world.garmin.tokens.issued_bearers());
    }

    /// Everything that the table has of this athlete.
    pub fn rows(&self) -> Vec<Value> {
        self.cloud.aws.partition(self.cloud.table(), &format!("athlete#{}", self.athlete))
    }

    /// What the table has of this activity.
    pub fn row(&self, id: u64) -> Option<Value> {
        let key = format!("activity#{id:020}");
        self.rows().into_iter().find(|item| item["sk"]["S"] == key.as_str())
    }

    pub fn mark(&self) -> usize {
        self.sandbox.log().len()
    }

    /// Every request to Garmin and Strava since.
    pub fn seen_since(&self, mark: usize) -> Vec<Seen> {
        self.sandbox.log().split_off(mark)
    }

    /// Data requests since: Garmin's, Strava's.
    pub fn requests_since(&self, mark: usize) -> (usize, usize) {
        let seen = self.seen_since(mark);
        let count = |wanted: fn(Route) -> bool| seen.iter().filter(|seen| wanted(seen.route)).count();
        (count(Route::is_garmin_api), count(Route::is_strava_api))
    }

    /// A run that started so many hours ago; its Garmin id.
    pub fn add_run(&self, name: &str, hours_ago: i64) -> u64 {
        let start = self.now() - SignedDuration::from_hours(hours_ago);
        add_run(&mut self.world(), name, start)
    }

    /// Each of these Garmin activities is on Strava once, bit for bit, and nothing else is.
    pub fn assert_arrived(&self, ids: &[u64]) {
        let world = self.world();
        assert!(world.doubles().is_empty(), "{:?}", world.doubles());
        for id in ids {
            let file = &world.garmin.activities[id].file;
            assert!(world.published(*id).is_some(), "{id} is not on Strava");
            assert_eq!(world.sha256_received(*id), Some(strava::sha256(file).as_str()), "{id} was changed");
        }
        assert_eq!(world.strava.of_athlete(strava::ATHLETE).count(), ids.len());
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.note_secrets();
    }
}

/// A world that is quick and has room: Strava's limits are no matter of these stories.
pub fn world() -> World {
    let mut world = World::empty(0);
    for app in world.strava.apps.values_mut() {
        app.limits = strava::Limits::LIFTED;
    }
    world.strava.settings.processing = SignedDuration::from_millis(100);
    world
}

pub fn add_run(world: &mut World, name: &str, start: Timestamp) -> u64 {
    let start = Timestamp::from_second(start.as_second()).expect("whole seconds");
    let seed = world.rng.draw();
    let metres = 5_000.0 + f64::from(u8::try_from(seed % 200).unwrap_or(0)) * 10.0;
    let spec = GenerateSpec::run(start, metres, seed);
    world.garmin.add(GarminActivity::recorded(name, "running", &spec))
}

/// The entries of a list in a document.
pub fn list<'a>(document: &'a Value, key: &str) -> &'a [Value] {
    document[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// How many rows are open.
pub fn open(document: &Value) -> u64 {
    let open = document["open"].as_object().unwrap_or_else(|| panic!("no `open`: {document:#}"));
    open.values().filter_map(Value::as_u64).sum()
}
