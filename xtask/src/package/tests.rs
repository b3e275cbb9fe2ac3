//! Packaging as far as it goes without building the function, which takes minutes.

use std::io::{Cursor, Read};
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;
use zip::ZipArchive;

use super::*;

/// An order of this checkout that writes into a folder of its own, with one zip of each kind from before.
fn order(config: &str) -> (TempDir, Order) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.toml");
    fs::write(&path, config).unwrap();
    for stale in ["function-x86_64.zip", "function-arm64.zip", "layer.zip"] {
        fs::write(folder.path().join(stale), "from before").unwrap();
    }
    let order = Order {
        workspace: crate::workspace(),
        folder: folder.path().to_owned(),
        architecture: Architecture::X86_64,
        config: path,
    };
    (folder, order)
}

fn zips(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "zip")).collect()
}

#[test]
fn a_configuration_that_is_not_right_is_not_packaged_and_no_old_zip_stays() {
    let (folder, order) = order("[sync]\ntipes = [\"running\"]\n");
    clear(&order.folder).unwrap();
    let refusal = config(&order).unwrap_err();
    assert!(refusal.to_string().ends_with("rules.toml is not right, so nothing was packaged"), "{refusal}");
    let findings = refusal.findings().unwrap();
    assert!(findings.contains("tipes") && findings.contains("types"), "{findings}");
    assert_eq!(zips(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_secret_in_the_configuration_is_refused() {
    let (_folder, order) = order("[garmin]\napi_key = \"planted-secret\"\n");
    let refusal = config(&order).unwrap_err();
    assert!(!refusal.findings().unwrap().contains("planted-secret"), "{refusal}");
}

#[test]
fn a_configuration_that_is_not_there_is_refused_and_not_taken_for_the_defaults() {
    let (_folder, mut order) = order("");
    order.config = order.folder.join("missing.toml");
    assert!(matches!(config(&order), Err(Refusal::NoConfig { .. })));
}

#[test]
fn the_file_that_was_asked_for_is_what_the_layer_carries() {
    let (folder, order) = order("# ours\n[sync]\ntypes = [\"walking\"]\n");
    let bytes = config(&order).unwrap();
    let layer = Entry { name: "fitferry/config.toml", mode: 0o644, bytes: &bytes };
    let packed = write(&order.folder, "layer.zip", &layer).unwrap();
    assert_eq!(packed.path, folder.path().join("layer.zip"));
    let mut zip = ZipArchive::new(Cursor::new(fs::read(&packed.path).unwrap())).unwrap();
    let mut text = String::new();
    zip.by_name("fitferry/config.toml").unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "# ours\n[sync]\ntypes = [\"walking\"]\n");
}

#[test]
fn the_same_configuration_is_the_same_layer_whatever_its_mode_and_time() {
    let (folder, order) = order("[sync]\ntypes = [\"running\"]\n");
    let layer = |name| {
        let bytes = config(&order).unwrap();
        let entry = Entry { name: "fitferry/config.toml", mode: 0o644, bytes: &bytes };
        fs::read(write(folder.path(), name, &entry).unwrap().path).unwrap()
    };
    let first = layer("a.zip");
    let file = fs::File::options().write(true).open(&order.config).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1)).unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(first, layer("b.zip"));
}

#[test]
fn the_starter_that_comes_with_the_checkout_is_right() {
    let (_folder, mut order) = order("");
    order.config = order.workspace.join("infra/config.toml");
    assert_eq!(config(&order).unwrap(), fs::read(&order.config).unwrap());
}

#[test]
fn whatever_is_refused_leaves_no_zip_of_any_kind() {
    for architecture in [Architecture::X86_64, Architecture::Arm64] {
        let (folder, mut order) = order("");
        order.config = order.folder.join("missing.toml");
        order.architecture = architecture;
        let refusal = package(&order).err().unwrap();
        // The second where this machine cannot build for that kind.
        assert!(matches!(refusal, Refusal::NoConfig { .. } | Refusal::CannotBuild { .. }), "{refusal}");
        assert_eq!(zips(folder.path()), Vec::<PathBuf>::new());
    }
}
