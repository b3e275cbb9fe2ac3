//! *Intent* and *Doubt*: SIGKILL at points that are chosen by event, on a Strava that detects nothing.
//!
//! The points are the requests that the sandbox sees, before they take effect, before they are answered and
//! after, and the writes of the store. Whatever the point, running on must end with three activities.

use std::process::Child;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use fitferry_sandbox::strava::Duplicates;
use fitferry_sandbox::{Options, Phase, RequestEvent};
use jiff::SignedDuration;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::home::{Home, add_run, world};

/// Where the run is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// The n-th request, in this phase.
    Request(usize, Phase),
    /// The n-th write to the store's log.
    Write(usize),
}

#[test]
fn killed_at_any_request_or_write_it_ends_with_three_activities() {
    let mut points: Vec<Point> = Vec::new();
    for n in 1..=12 {
        points.extend([Phase::Before, Phase::After, Phase::Answered].map(|phase| Point::Request(n, phase)));
    }
    points.extend((1..=40).step_by(2).map(Point::Write));
    assert!(points.len() >= 50);
    let killed = AtomicUsize::new(0);
    let next = Mutex::new(points.into_iter());
    // The stories mostly wait: eight at a time do no harm to each other.
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let point = next.lock().expect("no thread panics with the lock").next();
                    let Some(point) = point else { return };
                    if story(point) {
                        killed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert!(killed.load(Ordering::Relaxed) >= 45, "only {} runs were killed", killed.load(Ordering::Relaxed));
}

/// Whether the run was killed; it may have ended before the point came.
fn story(point: Point) -> bool {
    let mut world = world();
    for (name, days_ago) in [("One", 3.0), ("Two", 2.0), ("Three", 1.0)] {
        add_run(&mut world, name, days_ago);
    }
    world.strava.settings.duplicates = Duplicates::NONE;
    world.strava.settings.processing = SignedDuration::from_millis(200);
    world.strava.settings.list_lag = SignedDuration::from_millis(400);
    let trap = Trap::default();
    let hook = trap.clone();
    let options = Options {
        on_request: Some(Arc::new(move |event: &RequestEvent| hook.sees(event))),
        ..Options::default()
    };
    let home = Home::signed_in(world, options);
    let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).expect("inotify works");
    watch.add_watch(home.path(), AddWatchFlags::IN_MODIFY).expect("the folder is there");

    trap.arm(point, home.mark());
    let mut child = home.start(&["sync", "--json"]);
    trap.is_for(&child);
    if let Point::Write(n) = point {
        kill_at_write(n, &watch, &mut child);
    }
    let ended = child.wait_with_output().expect("the program ends");
    let killed = ended.status.code().is_none();
    trap.disarm();

    home.sync_until_settled();
    let world = home.world();
    let there = world.strava.of_athlete(fitferry_sandbox::strava::ATHLETE).count();
    assert_eq!(there, 3, "killed at {point:?} ({killed}); doubles: {:?}", world.doubles());
    killed
}

/// A run may end before its n-th write; then there is nothing to kill.
fn kill_at_write(n: usize, watch: &Inotify, child: &mut Child) {
    let mut seen = 0;
    while seen < n {
        match watch.read_events() {
            Ok(events) => seen += events.iter().filter(|event| is_of_log(event)).count(),
            Err(Errno::EAGAIN) if child.try_wait().expect("the child is ours").is_none() => {
                thread::yield_now()
            }
            Err(_) => return,
        }
    }
    child.kill().expect("the child is ours");
}

/// A write to SQLite's log, which each commit makes.
fn is_of_log(event: &InotifyEvent) -> bool {
    event.name.as_ref().is_some_and(|name| name.to_string_lossy().ends_with("-wal"))
}

/// Kills the client at a request.
#[derive(Clone, Default)]
pub struct Trap {
    armed: Arc<Mutex<Option<(usize, Phase)>>>,
    pid: Arc<AtomicI32>,
}

impl Trap {
    pub fn arm(&self, point: Point, mark: usize) {
        let at = match point {
            Point::Request(n, phase) => Some((mark + n, phase)),
            Point::Write(_) => None,
        };
        *self.armed.lock().expect("no hook panics") = at;
    }

    pub fn is_for(&self, child: &Child) {
        self.pid.store(i32::try_from(child.id()).expect("a process id"), Ordering::SeqCst);
    }

    pub fn disarm(&self) {
        *self.armed.lock().expect("no hook panics") = None;
    }

    pub fn sees(&self, event: &RequestEvent) {
        let armed = *self.armed.lock().expect("no hook panics");
        if armed == Some((event.request.seq, event.phase)) {
            // The request may come before the parent has noted whose it is.
            let pid = loop {
                match self.pid.load(Ordering::SeqCst) {
                    0 => thread::yield_now(),
                    pid => break pid,
                }
            };
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}
