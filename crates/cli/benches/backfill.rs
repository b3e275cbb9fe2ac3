//! Figures of `backfill` over HTTP, with Strava's limits lifted and nothing between two requests: activities a
//! second, and peak memory as the history grows. `cargo bench -p fitferry --bench backfill [-- 200 2000 10000]`
//!
//! The sandbox runs beside the program on the same cores, so a machine of its own would be faster.

#[path = "../tests/it/home.rs"]
#[expect(unreachable_pub, dead_code, reason = "the stories do more with it")]
mod home;

use std::time::Instant;

use fitferry_sandbox::Options;
use nix::sys::resource::{UsageWho, getrusage};

#[expect(clippy::print_stdout, reason = "figures are for the one who asks")]
fn main() {
    let asked: Vec<u32> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let mut sizes = if asked.is_empty() { vec![200, 2_000, 10_000] } else { asked };
    // The account of the operating system tells the most of all children: so the smallest comes first.
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
        let ran = home.run(&["backfill", "--since", "1990-01-01", "-q"]);
        let seconds = began.elapsed().as_secs_f64();
        assert_eq!(ran.exit, Some(0), "{ran:?}");
        let requests = home.requests_since(mark).1;
        let received = home.world().strava.uploads.len();
        assert_eq!(received, size as usize, "each one once");
        assert!(home.world().doubles().is_empty());
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the machine keeps account");
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let each = requests as f64 / received as f64;
        println!(
            "{size:>10}   {seconds:>7.1}   {:>10.1}   {each:>23.3}   {:>8.1} MB",
            f64::from(size) / seconds,
            usage.max_rss() as f64 / 1024.0
        );
    }
}
