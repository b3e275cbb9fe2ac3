//! Figures of `backfill` over HTTP, with Strava's limits lifted and nothing between two requests: activities a
//! second, and peak memory as the history grows. `cargo bench -p fitferry --bench backfill [-- 200 2000 10000]`
//!
//! The sandbox runs beside the program on the same cores, so a machine of its own would be faster.

#[path = "../tests/it/home.rs"]
#[expect(unreachable_pub, dead_code, reason = "the stories do more with it")]
mod home;

use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use fitferry_sandbox::Options;

#[expect(clippy::print_stdout, reason = "figures are for the one who asks")]
fn main() {
    let asked: Vec<u32> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let mut sizes = if asked.is_empty() { vec![200, 2_000, 10_000] } else { asked };
    sizes.sort_unstable();
    println!("activities   seconds   per second   requests to Strava each   peak memory");
    for size in sizes {
        let mut world = home::world();
        for nth in 0..size {
            home::add_run(&mut world, &format!("Run {nth}"), 7.0 + f64::from(size - nth) * 0.7);
        }
        let home = home::Home::signed_in(world, Options::default());
        let mark = home.mark();
        let began = Instant::now();
        let child = home.start(&["backfill", "--since", "1990-01-01", "-q"]);
        let (status, peak_kb) = peak_memory_kb(child);
        let seconds = began.elapsed().as_secs_f64();
        assert!(status.success(), "{status:?}");
        let requests = home.requests_since(mark).1;
        let received = home.world().strava.uploads.len();
        assert_eq!(received, size as usize, "each one once");
        assert!(home.world().doubles().is_empty());
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let each = requests as f64 / received as f64;
        println!(
            "{size:>10}   {seconds:>7.1}   {:>10.1}   {each:>23.3}   {:>8.1} MB",
            f64::from(size) / seconds,
            f64::from(peak_kb) / 1024.0
        );
    }
}

/// What the process had in memory at most, by the account of its own pages. (What `getrusage` says of a child begins
/// with what its parent had.)
fn peak_memory_kb(mut child: Child) -> (ExitStatus, u32) {
    let account = format!("/proc/{}/status", child.id());
    let mut peak_kb = 0;
    loop {
        let text = std::fs::read_to_string(&account).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak_kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(peak_kb);
        if let Some(status) = child.try_wait().expect("it is our child") {
            return (status, peak_kb);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
