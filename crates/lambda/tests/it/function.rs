//! One execution environment: the packaged bootstrap, started as Lambda starts it.
//!
//! It has what the deployed function's configuration says, as the server tells it, and beside that only where
//! the services of the suite are. It waits for the next event between two invocations, and is killed where its
//! time is over, both as in life.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use nix::unistd::Pid;
use serde_json::Value;

use crate::account::Account;
use crate::cloud::Cloud;
use crate::recorder::{Call, Door, Who};
use crate::runtime::{Outcome, Runtime};
use crate::time;

/// From the start to the first wish for an event; far more than a busy machine needs.
const START: Duration = Duration::from_secs(60);

pub struct Function<'a> {
    account: &'a Account,
    child: Child,
    runtime: Runtime,
    door: Door,
    log: PathBuf,
    /// So much of the log has been read.
    read: usize,
    started: Instant,
    /// The event at work: when it was put, how many calls and lines there were before, when its time is over.
    at_work: Option<AtWork>,
    is_gone: bool,
}

struct AtWork {
    since: Instant,
    /// The same in the story's time.
    put: Timestamp,
    calls: usize,
    timeout: Duration,
}

/// An invocation that was answered.
#[derive(Clone, Debug)]
pub struct Tick {
    pub document: Value,
    /// The lines of its log.
    pub log: Vec<Value>,
    /// What it asked AWS for.
    pub calls: Vec<Call>,
    pub took: Duration,
}

impl Tick {
    pub fn calls_named(&self) -> Vec<String> {
        self.calls.iter().map(Call::name).collect()
    }
}

/// How an invocation ended.
#[derive(Debug)]
pub enum Ended {
    Answered(Tick),
    /// Told as a failure: of the invocation, or of the start.
    Failed(Value),
    Died(ExitStatus),
    /// Killed, since its time was over.
    TimedOut,
}

impl<'a> Function<'a> {
    /// A cold start; back when the process asks for an event.
    pub fn start(account: &'a Account, more: &[(&str, &str)]) -> Function<'a> {
        let mut function = Function::spawn(account, more);
        let ready = function.runtime.is_ready(START);
        let ended = function.child.try_wait().expect("the child is ours");
        let log = std::fs::read_to_string(&function.log).unwrap_or_default();
        assert!(ready, "the bootstrap asks for no event ({ended:?}): {log}");
        function
    }

    /// A start that may fail.
    pub fn spawn(account: &'a Account, more: &[(&str, &str)]) -> Function<'a> {
        let cloud = account.cloud();
        let runtime = Runtime::start();
        let steps = account.steps.clone();
        let door = cloud.recorder.guarded_door(Who::Bootstrap, move |call, phase| steps.called(call, phase));
        let log = cloud.new_log(account.athlete());
        let output = File::create(&log).expect("the folder is writable");
        let mut command = command(cloud, &environment(account, &runtime, &door, more));
        let started = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file may be held twice"))
            .stderr(output)
            .spawn()
            .expect("the bootstrap starts");
        account.steps.are_of(pid(&child));
        Function { account, child, runtime, door, log, read: 0, started, at_work: None, is_gone: false }
    }

    pub fn door(&self) -> &Door {
        &self.door
    }

    /// From the start to the first wish for an event.
    pub fn start_took(&self) -> Option<Duration> {
        Some(self.runtime.ready_at()?.duration_since(self.started))
    }

    /// The most memory that the process has had, in kB.
    pub fn peak_memory_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the process lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux counts it");
        line.trim().trim_end_matches(" kB").parse().expect("a number of kB")
    }

    /// Gives it an event, with the function's own timeout.
    pub fn put(&mut self, event: Value) {
        let timeout = self.account.deployed().timeout;
        self.put_for(event, timeout);
    }

    pub fn put_for(&mut self, event: Value, timeout: Duration) {
        let put = self.account.now();
        let calls = self.door.calls().len();
        self.at_work = Some(AtWork { since: Instant::now(), put, calls, timeout });
        let span = SignedDuration::try_from(timeout).expect("a timeout is short");
        self.runtime.put(event, put + span);
    }

    /// Waits for the end of the invocation.
    pub fn finish(&mut self) -> Ended {
        let work = self.at_work.take().expect("an event was put");
        let end = work.since + work.timeout;
        let outcome = loop {
            if let Some(outcome) = self.runtime.outcome(Duration::from_millis(5)) {
                break outcome;
            }
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                self.is_gone = true;
                self.note();
                return Ended::Died(status);
            }
            if Instant::now() > end {
                self.kill();
                return Ended::TimedOut;
            }
        };
        let took = work.since.elapsed();
        self.note();
        match outcome {
            Outcome::Answered(document) => {
                assert_lived_in_our_time(&document, work.put);
                let calls = self.door.calls().split_off(work.calls);
                self.account.cloud().secrets.heard("an answer", &document.to_string());
                Ended::Answered(Tick { document, log: self.lines(), calls, took })
            }
            Outcome::Failed(error) | Outcome::Unfit(error) => {
                self.account.cloud().secrets.heard("a failure", &error.to_string());
                Ended::Failed(error)
            }
        }
    }

