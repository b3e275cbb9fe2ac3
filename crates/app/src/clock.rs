//! The machine's clock, and the signals that end its waits.
//!
//! Both clocks are read through libc, so that a test can shift them from outside (`faketime`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fitferry_core::ports::Clock;
use jiff::Timestamp;
use tokio::sync::Notify;

/// What ended a command from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Signal {
    /// Of a command that runs until it is stopped (contract, *Exit codes*).
    pub fn exit_code(self) -> u8 {
        match self {
            Signal::Interrupt => 130,
            Signal::Terminate => 0,
        }
    }
}

/// Time as the machine gives it; its waits end when a signal comes.
#[derive(Debug, Default)]
pub struct SystemClock {
    stop: AtomicBool,
    stopped_by: OnceLock<Signal>,
    wake: Notify,
    deadline: Mutex<Option<Duration>>,
}

impl SystemClock {
    /// True once a signal has come.
    pub fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    pub fn stopped_by(&self) -> Option<Signal> {
        self.stopped_by.get().copied()
    }

    /// Until when this process must have answered, on the monotonic clock; a warm one is told anew each time.
    pub fn set_deadline(&self, deadline: Option<Duration>) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }

    /// A signal has come: whoever sleeps here wakes, whoever looks at [`SystemClock::stop`] ends.
    pub fn end(&self, signal: Signal) {
        // The first one counts.
        let _ = self.stopped_by.set(signal);
        self.stop.store(true, Ordering::SeqCst);
        self.wake.notify_waiters();
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        monotonic()
    }

    fn deadline(&self) -> Option<Duration> {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep(&self, duration: Duration) {
        let woken = self.wake.notified();
        tokio::pin!(woken);
        // Listening before looking, so that no signal falls in between.
        woken.as_mut().enable();
        if self.stop.load(Ordering::SeqCst) {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            () = woken => {}
        }
    }
}

/// Counts the time that a laptop sleeps, where the system has such a clock.
#[cfg(target_os = "linux")]
fn monotonic() -> Duration {
    let time =
        nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).expect("Linux has CLOCK_BOOTTIME");
    Duration::from(time)
}

#[cfg(not(target_os = "linux"))]
fn monotonic() -> Duration {
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_ends_a_wait_and_all_after_it() {
        let clock = SystemClock::default();
        let hour = Duration::from_secs(3600);
        tokio::join!(clock.sleep(hour), async { clock.end(Signal::Terminate) });
        clock.sleep(hour).await;
        clock.end(Signal::Interrupt);
        assert_eq!(clock.stopped_by(), Some(Signal::Terminate));
    }
}
