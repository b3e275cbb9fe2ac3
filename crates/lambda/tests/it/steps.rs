//! What happened to one person, in order, at Garmin, at Strava and at AWS; and a trap for the process that does
//! it, which strikes at a step that a story names.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fitferry_sandbox::{RequestEvent, Route, Seen};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::recorder::{self, Call, Verdict};

#[derive(Clone, Debug)]
pub enum Step {
    /// A request to one of the two services, three times: see the sandbox's `Phase`.
    Asked { request: Seen, phase: fitferry_sandbox::Phase },
    /// A call of a bootstrap to AWS, twice.
    Called { call: Call, phase: recorder::Phase },
}

impl Step {
    /// A request of this kind has changed the world.
    pub fn has_taken_effect(&self, wanted: Route) -> bool {
        matches!(self, Step::Asked { request, phase: fitferry_sandbox::Phase::After } if request.route == wanted)
    }

    /// A data request to Strava has arrived.
    pub fn uses_strava(&self) -> bool {
        let arrives = fitferry_sandbox::Phase::Before;
        matches!(self, Step::Asked { request, phase } if *phase == arrives && request.route.is_strava_api())
    }

    /// A write to AWS that has got so far.
    pub fn writes(&self, so_far: recorder::Phase) -> bool {
        matches!(self, Step::Called { call, phase } if *phase == so_far && call.is_write())
    }

    /// Any call to AWS that has got so far.
    pub fn calls(&self, so_far: recorder::Phase) -> bool {
        matches!(self, Step::Called { phase, .. } if *phase == so_far)
    }
}

/// What a trap does to the process, or to its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// SIGKILL. A call that moto has not seen yet never reaches it.
    Kill,
    /// Calls to AWS only: refused as too fast.
    Throttle,
}

type When = Box<dyn Fn(&[Step]) -> bool + Send + Sync>;

/// Cheap to clone; the clones write into one list.
#[derive(Clone, Default)]
pub struct Steps(Arc<Inner>);

#[derive(Default)]
struct Inner {
    list: Mutex<Vec<Step>>,
    trap: Mutex<Option<Trap>>,
    pid: AtomicI32,
}

struct Trap {
    /// The list's length when it was set.
    from: usize,
    when: When,
    blow: Blow,
}

impl Steps {
    pub fn mark(&self) -> usize {
        lock(&self.0.list).len()
    }

    pub fn since(&self, mark: usize) -> Vec<Step> {
        lock(&self.0.list)[mark..].to_vec()
    }

    /// Strikes whenever `when` holds of the steps from now on, of which the last is the one that just came.
    pub fn set_trap(&self, blow: Blow, when: impl Fn(&[Step]) -> bool + Send + Sync + 'static) {
        *lock(&self.0.trap) = Some(Trap { from: self.mark(), when: Box::new(when), blow });
    }

    pub fn take_trap_away(&self) {
        *lock(&self.0.trap) = None;
    }

    /// The process that the trap is for.
    pub fn are_of(&self, pid: Pid) {
        self.0.pid.store(pid.as_raw(), Ordering::SeqCst);
    }

    pub fn asked(&self, event: &RequestEvent) {
        self.add(Step::Asked { request: event.request.clone(), phase: event.phase });
    }

    pub fn called(&self, call: &Call, phase: recorder::Phase) -> Verdict {
        match (self.add(Step::Called { call: call.clone(), phase }), phase) {
            (Some(Blow::Throttle), recorder::Phase::Before) => Verdict::Throttle,
            (Some(Blow::Kill), recorder::Phase::Before) => Verdict::Drop,
            _ => Verdict::Pass,
        }
    }

    fn add(&self, step: Step) -> Option<Blow> {
        let trap = lock(&self.0.trap);
        let mut list = lock(&self.0.list);
        list.push(step);
        let trap = trap.as_ref()?;
        let blow = (trap.when)(&list[trap.from..]).then_some(trap.blow)?;
        if blow == Blow::Kill {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(self.0.pid.load(Ordering::SeqCst)), Signal::SIGKILL);
        }
        Some(blow)
    }
}

/// A `when` that panicked has failed its story; the list is still a list.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
