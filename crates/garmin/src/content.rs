//! What bytes are, by what is in them: names and content types are hints that nobody keeps to.

use std::borrow::Cow;

use fitferry_core::activity::FileKind;

/// How far a file is read to find out what it is.
const HEAD_BYTES: usize = 256 * 1024;

/// The kind of an activity file; `None` for everything else.
///
/// FIT has `.FIT` in bytes 8 to 11, the two others are told by their root element (dossier garmin.md §7).
pub(crate) fn kind(bytes: &[u8]) -> Option<FileKind> {
    if bytes.get(8..12) == Some(b".FIT") {
        return Some(FileKind::Fit);
    }
    match root(&head(bytes))? {
        "gpx" => Some(FileKind::Gpx),
        "TrainingCenterDatabase" => Some(FileKind::Tcx),
        _ => None,
    }
}

pub(crate) fn is_zip(bytes: &[u8]) -> bool {
    // A first entry, the end of an empty archive, or an archive that was meant to be split and was not.
    [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"].iter().any(|magic| bytes.starts_with(*magic))
}

/// A web page, of whatever content type.
pub(crate) fn is_web_page(bytes: &[u8]) -> bool {
    root(&head(bytes)).is_some_and(|name| name.eq_ignore_ascii_case("html"))
}

/// The first thing in it is a `<`, which neither JSON nor a token begins with.
pub(crate) fn begins_like_markup(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    text.trim_ascii_start().starts_with(b"<")
}

/// The beginning of a file as text, UTF-16 included.
pub(crate) fn head(bytes: &[u8]) -> Cow<'_, str> {
    let head = &bytes[..bytes.len().min(HEAD_BYTES)];
    match head {
        [0xef, 0xbb, 0xbf, text @ ..] => String::from_utf8_lossy(text),
        [0xff, 0xfe, text @ ..] => utf16(text, u16::from_le_bytes).into(),
        [0xfe, 0xff, text @ ..] => utf16(text, u16::from_be_bytes).into(),
        [b'<', 0, ..] => utf16(head, u16::from_le_bytes).into(),
        [0, b'<', ..] => utf16(head, u16::from_be_bytes).into(),
        text => String::from_utf8_lossy(text),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// The name of the root element, without its prefix.
fn root(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        rest = if let Some(instruction) = rest.strip_prefix("<?") {
            after(instruction, "?>")?
        } else if let Some(comment) = rest.strip_prefix("<!--") {
            after(comment, "-->")?
        } else if let Some(doctype) = rest.strip_prefix("<!") {
            // A document type may bring a list in brackets, with more angle brackets in it.
            match doctype.find(['[', '>'])? {
                at if doctype[at..].starts_with('[') => after(after(&doctype[at..], "]")?, ">")?,
                at => &doctype[at + 1..],
            }
        } else {
            let element = rest.strip_prefix('<')?;
            let end = element.find(|c: char| c.is_whitespace() || matches!(c, '/' | '>'))?;
            let name = &element[..end];
            return Some(name.rsplit(':').next().unwrap_or(name));
        };
    }
}

fn after<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    text.find(end).map(|at| &text[at + end.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_content() {
        let cases: &[(&[u8], Option<FileKind>)] = &[
            (b"\x0e\x10\x00\x00\x00\x00\x00\x00.FIT\x00\x00", Some(FileKind::Fit)),
            (b"\x0e\x10\x00\x00\x00\x00\x00\x00.FI", None),
            (b"<gpx/>", Some(FileKind::Gpx)),
            (b"\xef\xbb\xbf \n<?xml version='1.0'?>\n<!-- <x> --><gpx a='b'>", Some(FileKind::Gpx)),
            (b"<!DOCTYPE gpx [<!ENTITY a '>'>]><gpx>", Some(FileKind::Gpx)),
            (b"<!DOCTYPE gpx SYSTEM 'x'><g:gpx >", Some(FileKind::Gpx)),
            (b"<TrainingCenterDatabase xmlns='x'>", Some(FileKind::Tcx)),
            (b"<trainingcenterdatabase>", None),
            (b"<html><gpx>", None),
            (b"<?xml", None),
            (b"<gpx", None),
            (b"", None),
            (b"gpx", None),
            (b"\xff\xfe<\0g\0p\0x\0>\0", Some(FileKind::Gpx)),
            (b"\0<\0g\0p\0x\0>", Some(FileKind::Gpx)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(kind(bytes), *expected, "{}", String::from_utf8_lossy(bytes));
        }
        assert!(is_web_page(b"<!doctype html>\n<HTML lang=en>"));
        assert!(!is_web_page(b"<gpx>"));
    }
}
