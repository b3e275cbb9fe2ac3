//! `multipart/form-data`, as far as an upload needs it: named parts, some with a file name.
//!
//! The whole body is in memory by then. Parts without a name and bodies without the closing boundary are
//! refused: a cut upload is not half an upload.

/// One part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) filename: Option<String>,
    pub(crate) content: Vec<u8>,
}

impl Part {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).trim().to_owned()
    }
}

/// The parts; `None` where the content type or the body is not such a form.
pub(crate) fn parse(content_type: &str, body: &[u8]) -> Option<Vec<Part>> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters
        .split(';')
        .filter_map(|parameter| parameter.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("boundary"))
        .map(|(_, value)| value.trim_matches('"'))?;
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    // The first boundary may stand at the very beginning, without a line break before it.
    let mut rest = match body.strip_prefix(&delimiter[2..]) {
        Some(rest) => rest,
        None => &body[find(body, &delimiter)? + delimiter.len()..],
    };
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        rest = rest.strip_prefix(b"\r\n")?;
        let end = find(rest, &delimiter)?;
        parts.push(part(&rest[..end])?);
        rest = &rest[end + delimiter.len()..];
    }
}

fn part(bytes: &[u8]) -> Option<Part> {
    let split = find(bytes, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..split]).into_owned();
    let disposition = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-disposition"))
        .map(|(_, value)| value)?;
    Some(Part {
        name: parameter(disposition, "name")?,
        filename: parameter(disposition, "filename"),
        content: bytes[split + 4..].to_vec(),
    })
}

fn parameter(disposition: &str, wanted: &str) -> Option<String> {
    disposition
        .split(';')
        .filter_map(|parameter| parameter.trim().split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))
        .map(|(_, value)| value.trim().trim_matches('"').replace("%22", "\""))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_with_a_file_is_read_byte_for_byte() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"data_type\"\r\n\r\nfit\r\n--x\r\n\
            Content-Disposition: form-data; name=\"file\"; filename=\"garmin-1.fit\"\r\nContent-Type: a/b\r\n\r\n\
            \r\n\x00--y\r\n\r\n--x--\r\n";
        let parts = parse("multipart/form-data; boundary=x", body).unwrap();
        assert_eq!(parts[0].text(), "fit");
        assert_eq!(parts[1].filename.as_deref(), Some("garmin-1.fit"));
        assert_eq!(parts[1].content, b"\r\n\x00--y\r\n");
    }

    #[test]
    fn a_body_without_its_last_boundary_is_no_form() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"data_type\"\r\n\r\nfit\r\n";
        assert_eq!(parse("multipart/form-data; boundary=x", body), None);
        assert_eq!(parse("application/json", b"{}"), None);
    }
}
