//! Files made to hurt. A look at them ends, and ends well; what it says of them matters little.

use fitferry_fit::{Damage, look};
use proptest::prelude::*;

use crate::samples::{definition, framed, runs, sealed};

const FIELD_DESCRIPTION: u16 = 206;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_look_at_any_bytes_ends(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        look(&bytes);
    }

    #[test]
    fn a_look_at_any_data_in_a_whole_file_ends(data in prop::collection::vec(any::<u8>(), 0..400), old: bool) {
        look(&framed(if old { 12 } else { 14 }, &data));
    }

    #[test]
    fn a_look_at_a_good_file_with_some_bytes_changed_ends(
        which in 0..3_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut: prop::sample::Index,
        reseal: bool,
    ) {
        let mut file = runs().swap_remove(which);
        for (index, byte) in changes {
            let index = index.index(file.len());
            file[index] = byte;
        }
        look(&file[..cut.index(file.len())]);
        look(&if reseal { sealed(file) } else { file });
    }

    /// Keeps to the grammar of messages, so that all values get as far as the decoder's inside.
    #[test]
    fn well_formed_messages_are_read_to_the_end_whatever_their_values(
        messages in prop::collection::vec(hostile_messages(), 1..12),
    ) {
        let file = framed(14, &messages.concat());
        prop_assert_eq!(look(&file).damage, None);
    }
}

#[test]
fn fields_without_content_do_not_keep_it_busy() {
    // Thousands of developer fields, then messages of one byte that name 255 of them each: a decoder that
    // follows needs hours.
    let mut data = definition(0, FIELD_DESCRIPTION, &[[0, 1, 2], [1, 1, 2]], &[]);
    for index in 0..=15 {
        for number in 0..=u8::MAX {
            data.extend([0, index, number]);
        }
    }
    data.extend(definition(1, 20, &[], &[[255, 0, 255]; 255]));
    data.resize(300_000, 1);
    assert!(matches!(look(&framed(14, &data)).damage, Some(Damage::Unreadable { .. })));

    let mut data = definition(0, 20, &[[253, 0, 0x86]; 255], &[]);
    data.resize(300_000, 0);
    assert!(matches!(look(&framed(14, &data)).damage, Some(Damage::Unreadable { .. })));
}

#[test]
fn a_hundred_thousand_segments_are_walked() {
    let file = framed(12, &[]).repeat(100_000);
    assert_eq!(look(&file).damage, None);
}

/// A definition and a few messages that keep to it, of the kinds that are looked into and of any other.
fn hostile_messages() -> impl Strategy<Value = Vec<u8>> {
    let number =
        prop_oneof![Just(0_u16), Just(18), Just(20), Just(FIELD_DESCRIPTION), Just(207), any::<u16>()];
    let base_type = prop_oneof![prop::sample::select(BASE_TYPES), any::<u8>()];
    let field = || {
        let number = prop_oneof![0..10_u8, Just(253), any::<u8>()];
        let size = prop_oneof![0..9_u8, any::<u8>()];
        (number, size, base_type.clone()).prop_map(|(number, size, base_type)| [number, size, base_type])
    };
    let fields = prop::collection::vec(field(), 0..12);
    let developer_fields = prop::collection::vec(field(), 0..4);
    let filler = prop::collection::vec(any::<u8>(), 1..40);
    (0..16_u8, number, fields, developer_fields, any::<bool>(), any::<bool>(), filler, 0..4_usize).prop_map(
        |(local, number, fields, developer_fields, big_endian, compressed, filler, count)| {
            let compressed = compressed && local < 4;
            let size = fields.iter().chain(&developer_fields).map(|field| usize::from(field[1])).sum();
            let mut bytes = definition(local, number, &fields, &developer_fields);
            bytes[2] = u8::from(big_endian);
            for index in 0..count {
                bytes.push(if compressed { 0x80 | local << 5 | filler[0] & 0x1F } else { local });
                bytes.extend(filler.iter().cycle().skip(index).take(size));
            }
            bytes
        },
    )
}

const BASE_TYPES: &[u8] =
    &[0, 1, 2, 0x83, 0x84, 0x85, 0x86, 7, 0x88, 0x89, 0x0A, 0x8B, 0x8C, 0x0D, 0x8E, 0x8F, 0x90];
