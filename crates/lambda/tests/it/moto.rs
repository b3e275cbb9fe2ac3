//! `moto_server`: AWS on loopback, in memory.
//!
//! It ends when it is dropped, and also with a suite that is killed: a shell beside it waits at a pipe that only
//! the end of this process closes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::tools;

const START: Duration = Duration::from_secs(60);

pub struct Moto {
    child: Child,
    url: String,
}

impl Moto {
    /// Starts it on a port of its own choice, and waits until it answers there.
    pub fn start(folder: &Path) -> Moto {
        let log = folder.join("moto.log");
        let output = File::create(&log).expect("the folder is writable");
        let child = Command::new("sh")
            .args(["-c", r#""$0" -H 127.0.0.1 -p 0 </dev/null & cat; kill $!"#])
            .arg(find().expect("the tools were looked for before"))
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("a file may be held twice"))
            .stderr(output)
            .spawn()
            .expect("moto_server starts");
        let mut moto = Moto { child, url: String::new() };
        let end = Instant::now() + START;
        loop {
            let said = std::fs::read_to_string(&log).expect("the log is there");
            if let Some(url) = said.split_whitespace().find(|word| word.starts_with("http://127.0.0.1:")) {
                url.clone_into(&mut moto.url);
                return moto;
            }
            let ended = moto.child.try_wait().expect("the child is ours");
            assert!(
                ended.is_none() && Instant::now() < end,
                "moto_server did not start ({ended:?}):\n{said}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // The shell ends once it has sent its signal; whatever it answers, there is nothing left to do.
        let _ = self.child.wait();
    }
}

/// `$FITFERRY_MOTO`, else the one that `make setup` installs, else the one that is on the path.
pub fn find() -> Option<PathBuf> {
    let named = std::env::var_os("FITFERRY_MOTO").map(PathBuf::from);
    let installed = tools::root().join("target/tools/moto/bin/moto_server");
    named.or_else(|| installed.is_file().then_some(installed)).or_else(|| tools::on_path("moto_server"))
}
