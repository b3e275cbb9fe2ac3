use fitferry_simulation::*;
fn main() {
    let a: Vec<u64> = std::env::args().skip(1).filter_map(|x| x.parse().ok()).collect();
    let names: Vec<String> = std::env::args().skip(1).filter(|x| x.parse::<u64>().is_err()).collect();
    let secs: u64 = std::env::var("S").ok().and_then(|s| s.parse().ok()).unwrap_or(15);
    let mode = match std::env::var("M").as_deref() {
        Ok("strict") => Some(Mode::Strict),
        Ok("wild") => Some(Mode::Wild),
        _ => None,
    };
    let store = if std::env::var("SQL").is_ok() { StoreKind::Sqlite } else { StoreKind::Memory };
    if a.is_empty() {
        for p in Planted::ALL {
            if !names.is_empty() && !names.iter().any(|n| n == p.name()) {
                continue;
            }
            let t = std::time::Instant::now();
            let mut found = None;
            let mut tried = 0;
            while t.elapsed().as_secs() < secs {
                let o = play(&Options {
                    seed: tried,
                    mode: Some(Mode::Strict),
                    days: Some(14),
                    planted: Some(*p),
                    ..Options::default()
                });
                tried += 1;
                if let Some(v) = o.violation {
                    found = Some(v);
                    break;
                }
            }
            println!(
                "{:28} {tried:5} {:.1?} {}",
                p.name(),
                t.elapsed(),
                found.map_or("NOT FOUND".into(), |v| v.to_string())
            );
        }
        return;
    }
    let (from, n) = (a[0], a[1]);
    let t = std::time::Instant::now();
    let mut total = Stats::default();
    let mut bad = 0;
    for seed in from..from + n {
        let options = Options {
            seed,
            mode,
            store,
            planted: names.first().and_then(|n| Planted::from_name(n)),
            ..Options::default()
        };
        let o = play(&options);
        total += o.stats;
        if let Some(v) = &o.violation {
            bad += 1;
            if bad <= 12 {
                println!("seed {seed} {} {}d: {v}", o.mode.name(), o.days);
                if std::env::var("T").is_ok() {
                    for l in replay(&options).history {
                        println!("{l}");
                    }
                    return;
                }
            }
        }
    }
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = stat.split(' ').collect();
    let cpu = (f[13].parse::<f64>().unwrap() + f[14].parse::<f64>().unwrap()) / 100.0;
    println!("cpu {cpu:.2}s {:.0}/s", n as f64 / cpu);
    println!("{bad} bad of {n}, {:?}, {:.0}/s", t.elapsed(), n as f64 / t.elapsed().as_secs_f64());
    println!("{total:?}");
}
