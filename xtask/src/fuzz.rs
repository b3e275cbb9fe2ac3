//! `cargo xtask fuzz`: the targets of `crates/fuzz` under libFuzzer, guided by coverage, on a stable toolchain.
//!
//! The compiler's pass for coverage is reached by `-C passes`, and libFuzzer comes as source with its crate; so
//! all this needs beside the toolchain is a compiler for C++. Sanitizers, which do need another toolchain, would
//! find little: the workspace has no unsafe code.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

#[derive(Args)]
pub(crate) struct Asked {
    /// Only this one [default: each in turn]
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Of each target [default: 100000, or as many as the minutes hold]
    #[arg(long, value_name = "N")]
    executions: Option<u64>,
    /// For each target
    #[arg(long, value_name = "M")]
    minutes: Option<u64>,
    /// Keeps the small inputs that reach what no kept one reaches
    #[arg(long)]
    keep: bool,
}

const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                        -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
                        --cfg fuzzing";
const INPUT_BYTES_MAX: u32 = 8 * 1024;
/// What is kept is read by people and carried by everybody.
const KEPT_BYTES_MAX: u32 = 512;
const KEPT_FILES_MAX: usize = 100;

/// A line for each target, or what went wrong.
pub(crate) fn fuzz(asked: &Asked, workspace: &Path) -> Result<Vec<String>, Vec<String>> {
    let folder = workspace.join("target/fuzz");
    let program = build(workspace, &folder)?;
    let seeds = folder.join("seeds");
    run(Command::new(&program).env("FITFERRY_FUZZ_SEEDS", &seeds), "the seeds could not be written")?;
    let mut targets: Vec<String> = fs::read_dir(&seeds)
        .map_err(|error| vec![format!("{}: {error}", seeds.display())])?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.contains('.'))
        .collect();
    targets.sort();
    if let Some(wanted) = &asked.target {
        if !targets.contains(wanted) {
            return Err(vec![format!("no target `{wanted}`; there are {}", targets.join(", "))]);
        }
        targets.retain(|target| target == wanted);
    }
    let (mut lines, mut findings) = (Vec::new(), Vec::new());
    for target in targets {
        let place = Place { program: &program, folder: &folder, seeds: &seeds, workspace, target: &target };
        match place.fuzz(asked) {
            Ok(line) => lines.push(line),
            Err(finding) => findings.push(finding),
        }
        if asked.keep {
            place.keep()?;
        }
    }
    if findings.is_empty() {
        return Ok(lines);
    }
    findings.splice(..0, lines);
    Err(findings)
}

struct Place<'a> {
    program: &'a Path,
    folder: &'a Path,
    seeds: &'a Path,
    workspace: &'a Path,
    target: &'a str,
}

impl Place<'_> {
    fn kept(&self) -> PathBuf {
        self.workspace.join("crates/fuzz/corpus").join(self.target)
    }

    fn work(&self) -> PathBuf {
        self.folder.join("work").join(self.target)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.env("FITFERRY_FUZZ", self.target).env("RUST_BACKTRACE", "1");
        command
    }

    /// How it went, in a line; `Err`: a promise was broken.
    fn fuzz(&self, asked: &Asked) -> Result<String, String> {
        let crashes = self.folder.join("crashes");
        let (work, kept) = (self.work(), self.kept());
        for folder in [&work, &kept, &crashes] {
            fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let mut command = self.command();
        command.args([&work, &kept, &self.seeds.join(self.target)]);
        command.arg(format!("-dict={}", self.seeds.join(format!("{}.dict", self.target)).display()));
        command.arg(format!("-artifact_prefix={}/{}-", crashes.display(), self.target));
        command.arg(format!("-max_len={INPUT_BYTES_MAX}"));
        command.args(["-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"]);
        match (asked.executions, asked.minutes) {
            (None, None) => drop(command.arg("-runs=100000")),
            (executions, minutes) => {
                command.args(executions.map(|count| format!("-runs={count}")));
                command.args(minutes.map(|minutes| format!("-max_total_time={}", minutes * 60)));
            }
        }
        let output = command.output().map_err(|error| format!("{}: {error}", self.program.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let executions = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        let line = format!("{}: {} executions", self.target, executions.unwrap_or(" no").trim());
        if output.status.success() {
            return Ok(line);
        }
        let log = self.folder.join(format!("{}.log", self.target));
        fs::write(&log, said.as_bytes()).map_err(|error| format!("{}: {error}", log.display()))?;
        Err(format!("{line}, and a promise was broken; see {} and {}", log.display(), crashes.display()))
    }

    /// Fills the kept corpus with the smallest of those that together reach all that was reached.
    fn keep(&self) -> Result<(), Vec<String>> {
        let merged = self.folder.join("merged").join(self.target);
        let kept = self.kept();
        let trouble = |error: io::Error| vec![format!("the corpus of {} was not kept: {error}", self.target)];
        fs::create_dir_all(&merged).map_err(trouble)?;
        let mut command = self.command();
        command.args(["-set_cover_merge=1", "-use_counters=0", &format!("-max_len={KEPT_BYTES_MAX}")]);
        run(command.args([&merged, &self.work()]), "the corpus could not be merged")?;
        let mut inputs = Vec::new();
        for entry in fs::read_dir(&merged).map_err(trouble)? {
            let entry = entry.map_err(trouble)?;
            inputs.push((entry.metadata().map_err(trouble)?.len(), entry.file_name()));
        }
        inputs.sort();
        let there = fs::read_dir(&kept).map_err(trouble)?.count();
        let new = inputs.into_iter().map(|(_, name)| name).filter(|name| !kept.join(name).exists());
        for name in new.take(KEPT_FILES_MAX.saturating_sub(there)) {
            fs::copy(merged.join(&name), kept.join(&name)).map_err(trouble)?;
        }
        Ok(())
    }
}

fn build(workspace: &Path, folder: &Path) -> Result<PathBuf, Vec<String>> {
    let host = host()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace).env("RUSTFLAGS", COVERAGE);
    command.args([
        "build",
        "--locked",
        "--profile",
        "fuzz",
        "--package",
        "fitferry-fuzz",
        "--features",
        "guided",
    ]);
    // With a target named, build scripts and macros are left without the pass.
    command.args(["--bin", "guided", "--target", &host, "--target-dir"]).arg(folder);
    run(&mut command, "the fuzzer could not be built")?;
    Ok(folder.join(host).join("fuzz/guided"))
}

fn host() -> Result<String, Vec<String>> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().map_err(|error| vec![format!("rustc: {error}")])?;
    let said = String::from_utf8_lossy(&output.stdout);
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| vec!["rustc does not tell its host".to_owned()])
}

fn run(command: &mut Command, what: &str) -> Result<(), Vec<String>> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(vec![format!("{what}: {status}")]),
        Err(error) => Err(vec![format!("{what}: {error}")]),
    }
}
