//! Files and archives to unpack, made here: deflated, and streamed as Garmin does, with the sizes behind
//! the data.

use std::io::Write;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

pub(crate) fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new_stream(Vec::new());
    for (name, bytes) in entries {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        archive.start_file(*name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A FIT file of a type by its number: a header, a file id, a checksum. 4 is an activity.
pub(crate) fn fit_of_type(file_type: u8, mark: u8) -> Vec<u8> {
    let data = [
        // Definition of local message 0: file id, with type (field 0) and serial number's low byte (field 3).
        0x40, 0, 0, 0, 0, 2, 0, 1, 0, 3, 1, 2, //
        0, file_type, mark,
    ];
    let mut bytes = vec![12, 0x10, 0, 0];
    bytes.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(b".FIT");
    bytes.extend_from_slice(&data);
    let crc = crc(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// An activity file; `mark` makes it differ from others.
pub(crate) fn fit(mark: u8) -> Vec<u8> {
    fit_of_type(4, mark)
}

/// FIT's checksum (CRC-16/ARC).
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8)
            .fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xa001 } else { crc >> 1 })
    })
}
