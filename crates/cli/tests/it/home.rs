//! A home for one runner: a folder for the program, a sandbox to point it at, and short words for both.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

use fitferry_sandbox::garmin::{self, GarminActivity};
use fitferry_sandbox::generate::GenerateSpec;
use fitferry_sandbox::{Options, Sandbox, World, strava};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;

/// What ran, and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// `None`: killed by a signal.
    pub exit: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON on standard output ({error}): {self:?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            exit: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
        }
    }
}

pub struct Home {
    dir: TempDir,
    pub sandbox: Sandbox,
    env: Vec<(String, String)>,
}

/// Waits of the rules, so short that a story ends within seconds.
const TIMING: [(&str, &str); 8] = [
    ("GARMIN_SPACING", "0s"),
    ("FIRST_CONFIRM", "150ms"),
    ("SETTLE", "2s"),
    ("SEND_WITHIN", "400ms"),
    ("UPLOAD_TIMEOUT", "3s"),
    ("DOUBT", "1500ms"),
    ("DOUBT_LOOKS", "200ms"),
    ("RETRY_BASE", "200ms"),
];

impl Home {
    /// A newcomer's home: nobody is signed in.
    pub fn new(world: World, options: Options) -> Home {
        let sandbox = Sandbox::start(Arc::new(Mutex::new(world)), options).expect("the sandbox starts");
        let mut env = sandbox.env();
        env.extend(TIMING.map(|(key, value)| (format!("FITFERRY_TIMING__{key}"), value.to_owned())));
        env.push(("FITFERRY_SYNC__SINCE".to_owned(), "all".to_owned()));
        Home { dir: tempfile::tempdir().expect("a temporary folder"), sandbox, env }
    }

    /// The same, signed in to both services through the program.
    pub fn signed_in(world: World, options: Options) -> Home {
        let home = Home::new(world, options);
        home.sign_in();
        home
    }

    pub fn sign_in(&self) {
        let garmin = self.run_with(&["login", "garmin", "--api-key-stdin"], garmin::API_KEY);
        assert_eq!(garmin.exit, Some(0), "{garmin:?}");
        let scopes = ["read", "activity:read_all", "activity:write"];
        let refresh = {
            let now = self.sandbox.clock().now();
            self.sandbox.world().strava_login(&scopes, now).refresh_token
        };
        let id = strava::CLIENT_ID.to_string();
        let login = ["login", "strava", "--client-id", &id, "--client-secret-stdin", "--refresh-token-stdin"];
        let strava = self.run_with(&login, &format!("{}\n{refresh}\n", strava::CLIENT_SECRET));
        assert_eq!(strava.exit, Some(0), "{strava:?}");
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn store(&self) -> PathBuf {
        self.path().join("fitferry.db")
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.sandbox.world()
    }

    /// One more variable of the environment, over those that are there.
    pub fn set(&mut self, key: &str, value: &str) {
        self.env.retain(|(known, _)| known != key);
        self.env.push((key.to_owned(), value.to_owned()));
    }

    pub fn unset(&mut self, key: &str) {
        self.env.retain(|(known, _)| known != key);
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_under(&[], arguments)
    }

    /// The program as it is started by another: by a shell that limits it, or by `faketime`.
    pub fn command_under(&self, by: &[&str], arguments: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_fitferry");
        let mut command = match by {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("FITFERRY_HOME", self.path())
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().expect("the program starts").into()
    }

    pub fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().expect("the program starts");
        // A program that ends without reading is a story too.
        let _ = child.stdin.take().expect("stdin is piped").write_all(input.as_bytes());
        child.wait_with_output().expect("the program ends").into()
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().expect("the program starts")
    }

    /// `sync --json`, which must end with this exit code.
    pub fn sync(&self, exit: i32) -> Value {
        let ran = self.run(&["sync", "--json"]);
        assert_eq!(ran.exit, Some(exit), "{ran:?}");
        ran.json()
    }

    /// Syncs until nothing is open; the documents of all the ticks.
    pub fn sync_until_settled(&self) -> Vec<Value> {
        let mut ticks = Vec::new();
        for _ in 0..400 {
            let ran = self.run(&["sync", "--json"]);
            assert!(ran.exit.is_some(), "{ran:?}");
            let document = ran.json();
            let open = document["open"].as_object().map(|open| open.values().filter_map(Value::as_u64).sum());
            let is_settled = open == Some(0u64) && document.get("error").is_none();
            ticks.push(document);
            if is_settled {
                return ticks;
            }
            // The waits of the rules are real, if short.
            std::thread::sleep(std::time::Duration::from_millis(60));
        }
        panic!("not settled: {:#}", ticks.last().unwrap_or(&Value::Null));
    }

    /// Requests that the sandbox saw since a moment in its log: Garmin's data, Strava's data.
    pub fn requests_since(&self, mark: usize) -> (usize, usize) {
        let log = self.sandbox.log();
        let count = |wanted: fn(&fitferry_sandbox::Route) -> bool| {
            log[mark..].iter().filter(|seen| wanted(&seen.route)).count()
        };
        (count(|route| route.is_garmin_api()), count(|route| route.is_strava_api()))
    }

    pub fn mark(&self) -> usize {
        self.sandbox.log().len()
    }
}

/// A world with Strava's limits lifted, so that a long story does not meet them by chance.
pub fn world() -> World {
    let mut world = World::empty(7);
    for app in world.strava.apps.values_mut() {
        app.limits = strava::Limits::LIFTED;
    }
    world.strava.settings.processing = SignedDuration::from_millis(100);
    world
}

/// A run that started so many days ago; its Garmin id.
pub fn add_run(world: &mut World, name: &str, days_ago: f64) -> u64 {
    let now = Timestamp::now();
    #[expect(clippy::cast_possible_truncation, reason = "a few days in seconds")]
    let start = now - SignedDuration::from_secs((days_ago * 86_400.0) as i64);
    let start = Timestamp::from_second(start.as_second()).expect("whole seconds");
    let seed = world.rng.draw();
    let spec =
        GenerateSpec::run(start, 5_000.0 + f64::from(u8::try_from(seed % 200).unwrap_or(0)) * 10.0, seed);
    world.garmin.add(GarminActivity::recorded(name, "running", &spec))
}

pub fn list<'a>(document: &'a Value, key: &str) -> &'a [Value] {
    document[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What `faketime` lets the linker load, for `LD_PRELOAD`; `None`: it is not here.
///
/// Its own wrapper keeps processes in memory that others share, and refuses to work where its own process id is one of
/// a process that was killed under it. The next process has another id.
pub fn time_shifter() -> Option<String> {
    const TRIES: usize = 100;
    let ask = || Command::new("faketime").args(["-m", "-f", "+0", "printenv", "LD_PRELOAD"]).output();
    for _ in 0..TRIES {
        let ran = ask().ok()?;
        let told = String::from_utf8(ran.stdout).expect("a path");
        if ran.status.success() && told.contains("libfaketime") {
            return Some(told.trim().to_owned());
        }
    }
    panic!("`faketime` says {:?}, time and again", ask());
}

/// The folder of real files and recorded answers, where it lies beside the checkout.
pub fn shared() -> Option<PathBuf> {
    let path = std::env::var_os("FITFERRY_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    path.join("fit/manifest.json").is_file().then_some(path)
}
