//! Disks that are full or read-only: an error that says what to do, and nothing lost or doubled once there is room.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use fitferry_sandbox::Options;

use crate::home::{Home, Ran, add_run};
use crate::stage::{each, everything_is_there_once, like, long, merciless, settled, under, well_behaved};

/// The store fails at some write of the tick, at each in turn: a file may not grow beyond so many blocks of 512
/// bytes. This needs no right of any kind.
#[test]
fn a_store_that_may_not_grow_stops_the_tick_and_loses_nothing() {
    let template = template();
    let failed = AtomicUsize::new(0);
    let largest = blocks(&template.store()) + 700;
    let limits: Vec<u64> = (0..=largest).step_by(if long() { 4 } else { 24 }).collect();
    let cases = limits.len();
    each(limits, 6, |limit| {
        let home = like(&template, Options::default());
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"");
        let ran = under(&home, &["sh", "-c", &script], &["sync", "--json"]);
        failed.fetch_add(usize::from(stopped_by_the_store(&ran)), Ordering::Relaxed);
        assert_eq!(settled(&home), 0);
        everything_is_there_once(&home, &format!("at most {limit} blocks"));
    });
    let failed = failed.into_inner();
    println!(
        "a store that may not grow: {cases} limits, {failed} ticks stopped; nothing lost, nothing doubled"
    );
    assert!(failed >= 5, "only {failed} of {cases} ticks met the limit");
}

/// The same on a real file system with so much room, and on one that may only be read, where this machine lets a
/// process have file systems of its own.
#[test]
fn a_full_or_read_only_disk_stops_the_tick_and_loses_nothing() {
    let template = template();
    if !may_mount() {
        // The limit above stands for a full disk; a folder in which nobody can write stands for the other.
        let home = like(&template, Options::default());
        let ran = home.run(&["--store", "sqlite:/proc/fitferry.db", "sync", "--json"]);
        assert!(stopped_by_the_store(&ran), "{ran:?}");
        println!("file systems of one's own are not allowed here: limits and /proc stood for them");
        return;
    }
    let failed = AtomicUsize::new(0);
    let rooms: Vec<u64> =
        if long() { (0..=60).map(|n| n * 8).collect() } else { (0..=12).map(|n| n * 24).collect() };
    let cases = rooms.len();
    each(rooms, 6, |room| {
        let home = like(&template, Options::default());
        // The store is carried to a small disk, used there until it is full, and carried back as it is.
        let script = format!(
            "set -e; at=\"$FITFERRY_HOME\"; disk=$(mktemp -d); mount -t tmpfs -o size=4m fitferry \"$disk\"; \
             cp -a \"$at\"/. \"$disk\"; left=$(df -k --output=avail \"$disk\" | tail -n 1); \
             dd if=/dev/zero of=\"$disk/filler\" bs=1024 count=$((left - {room})) 2>/dev/null || true; \
             code=0; FITFERRY_HOME=\"$disk\" \"$0\" \"$@\" || code=$?; \
             rm \"$disk/filler\"; cp -a \"$disk\"/. \"$at\"; umount \"$disk\"; rmdir \"$disk\"; exit $code"
        );
        let ran = under(
            &home,
            &["unshare", "--map-root-user", "--mount", "sh", "-c", &script],
            &["sync", "--json"],
        );
        failed.fetch_add(usize::from(stopped_by_the_store(&ran)), Ordering::Relaxed);
        assert_eq!(settled(&home), 0);
        everything_is_there_once(&home, &format!("{room} KiB of room"));
    });
    let failed = failed.into_inner();
    println!("a full disk: {cases} sizes, {failed} ticks stopped; nothing lost, nothing doubled");
    assert!(failed >= 3, "only {failed} of {cases} ticks met the end of the disk");

    let home = like(&template, Options::default());
    let script = "set -e; mount --bind \"$FITFERRY_HOME\" \"$FITFERRY_HOME\"; \
                  mount -o remount,ro,bind \"$FITFERRY_HOME\"; exec \"$0\" \"$@\"";
    let read_only = ["unshare", "--map-root-user", "--mount", "sh", "-c", script];
    let ran = under(&home, &read_only, &["sync", "--json"]);
    assert!(stopped_by_the_store(&ran), "{ran:?}");
    assert_eq!(home.world().uploads_received(), 0, "an upload whose intent could not be kept");
    let ran = under(&home, &read_only, &["status", "--json"]);
    assert_eq!(ran.exit, Some(0), "reading needs no room: {ran:?}");
    assert_eq!(settled(&home), 0);
    everything_is_there_once(&home, "read-only");
}

fn template() -> Home {
    let mut world = merciless();
    for (name, days_ago) in [("One", 3.0), ("Two", 2.0), ("Three", 1.0)] {
        add_run(&mut world, name, days_ago);
    }
    Home::signed_in(world, Options::default())
}

/// Whether the tick ended with the store's error, which then says what to do about it.
fn stopped_by_the_store(ran: &Ran) -> bool {
    let document = well_behaved(ran, &[0, 1, 2, 4]);
    if ran.exit != Some(2) {
        return false;
    }
    assert_eq!(document["error"]["kind"], "store", "{ran:?}");
    let told = format!("{} {}", document["error"]["message"], document["error"]["help"]);
    assert!(["room", "full", "writ", "disk"].iter().any(|word| told.contains(word)), "{told}");
    true
}

fn blocks(file: &Path) -> u64 {
    std::fs::metadata(file).expect("the store is there").len().div_ceil(512)
}

fn may_mount() -> bool {
    let script =
        "d=$(mktemp -d) && mount -t tmpfs -o size=64k fitferry \"$d\" && umount \"$d\" && rmdir \"$d\"";
    let tried = Command::new("unshare").args(["--map-root-user", "--mount", "sh", "-c", script]).output();
    tried.is_ok_and(|tried| tried.status.success())
}
