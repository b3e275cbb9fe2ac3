//! An AWS on loopback: moto's server, started once for all tests of this binary.
//!
//! The server ends with the process that started it, however that ends: a shell between the two waits at a
//! pipe which only the end of this process closes.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

/// A server that runs.
struct Moto {
    url: String,
    _shell: Child,
    /// Open as long as this process lives.
    _leash: ChildStdin,
}

/// Runs the server until it ends by itself, or until nobody has the other end of standard input any more.
const ON_A_LEASH: &str = r#"
    exec 3<&0
    "$0" -H 127.0.0.1 -p 0 </dev/null 3<&- &
    moto=$!
    { cat <&3 >/dev/null; kill $moto; } 2>/dev/null &
    wait $moto
"#;

/// Where the server listens.
pub(crate) fn url() -> &'static str {
    static MOTO: OnceLock<Moto> = OnceLock::new();
    &MOTO.get_or_init(start).url
}

fn start() -> Moto {
    let Some(program) = find() else {
        panic!("moto_server is not installed: run `make setup`, or let FITFERRY_MOTO name it");
    };
    let mut shell = Command::new("sh")
        .args(["-c", ON_A_LEASH])
        .arg(&program)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let leash = shell.stdin.take().unwrap();
    let mut lines = BufReader::new(shell.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut said = Vec::new();
    let url = loop {
        let Some(line) = lines.next() else {
            panic!("{} did not start: {}", program.display(), said.join("\n"));
        };
        if let Some((_, url)) = line.split_once("Running on ") {
            break url.trim().to_owned();
        }
        said.push(line);
    };
    // It tells every request; nobody listening would make it wait.
    std::thread::spawn(move || lines.for_each(drop));
    Moto { url, _shell: shell, _leash: leash }
}

fn find() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("FITFERRY_MOTO").filter(|named| !named.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let installed = workspace.join("target/tools/moto/bin/moto_server");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("moto_server"));
    std::iter::once(installed).chain(on_path).find(|program| program.is_file())
}
