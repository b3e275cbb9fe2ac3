//! Zips whose bytes depend on nothing but what is in them: one fixed time, one compression, the order given.

use std::io::{Cursor, Write};

use zip::result::ZipResult;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// One file of a zip.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    /// Its Unix mode, as in `0o755`.
    pub(crate) mode: u32,
    pub(crate) bytes: &'a [u8],
}

/// The zip of these files, in this order. The same files make the same bytes, so that Terraform sees a change
/// only where there is one.
pub(crate) fn archive(entries: &[Entry<'_>]) -> ZipResult<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for entry in entries {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9))
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(entry.mode);
        zip.start_file(entry.name, options)?;
        zip.write_all(entry.bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use zip::ZipArchive;

    use super::*;

    #[test]
    fn the_same_files_make_the_same_bytes() {
        let bytes = b"no file system and no clock".repeat(1000);
        let zip = || {
            archive(&[
                Entry { name: "bootstrap", mode: 0o755, bytes: &bytes },
                Entry { name: "b/c", mode: 0o644, bytes: b"" },
            ])
            .unwrap()
        };
        assert_eq!(zip(), zip());
    }

    #[test]
    fn name_mode_and_bytes_come_back_and_the_time_is_fixed() {
        let zip = archive(&[Entry { name: "bootstrap", mode: 0o755, bytes: b"run" }]).unwrap();
        let mut zip = ZipArchive::new(Cursor::new(zip)).unwrap();
        assert_eq!(zip.len(), 1);
        let mut file = zip.by_index(0).unwrap();
        assert_eq!((file.name().unwrap().as_ref(), file.unix_mode()), ("bootstrap", Some(0o100_755)));
        assert_eq!(file.last_modified(), Some(DateTime::DEFAULT));
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"run");
    }
}
