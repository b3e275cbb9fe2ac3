//! The walk over segments: what is whole, and what is wrong first.

use fitferry_fit::{Damage, is_fit, look};

use crate::samples::{definition, encode, framed, run, runs, sealed};

const MISSING_DEFINITION: &[u8] = &[0x05];

#[test]
fn a_whole_file_has_no_damage() {
    let chained = [encode(run()), framed(12, &[])].concat();
    let without_header_checksum = {
        let mut file = encode(run());
        file[12..14].fill(0);
        sealed(file)
    };
    let old_header = framed(12, &encode(run())[14..encode(run()).len() - 2]);
    let cases = [
        ("encoded", encode(run())),
        ("chained", chained),
        ("header checksum 0", without_header_checksum),
        ("header of 12 bytes", old_header),
        ("no data", framed(14, &[])),
        ("ends with a definition", framed(14, &definition(0, 20, &[[253, 4, 0x86]], &[]))),
    ];
    for (name, file) in cases {
        assert_eq!(look(&file).damage, None, "{name}");
        assert!(is_fit(&file), "{name}");
    }
}

#[test]
fn the_first_thing_wrong_is_said() {
    let file = encode(run());
    let length = file.len();
    let changed = |offset: usize, byte: u8| {
        let mut file = file.clone();
        file[offset] = byte;
        file
    };
    let claiming = |data_bytes: u32| {
        let mut file = framed(12, &[]);
        file[4..8].copy_from_slice(&data_bytes.to_le_bytes());
        file
    };
    let overrun = [definition(0, 20, &[[253, 4, 0x86]], &[]), vec![0, 1, 2]].concat();
    let cases = [
        ("nothing", vec![], Damage::Empty),
        ("a ZIP", b"PK\x03\x04 and so on and on".to_vec(), Damage::NoHeader),
        ("header of 13 bytes", changed(0, 13), Damage::NoHeader),
        ("cut inside the magic", file[..11].to_vec(), Damage::NoHeader),
        (
            "cut inside the header",
            file[..13].to_vec(),
            Damage::EndsEarly { missing_bytes: length as u64 - 13 },
        ),
        ("cut inside the checksum", file[..length - 1].to_vec(), Damage::EndsEarly { missing_bytes: 1 }),
        ("length in the header", changed(5, 9), Damage::HeaderChecksum),
        ("header checksum", changed(12, file[12] ^ 1), Damage::HeaderChecksum),
        ("data", changed(40, file[40] ^ 1), Damage::Checksum),
        ("checksum", changed(length - 1, file[length - 1] ^ 1), Damage::Checksum),
        ("claims one byte", claiming(1), Damage::EndsEarly { missing_bytes: 1 }),
        ("claims 4 GB", claiming(u32::MAX), Damage::EndsEarly { missing_bytes: u64::from(u32::MAX) }),
        ("garbage after it", [file.clone(), vec![0; 3]].concat(), Damage::Trailing { bytes: 3 }),
        (
            "second segment cut",
            [&file[..], &file[..20]].concat(),
            Damage::EndsEarly { missing_bytes: length as u64 - 20 },
        ),
        (
            "message without a definition",
            [framed(12, &[]), framed(14, MISSING_DEFINITION)].concat(),
            Damage::Unreadable { offset: 14 + 14 },
        ),
        ("message longer than the data", framed(14, &overrun), Damage::Unreadable { offset: 14 + 9 }),
    ];
    for (name, file, damage) in cases {
        assert_eq!(look(&file).damage, Some(damage), "{name}");
    }
}

#[test]
fn a_file_cut_anywhere_is_damaged() {
    for file in runs() {
        for length in 0..file.len() {
            assert!(look(&file[..length]).damage.is_some(), "cut to {length} bytes");
        }
    }
}

#[test]
fn a_single_wrong_bit_is_noticed_anywhere() {
    let file = encode(run());
    for bit in 0..file.len() * 8 {
        let mut file = file.clone();
        file[bit / 8] ^= 1 << (bit % 8);
        assert!(look(&file).damage.is_some(), "bit {bit}");
    }
}
