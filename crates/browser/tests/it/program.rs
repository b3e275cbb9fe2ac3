//! Scripts that stand for a program.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A script of the shell's that can be run at once.
///
/// A child writes it: what this process had open for writing, a process that another test starts at that moment
/// would hold open for a while, and a file that somebody may write to cannot be run.
pub(crate) fn program(folder: &Path, name: &str, script: &str) -> PathBuf {
    let file = folder.join(name);
    let mut writer = Command::new("/bin/sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(&file)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{script}\n").as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success(), "{} could not be written", file.display());
    file
}
