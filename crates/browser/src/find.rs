//! Where the browser is: the one that `FITFERRY_BROWSER` names, else the usual ones in the usual places.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::error::BrowserError;

/// Names the browser program, by its path or by its name on `PATH`; nothing else is looked for then.
const NAMED_BY: &str = "FITFERRY_BROWSER";

/// As they are called on `PATH`. All are of one family: others have no such protocol, or another.
const NAMES: [&str; 8] = [
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "chromium",
    "chromium-browser",
    "microsoft-edge",
    "microsoft-edge-stable",
    "msedge",
];

/// Below the folders of applications of macOS.
const MAC_APPS: [&str; 3] = [
    "Google Chrome.app/Contents/MacOS/Google Chrome",
    "Chromium.app/Contents/MacOS/Chromium",
    "Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
];

/// Below the folders of programs of Windows.
const WINDOWS_PROGRAMS: [&str; 3] = [
    "Google/Chrome/Application/chrome.exe",
    "Chromium/Application/chrome.exe",
    "Microsoft/Edge/Application/msedge.exe",
];

/// The browser to start; `variable` reads the environment.
pub fn find(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, BrowserError> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let path = variable("PATH").unwrap_or_default();
    if let Some(named) = variable(NAMED_BY) {
        return program(Path::new(&named), &path).ok_or_else(|| BrowserError::NoBrowser {
            looked_for: format!("{NAMED_BY} names {}, which is no program", Path::new(&named).display()),
        });
    }
    let on_path = NAMES.iter().find_map(|name| program(Path::new(name), &path));
    let installed = || installed(&variable).into_iter().find(|file| is_program(file));
    on_path.or_else(installed).ok_or_else(|| BrowserError::NoBrowser {
        looked_for: format!("neither Chrome, Chromium nor Edge is found, and {NAMED_BY} names none"),
    })
}

fn installed(variable: &impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let below =
        |folder: PathBuf, files: &[&str]| files.iter().map(|file| folder.join(file)).collect::<Vec<_>>();
    if cfg!(target_os = "macos") {
        let own = variable("HOME").map(|home| Path::new(&home).join("Applications"));
        let folders = [Some(PathBuf::from("/Applications")), own];
        folders.into_iter().flatten().flat_map(|folder| below(folder, &MAC_APPS)).collect()
    } else if cfg!(windows) {
        let folders = ["ProgramFiles", "ProgramFiles(x86)", "LOCALAPPDATA"];
        let folders = folders.iter().filter_map(|name| variable(name));
        folders.flat_map(|folder| below(folder.into(), &WINDOWS_PROGRAMS)).collect()
    } else {
        Vec::new()
    }
}

/// A name is looked up on `path`, anything with a folder in it is taken as it is.
fn program(named: &Path, path: &OsStr) -> Option<PathBuf> {
    if named.components().count() > 1 {
        return Some(named.to_owned()).filter(|file| is_program(file));
    }
    let suffix = if cfg!(windows) && named.extension().is_none() { ".exe" } else { "" };
    let mut file = named.as_os_str().to_owned();
    file.push(suffix);
    env::split_paths(path).map(|folder| folder.join(&file)).find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new(programs: &[&str]) -> Folder {
            let folder = Folder(tempfile::tempdir().unwrap());
            for name in programs {
                let file = folder.0.path().join(name);
                fs::write(&file, "").unwrap();
                fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
            }
            folder
        }

        fn find(&self, named: Option<&str>) -> Result<PathBuf, BrowserError> {
            find(|name| match name {
                "PATH" => Some(self.0.path().into()),
                NAMED_BY => named.map(OsString::from),
                _ => None,
            })
        }
    }

    #[test]
    fn the_named_browser_stands_above_all_and_nothing_takes_its_place() {
        let folder = Folder::new(&["chromium", "wrapper"]);
        let at = |name: &str| folder.0.path().join(name);
        assert_eq!(folder.find(None).unwrap(), at("chromium"));
        assert_eq!(folder.find(Some("")).unwrap(), at("chromium"));
        assert_eq!(folder.find(Some("wrapper")).unwrap(), at("wrapper"));
        let whole = at("wrapper");
        assert_eq!(folder.find(whole.to_str()).unwrap(), whole);
        for gone in ["gone", "./chromium", at("gone").to_str().unwrap()] {
            let error = folder.find(Some(gone)).unwrap_err().to_string();
            assert!(error.contains("FITFERRY_BROWSER names ") && error.contains(gone), "{error}");
        }
    }

    #[test]
    fn the_usual_ones_are_found_in_their_order_and_a_file_that_cannot_run_is_none() {
        let folder = Folder::new(&["microsoft-edge", "google-chrome"]);
        assert!(folder.find(None).unwrap().ends_with("google-chrome"));
        fs::set_permissions(folder.0.path().join("google-chrome"), fs::Permissions::from_mode(0o644))
            .unwrap();
        assert!(folder.find(None).unwrap().ends_with("microsoft-edge"));
        let none = Folder::new(&[]);
        if cfg!(target_os = "linux") {
            assert!(matches!(none.find(None), Err(BrowserError::NoBrowser { .. })));
        }
    }
}
