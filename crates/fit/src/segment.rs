//! One segment of a file: a header, as much data as the header says, a checksum.
//!
//! A FIT file is one segment or several in a row ("chained" in Garmin's words). The header is 12 bytes, or
//! 14 with a checksum of its own, for which 0 means "not given". The segment's checksum covers all before
//! it, header included.
//!
//! The length in the header is a claim: it is compared with the bytes there are, and nothing is allocated
//! by it.

use crc::{CRC_16_ARC, Crc};

use crate::{Damage, is_fit};

const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_ARC);
const CRC_BYTES: usize = 2;

pub(crate) struct Segment<'a> {
    /// Header and data, as far as they are there, without the checksum.
    pub(crate) bytes: &'a [u8],
    /// How many of `bytes` are the header. More than `bytes` has, if the file ends inside the header.
    pub(crate) header_bytes: usize,
    pub(crate) damage: Option<Damage>,
    /// What comes after this segment. Always shorter than what it was split from.
    pub(crate) rest: &'a [u8],
}

impl Segment<'_> {
    /// Splits the first segment off. `None` if there is no FIT header.
    pub(crate) fn first_of(file: &[u8]) -> Option<Segment<'_>> {
        if !is_fit(file) {
            return None;
        }
        let header_bytes = usize::from(file[0]);
        let data_bytes = u32::from_le_bytes([file[4], file[5], file[6], file[7]]);
        let promised = header_bytes as u64 + u64::from(data_bytes) + CRC_BYTES as u64;
        let ends_early = promised.checked_sub(file.len() as u64).filter(|&missing_bytes| missing_bytes > 0);

        // What does not fit into `usize` is more than `file` has.
        let end = usize::try_from(promised).unwrap_or(usize::MAX);
        let (whole, rest) = file.split_at_checked(end).unwrap_or((file, &[]));
        let bytes = &whole[..whole.len().min(end - CRC_BYTES)];

        let damage = if !header_checksum_is_right(&bytes[..bytes.len().min(header_bytes)]) {
            Some(Damage::HeaderChecksum)
        } else if let Some(missing_bytes) = ends_early {
            Some(Damage::EndsEarly { missing_bytes })
        } else if CRC.checksum(bytes).to_le_bytes() != whole[bytes.len()..] {
            Some(Damage::Checksum)
        } else {
            None
        };
        Some(Segment { bytes, header_bytes, damage, rest })
    }
}

fn header_checksum_is_right(header: &[u8]) -> bool {
    match header.get(12..14) {
        Some([0, 0]) | None => true,
        Some(checksum) => checksum == CRC.checksum(&header[..12]).to_le_bytes(),
    }
}