    /// An invocation that must be answered.
    pub fn invoke(&mut self, event: Value) -> Tick {
        self.put(event);
        self.answered()
    }

    pub fn invoke_for(&mut self, event: Value, timeout: Duration) -> Tick {
        self.put_for(event, timeout);
        self.answered()
    }

    pub fn answered(&mut self) -> Tick {
        match self.finish() {
            Ended::Answered(tick) => tick,
            other => {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                panic!("no answer but {other:?}; its log:\n{log}");
            }
        }
    }

    /// A tick, triggered as the rule triggers it.
    pub fn tick(&mut self) -> Tick {
        let event = self.account.event();
        self.invoke(event)
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        time::clear_after(pid(&self.child));
        if !self.is_gone {
            self.is_gone = true;
            self.note();
        }
    }

    /// What is kept for the searches at the end of the suite.
    fn note(&self) {
        self.account.note_secrets();
    }

    /// The lines of the log since the last look: each must be a JSON object.
    fn lines(&mut self) -> Vec<Value> {
        let log = std::fs::read_to_string(&self.log).expect("a log is UTF-8");
        let new = log[self.read..].lines().map(|line| {
            let value: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("a line of the log is no JSON ({error}): {line}"));
            assert!(value.is_object(), "a line of the log is no object: {line}");
            value
        });
        let new = new.collect();
        self.read = log.len();
        new
    }
}

impl Drop for Function<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A bootstrap whose clock nobody shifted would tell of waits that never end.
fn assert_lived_in_our_time(document: &Value, put: Timestamp) {
    let finished = document["finished_at"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
    // The offset of its clock is in milliseconds.
    let earliest = put - SignedDuration::from_secs(1);
    assert!(
        finished.is_none_or(|finished| finished >= earliest),
        "put at {put}, and the bootstrap's clock stands at {finished:?}"
    );
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a process id"))
}

/// What Lambda sets, what Terraform set, and where the services are: in that order, the later wins.
fn environment(
    account: &Account,
    runtime: &Runtime,
    door: &Door,
    more: &[(&str, &str)],
) -> Vec<(String, String)> {
    let cloud = account.cloud();
    let deployed = account.deployed();
    let task = cloud.package.task_root();
    let task = task.to_str().expect("the folder's name is UTF-8");
    let fixed = [
        ("AWS_LAMBDA_RUNTIME_API", runtime.authority()),
        ("AWS_LAMBDA_FUNCTION_NAME", deployed.function_name()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", deployed.memory_mb.to_string()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", deployed.function_name())),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/25/[$LATEST]0123456789abcdef".to_owned()),
        ("_HANDLER", deployed.handler.clone()),
        ("LAMBDA_TASK_ROOT", task.to_owned()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin".to_owned()),
    ];
    let mut environment: Vec<(String, String)> =
        fixed.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    environment.extend(cloud.credentials());
    environment.extend(cloud.package.layer_variable());
    environment.extend(deployed.environment.clone());
    environment.push(("AWS_ENDPOINT_URL".to_owned(), door.url()));
    environment.extend(account.endpoints());
    environment.extend(account.clock_variables());
    environment.extend(more.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())));
    environment
}

/// The bootstrap, with the layer at its place where this machine lets us put it there.
fn command(cloud: &Cloud, environment: &[(String, String)]) -> Command {
    let bootstrap = cloud.package.task_root().join("bootstrap");
    let mut command = match cloud.package.namespace() {
        Some(unshare) => in_namespace(unshare, &cloud.package.layer(), &bootstrap, environment),
        None => {
            let mut command = Command::new(bootstrap);
            command.env_clear().envs(environment.iter().cloned());
            command
        }
    };
    command.current_dir(cloud.package.task_root());
    command
}

/// Each step replaces the one before, so that the process that we have started is the bootstrap in the end. The
/// environment comes last: what is preloaded into the bootstrap shall not be preloaded into the steps.
fn in_namespace(
    unshare: &[String],
    layer: &Path,
    bootstrap: &Path,
    environment: &[(String, String)],
) -> Command {
    let (program, arguments) = unshare.split_first().expect("there is a program");
    let mut command = Command::new(program);
    command
        .args(arguments)
        .args(["sh", "-c", r#"mount --bind "$1" /opt && shift && exec env -i "$@""#, "sh"])
        .arg(layer)
        .args(environment.iter().map(|(key, value)| format!("{key}={value}")))
        .arg(bootstrap);
    command
}
