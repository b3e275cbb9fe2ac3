//! From archives of every shape to the activity in them, or to what is wrong.

use fitferry_core::activity::{FileKind, GarminId};
use fitferry_core::ports::{Download, Original};
use fitferry_garmin::unpack;
use proptest::prelude::{any, proptest};

use crate::archives::{fit, fit_of_type, zip_of};

const ID: GarminId = GarminId(20_000_000_001);
const GPX: &[u8] = b"<?xml version=\"1.0\"?><gpx><trkpt><time>2026-01-08T14:10:21Z</time></trkpt></gpx>";
const TCX: &[u8] = b"<TrainingCenterDatabase/>";
const COURSE: u8 = 6;

type Entries<'a> = &'a [(&'a str, &'a [u8])];

#[test]
fn the_activity_is_found_by_content() {
    let cases: &[(Entries, &str)] = &[
        (&[("20000000001_ACTIVITY.fit", &fit(1))], "fit 1"),
        (&[("noise", b"x"), ("20000000001.GPX", GPX)], "gpx"),
        (&[("20000000001.fit", TCX)], "tcx"),
        (&[("../../etc/passwd", &fit(1))], "fit 1"),
        (&[("/", b""), ("a/", b""), ("a/b", &fit(1))], "fit 1"),
        (&[("trailing/", &fit(1))], "fit 1"),
        (&[("__MACOSX/._1.fit", b"\0\x05\x16\x07"), ("1.fit", &fit(1))], "fit 1"),
        // Of a FIT activity and another FIT file, the activity.
        (&[("20000000001.fit", &fit_of_type(COURSE, 9)), ("x", &fit(1))], "fit 1"),
        // A FIT file that does not tell its type is not rejected.
        (&[("x", &fit_of_type(0xff, 3))], "fit 3"),
        // Of several activities, the one whose name bears the id.
        (&[("1.fit", &fit(1)), ("20000000001_ACTIVITY.fit", &fit(2))], "fit 2"),
        (&[("120000000001.fit", &fit(1)), ("x-20000000001-y.fit", &fit(2))], "fit 2"),
        (&[("1.fit", &fit(1)), ("2.fit", &fit(2))], "several_files"),
        (&[("20000000001.fit", &fit(1)), ("20000000001.gpx", GPX)], "several_files"),
        (&[("1.fit", &fit(1)), ("2.fit", &fit(1))], "fit 1"),
        // Nothing to send, told with the file that there is.
        (&[("20000000001.fit", b"")], "fit objection malformed_file"),
        (&[("20000000001.TCX", b"")], "tcx objection malformed_file"),
        (&[("a.fit", b""), ("b.txt", b"hello")], "fit objection not_an_activity"),
        (&[("20000000001.fit", b"hello")], "fit objection not_an_activity"),
        (&[("20000000001.fit", &fit_of_type(COURSE, 9))], "fit objection not_an_activity"),
        (&[("20000000001.fit", b"<html></html>")], "fit objection not_an_activity"),
        (&[], "broken"),
        (&[("a/", b"")], "broken"),
    ];
    for (entries, expected) in cases {
        let names: Vec<&str> = entries.iter().map(|(name, _)| *name).collect();
        assert_eq!(word(&unpack(ID, &zip_of(entries))), *expected, "{names:?}");
    }
}

