//! What is wrong with a file, in words for the person whose run it is.

use std::fmt;

/// The first thing found wrong with a file. Its text is a fragment that fits after "but" or a colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// There are no bytes.
    Empty,
    /// The file does not begin with a FIT header, or ends inside its first 12 bytes.
    NoHeader,
    /// The header contradicts its own checksum, so the length in it may be wrong as well.
    HeaderChecksum,
    /// The header promises more bytes than there are. How many more is what it says, be it true or not.
    EndsEarly { missing_bytes: u64 },
    /// Some bytes are not those that the device wrote.
    Checksum,
    /// After the last whole part come bytes that are no FIT.
    Trailing { bytes: usize },
    /// From this byte of the file on, the messages of a part make no sense.
    Unreadable { offset: usize },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Damage::Empty => f.write_str("the file is empty"),
            Damage::NoHeader => f.write_str("the file does not begin with a FIT header"),
            Damage::HeaderChecksum => f.write_str("the checksum of the file's header is wrong"),
            Damage::EndsEarly { missing_bytes: 1 } => f.write_str("the file ends 1 byte early"),
            Damage::EndsEarly { missing_bytes } => {
                write!(f, "the file ends {} bytes early", grouped(missing_bytes))
            }
            Damage::Checksum => f.write_str("the file's checksum is wrong"),
            Damage::Trailing { bytes: 1 } => f.write_str("1 byte follows after the end of the file"),
            Damage::Trailing { bytes } => {
                write!(f, "{} bytes follow after the end of the file", grouped(bytes))
            }
            Damage::Unreadable { offset } => {
                write!(f, "the file cannot be decoded from byte {} on", grouped(offset))
            }
        }
    }
}

/// `1234567` as `1,234,567`.
fn grouped(number: impl fmt::Display) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let texts = [0, 7, 999, 1_000, 12_345, 999_999, 4_294_967_295_u64].map(grouped);
        assert_eq!(texts, ["0", "7", "999", "1,000", "12,345", "999,999", "4,294,967,295"]);
    }

    #[test]
    fn a_person_understands_the_damage() {
        let cases = [
            (Damage::EndsEarly { missing_bytes: 1_204 }, "the file ends 1,204 bytes early"),
            (Damage::EndsEarly { missing_bytes: 1 }, "the file ends 1 byte early"),
            (Damage::Checksum, "the file's checksum is wrong"),
            (Damage::Trailing { bytes: 3 }, "3 bytes follow after the end of the file"),
        ];
        for (damage, text) in cases {
            assert_eq!(damage.to_string(), text);
        }
    }
}
