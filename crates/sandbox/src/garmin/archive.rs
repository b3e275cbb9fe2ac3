//! A ZIP as a server writes it that does not know the sizes beforehand: the entry first, its CRC and sizes behind
//! it in a data descriptor (dossier garmin.md §7; flags 0x0808 in the recorded download).
//!
//! Written by hand because the world also needs archives that are wrong.

use std::io::Write;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// One file in an archive.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    pub content: Vec<u8>,
}

/// Sizes follow the data; the name is UTF-8.
const FLAGS: u16 = 0x0808;
const DEFLATED: u16 = 8;
const VERSION: u16 = 20;
/// 2026-01-01 00:00 in MS-DOS form: the world has no clock, and nobody reads it.
const DOS_TIME: u16 = 0;
const DOS_DATE: u16 = (46 << 9) | (1 << 5) | 1;

/// The archive of these entries. `crc_mask` is XORed into every checksum; 0 leaves them right.
pub fn archive(entries: &[Entry], crc_mask: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let offset = size(out.len());
        let name = entry.name.as_bytes();
        let mut crc = Crc::new();
        crc.update(&entry.content);
        let deflated = deflate(&entry.content);
        let sums = [crc.sum() ^ crc_mask, size(deflated.len()), size(entry.content.len())];

        out.extend(*b"PK\x03\x04");
        put16(&mut out, &[VERSION, FLAGS, DEFLATED, DOS_TIME, DOS_DATE]);
        put32(&mut out, &[0, 0, 0]);
        put16(&mut out, &[short(name.len()), 0]);
        out.extend(name);
        out.extend(&deflated);
        out.extend(*b"PK\x07\x08");
        put32(&mut out, &sums);

        directory.extend(*b"PK\x01\x02");
        put16(&mut directory, &[VERSION, VERSION, FLAGS, DEFLATED, DOS_TIME, DOS_DATE]);
        put32(&mut directory, &sums);
        put16(&mut directory, &[short(name.len()), 0, 0, 0, 0]);
        put32(&mut directory, &[0, offset]);
        directory.extend(name);
    }
    let offset = size(out.len());
    let count = short(entries.len());
    out.extend(&directory);
    out.extend(*b"PK\x05\x06");
    put16(&mut out, &[0, 0, count, count]);
    put32(&mut out, &[size(directory.len()), offset]);
    put16(&mut out, &[0]);
    out
}

fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).expect("a Vec takes every byte");
    encoder.finish().expect("a Vec takes every byte")
}

fn put16(out: &mut Vec<u8>, numbers: &[u16]) {
    numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
}

fn put32(out: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
}

fn size(length: usize) -> u32 {
    u32::try_from(length).expect("the world's files are small")
}

fn short(length: usize) -> u16 {
    u16::try_from(length).expect("names and entry counts are short")
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::*;

    #[test]
    fn an_archive_is_read_by_others_and_its_sizes_follow_the_data() {
        let content = b"x".repeat(5000);
        let bytes = archive(&[Entry { name: "1_ACTIVITY.fit".into(), content: content.clone() }], 0);
        assert_eq!(bytes[6..8], [0x08, 0x08], "flags: data descriptor, UTF-8");
        assert_eq!(bytes[14..26], [0; 12], "the local header knows neither CRC nor sizes");
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut read = Vec::new();
        zip.by_name("1_ACTIVITY.fit").unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, content);
    }

    #[test]
    fn a_masked_checksum_is_noticed_by_whoever_checks() {
        let bytes = archive(&[Entry { name: "1.fit".into(), content: b"run".to_vec() }], 1);
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        assert!(zip.by_index(0).unwrap().read_to_end(&mut Vec::new()).is_err());
    }

    #[test]
    fn an_archive_may_be_empty() {
        assert_eq!(zip::ZipArchive::new(Cursor::new(archive(&[], 0))).unwrap().len(), 0);
    }
}