#[test]
fn what_is_no_archive_is_a_file_or_broken() {
    let cases: &[(&[u8], &str)] = &[
        (&fit(7), "fit 7"),
        (&fit_of_type(COURSE, 7), "fit objection not_an_activity"),
        (GPX, "gpx"),
        (TCX, "tcx"),
        (b"", "broken"),
        (b"hello", "broken"),
        (b"PK", "broken"),
        (b"PK\x03\x04", "broken"),
        (b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "broken"),
    ];
    for (body, expected) in cases {
        assert_eq!(word(&unpack(ID, body)), *expected, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn what_comes_out_is_what_went_in_with_its_hash_and_what_it_says() {
    let Original { bytes, sha256, summary, damage, .. } = file(unpack(ID, &zip_of(&[("a", GPX)])));
    assert_eq!(&*bytes, GPX);
    assert_eq!(summary.start, "2026-01-08T14:10:21Z".parse().ok());
    assert_eq!(damage, None);
    let empty = file(unpack(ID, &zip_of(&[("a.fit", b"")])));
    let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(empty.sha256.to_string(), of_nothing);
    assert_ne!(sha256, empty.sha256);
    let mut short = fit(1);
    short.truncate(short.len() - 1);
    let short = file(unpack(ID, &short));
    assert!(short.damage.is_some() && short.objection.is_none(), "damage is told and rejects nothing");
}

#[test]
fn a_wrong_checksum_is_a_fault_of_transport() {
    let file = fit(1);
    let archive = stored("a.fit", &file, crc32(&file) ^ 1);
    assert_eq!(word(&unpack(ID, &archive)), "broken");
    assert_eq!(word(&unpack(ID, &stored("a.fit", &file, crc32(&file)))), "fit 1");
}

#[test]
fn an_encrypted_or_oddly_packed_entry_is_broken() {
    let file = fit(1);
    let mut archive = stored("a.fit", &file, crc32(&file));
    assert_eq!(word(&unpack(ID, &archive)), "fit 1");
    let central = archive.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    let mut encrypted = archive.clone();
    for flags in [6, central + 8] {
        encrypted[flags] |= 1;
    }
    assert_eq!(word(&unpack(ID, &encrypted)), "broken");
    for method in [8, central + 10] {
        archive[method] = 98;
    }
    assert_eq!(word(&unpack(ID, &archive)), "broken");
}

#[test]
fn two_files_of_one_name_are_not_chosen_between() {
    let mut archive = zip_of(&[("1.fit", &fit(1)), ("2.fit", &fit(2))]);
    for at in 0..archive.len() - 5 {
        if &archive[at..at + 5] == b"2.fit" {
            archive[at] = b'1';
        }
    }
    assert_eq!(word(&unpack(ID, &archive)), "several_files");
}

#[test]
fn bombs_are_too_large() {
    let mut flat = fit(1);
    flat.resize(3 * 1024 * 1024, 0);
    assert_eq!(word(&unpack(ID, &zip_of(&[("a.fit", &flat)]))), "too_large");
    // Under a megabyte no ratio is suspicious.
    flat.truncate(1024 * 1024);
    assert_eq!(word(&unpack(ID, &zip_of(&[("a.fit", &flat)]))), "fit");
    let names: Vec<String> = (0..65).map(|n| n.to_string()).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert_eq!(word(&unpack(ID, &zip_of(&many))), "too_large");
    assert_eq!(word(&unpack(ID, &zip_of(&many[1..]))), "fit objection malformed_file");
}

#[test]
fn an_archive_cut_anywhere_is_broken() {
    let archive = zip_of(&[("20000000001_ACTIVITY.fit", &fit(1)), ("b.gpx", GPX)]);
    for end in 0..archive.len() {
        assert_eq!(word(&unpack(ID, &archive[..end])), "broken", "{end}");
    }
}

/// The one archive that was recorded from Garmin (dossier garmin.md §7).
#[test]
fn the_recorded_archive_is_unpacked() {
    let Some(shared) = crate::recorded::shared() else { return };
    let Ok(archive) = std::fs::read(shared.join("fit/zip/garmin-download-11998957007.zip")) else {
        println!("no recorded archive here");
        return;
    };
    let original = file(unpack(GarminId(11_998_957_007), &archive));
    assert_eq!((original.kind, original.bytes.len()), (FileKind::Fit, 88_212));
    assert_eq!((original.objection, original.damage), (None, None));
    assert_eq!(original.summary.sessions, 1);
    assert!(original.summary.start.is_some());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in any::<Vec<u8>>(), at in any::<usize>(), byte in any::<u8>()) {
        unpack(ID, &body);
        unpack(ID, &[b"PK\x03\x04", &*body].concat());
        let mut archive = zip_of(&[("a.fit", &fit(1)), ("b", &body)]);
        let at = at % archive.len();
        archive[at] = byte;
        unpack(ID, &archive);
    }
}

/// What became of it, in a word or two.
fn word(download: &Download) -> String {
    match download {
        Download::File(original) => match &original.objection {
            Some((reason, _)) => format!("{} objection {reason}", original.kind.extension()),
            // Files made by `fit` tell their mark in their last byte before the checksum.
            None if original.kind == FileKind::Fit && original.bytes.len() < 100 => {
                format!("fit {}", original.bytes[original.bytes.len() - 3])
            }
            None => original.kind.extension().to_owned(),
        },
        Download::Broken(_) => "broken".to_owned(),
        Download::Unfit { reason, .. } => reason.to_string(),
        other => format!("{other:?}"),
    }
}

fn file(download: Download) -> Original {
    match download {
        Download::File(original) => original,
        other => panic!("{other:?}"),
    }
}

/// An archive of one entry that is not packed.
fn stored(name: &str, bytes: &[u8], crc: u32) -> Vec<u8> {
    let size = u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let name_length = u16::try_from(name.len()).unwrap().to_le_bytes();
    let fields =
        [&[0, 0, 0, 0, 0, 0, 0, 0], &crc.to_le_bytes()[..], &size, &size, &name_length, &[0, 0]].concat();
    let local = [b"PK\x03\x04\x14\0", &fields[..], name.as_bytes(), bytes].concat();
    let central = [b"PK\x01\x02\x14\0\x14\0", &fields[..], &[0; 14], name.as_bytes()].concat();
    let end = [
        &b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..],
        &u32::try_from(central.len()).unwrap().to_le_bytes(),
        &u32::try_from(local.len()).unwrap().to_le_bytes(),
        &[0, 0],
    ];
    [local, central, end.concat()].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
            },
        )
    })
}
