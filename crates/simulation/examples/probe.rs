use fitferry_simulation::*;
fn main() {
    let a: Vec<u64> = std::env::args().skip(1).filter_map(|x| x.parse().ok()).collect();
    let (from, n) = (a[0], a[1]);
    let t = std::time::Instant::now();
    let mut total = Stats::default();
    let mut bad = 0;
    for seed in from..from + n {
        let o = play(&Options { seed, ..Options::default() });
        total += o.stats;
        if let Some(v) = &o.violation {
            bad += 1;
            if bad <= 12 {
                println!("seed {seed} {} {}d: {v}", o.mode.name(), o.days);
                if std::env::var("T").is_ok() {
                    let o = replay(&Options { seed, ..Options::default() });
                    for l in o.history {
                        println!("{l}");
                    }
                    return;
                }
            }
        }
    }
    println!("{bad} bad of {n}, {:?}, {:.0}/s", t.elapsed(), n as f64 / t.elapsed().as_secs_f64());
    println!("{total:?}");
}
