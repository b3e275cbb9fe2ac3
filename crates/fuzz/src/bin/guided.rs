//! libFuzzer over the target that `FITFERRY_FUZZ` names; `cargo xtask fuzz` builds and runs it.
//!
//! With `FITFERRY_FUZZ_SEEDS=DIR` it writes down what the runs begin from instead, for every target: `NAME/` with
//! its seeds, `NAME.dict` with its words.

#![no_main]

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::LazyLock;

use fitferry_fuzz::{TARGETS, Target, find};
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("FITFERRY_FUZZ").unwrap_or_default();
    find(&name).expect("FITFERRY_FUZZ names a target")
});

fuzz_target!(
    init: if let Some(folder) = std::env::var_os("FITFERRY_FUZZ_SEEDS") {
        process::exit(i32::from(write_down(&PathBuf::from(folder)).is_err()));
    },
    |data: &[u8]| (TARGET.run)(data)
);

fn write_down(folder: &Path) -> io::Result<()> {
    for target in TARGETS {
        let seeds = folder.join(target.name);
        fs::create_dir_all(&seeds)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(seeds.join(format!("seed-{number:02}")), seed)?;
        }
        let mut words = String::new();
        for word in target.words {
            let escaped: String = word.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
            let _ = writeln!(words, "\"{escaped}\"");
        }
        fs::write(folder.join(format!("{}.dict", target.name)), words)?;
    }
    Ok(())
}
