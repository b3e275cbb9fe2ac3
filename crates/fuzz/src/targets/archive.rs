//! A download's bytes: an archive or a file, or neither.
//!
//! Mutated bytes seldom keep an archive's checksums, so an input that begins with `R` is a recipe: archives are
//! made of it that are whole, with entries of any name and content.

use std::io::Write as _;

use fitferry_core::ports::{Download, Original};
use fitferry_garmin::unpack;
use fitferry_sandbox::generate::{self, GenerateSpec};
use sha2::Digest as _;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{ID, check_summary};
use crate::{Target, told};

pub(crate) const TARGET: Target = Target {
    name: "zip",
    run,
    seeds,
    words: &[
        "PK\u{3}\u{4}",
        "PK\u{1}\u{2}",
        "PK\u{5}\u{6}",
        "PK\u{7}\u{8}",
        "PK\u{6}\u{6}",
        "PK\u{6}\u{7}",
        ".FIT",
        "20000000001",
        "../",
        "<gpx>",
        "<trkpt><time>",
        "<html>",
        ".fit",
    ],
};

/// What the product lets a file have, and an archive's entry grow to.
const FILE_BYTES_MAX: usize = 64 << 20;
const GROWS_FREELY_TO: usize = 1 << 20;
const GROWS_AT_MOST: usize = 200;
/// An entry with these flags and a long name grows by two megabytes.
const BOMB: u8 = 0xf3;
/// What is read at once, and so noticed late.
const CHUNK_BYTES: usize = 64 << 10;

fn run(data: &[u8]) {
    match data.strip_prefix(b"R") {
        Some(recipe) => {
            let Some((archive, entries)) = built(recipe) else { return };
            let found = looked_into(&archive);
            if let [only] = entries.as_slice()
                && fitferry_fit::is_fit(only)
                && (only.len() <= GROWS_FREELY_TO || only.len() <= archive.len())
            {
                let Download::File(original) = found else { panic!("a whole FIT was not found: {found:?}") };
                assert!(*original.bytes == **only, "what comes out is not what went in");
            }
        }
        None => {
            looked_into(data);
        }
    }
}

fn looked_into(body: &[u8]) -> Download {
    let found = unpack(ID, body);
    match &found {
        Download::File(original) => check(original, body),
        Download::Broken(why) => told::plain(why, 400),
        Download::Unfit { detail, .. } => told::plain(detail, 400),
        Download::NoFile | Download::Unavailable(_) => panic!("bytes do not say that: {found:?}"),
    }
    found
}

fn check(original: &Original, body: &[u8]) {
    let length = original.bytes.len();
    assert!(length <= FILE_BYTES_MAX, "{length}");
    let grown = length <= GROWS_FREELY_TO + CHUNK_BYTES || length <= body.len() * GROWS_AT_MOST + CHUNK_BYTES;
    assert!(grown, "{length} bytes out of {}", body.len());
    assert_eq!(original.sha256.0, <[u8; 32]>::from(sha2::Sha256::digest(&original.bytes)));
    if !body.starts_with(b"PK") {
        assert!(*original.bytes == *body, "a file that was no archive has changed");
    }
    check_summary(&original.summary);
    original.damage.iter().for_each(|damage| told::plain(damage, 200));
    original.objection.iter().for_each(|(_, why)| told::plain(why, 200));
}

/// An archive of entries as the recipe says, and what is in them; `None` where there can be no such archive.
fn built(mut recipe: &[u8]) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut archive = ZipWriter::new_stream(Vec::new());
    let mut contents = Vec::new();
    while let [flags, name, length, rest @ ..] = recipe {
        let name_bytes = usize::from(name % 32).min(rest.len());
        let (name, rest) = rest.split_at(name_bytes);
        let (content, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        let mut bytes = if flags & 1 == 1 {
            [b"\x0e\x10\0\0\0\0\0\0.FIT\0\0", content].concat()
        } else {
            content.to_vec()
        };
        if flags & 2 == 2 {
            // Little that unpacks to much; seldom to very much, which takes its time.
            let bomb = *flags == BOMB && name.len() == 31;
            let more = if bomb { 2 * GROWS_FREELY_TO } else { usize::from(flags >> 4) << 8 };
            bytes.resize(bytes.len() + more, 0);
        }
        let method = if flags & 4 == 4 { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let options = SimpleFileOptions::default().compression_method(method);
        archive.start_file(String::from_utf8_lossy(name), options).ok()?;
        archive.write_all(&bytes).ok()?;
        contents.push(bytes);
        recipe = rest;
    }
    Some((archive.finish().ok()?.into_inner(), contents))
}

pub(super) fn a_fit(distance_m: f64) -> Vec<u8> {
    let start = "2026-11-20T06:00:00Z".parse().expect("a time in RFC 3339");
    generate::sketch(&GenerateSpec::run(start, distance_m, 7))
}

fn seeds() -> Vec<Vec<u8>> {
    let fit = a_fit(1_500.0);
    let entry = |flags: u8, name: &str, content: &[u8]| {
        let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
        let name_bytes = u8::try_from(name.len()).unwrap_or(31);
        [&[flags, name_bytes, length], name.as_bytes(), &content[..usize::from(length)]].concat()
    };
    let recipe = |entries: &[Vec<u8>]| [b"R".as_slice(), &entries.concat()].concat();
    let recipes = [
        recipe(&[entry(1, "20000000001_ACTIVITY.fit", b"")]),
        recipe(&[entry(1, "../../etc/passwd", b"x"), entry(0, "b/", b"")]),
        recipe(&[entry(BOMB, "20000000001_ACTIVITY-of-me.fit_", b"x")]),
        recipe(&[entry(0, "20000000001.gpx", b"<gpx><trkpt><time>2026-01-08T14:10:21Z</time>")]),
        recipe(&[
            entry(4, "1.tcx", b"<TrainingCenterDatabase><Id>2026-01-08T14:10:21Z</Id>"),
            entry(1, "2.fit", b""),
        ]),
    ];
    let mut seeds: Vec<Vec<u8>> =
        recipes.iter().filter_map(|recipe| built(&recipe[1..])).map(|(zip, _)| zip).collect();
    seeds.extend(recipes);
    seeds.extend([
        fit,
        b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
        b"<html></html>".to_vec(),
    ]);
    seeds
}
