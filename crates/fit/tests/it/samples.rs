//! FIT files made on the spot: by `rustyfit`'s encoder, or byte by byte where an encoder would refuse.

use std::io::Cursor;

use crc::{CRC_16_ARC, Crc};
use embedded_io_adapters::std::FromStd;
use rustyfit::profile::mesgdef::{DeveloperDataId, FieldDescription, FileId, Record, Session};
use rustyfit::profile::typedef::{DateTime, File, FitBaseType, Sport, SubSport};
use rustyfit::proto::{DeveloperField, FIT, FileHeader, Message, ProtocolVersion, Value};
use rustyfit::{Encoder, EncoderBuilder, Endianness, HeaderOption};

/// 2026-03-01T08:00:00Z.
pub(crate) const START: u32 = 1_141_286_400;

pub(crate) fn file_id(file: File) -> Message {
    let mut file_id = FileId::new();
    file_id.r#type = file;
    file_id.into()
}

/// Half an hour and 5 km.
pub(crate) fn session(sport: Sport, sub_sport: SubSport) -> Session {
    let mut session = Session::new();
    session.timestamp = DateTime(START + 1_800);
    session.start_time = DateTime(START);
    session.sport = sport;
    session.sub_sport = sub_sport;
    session.total_elapsed_time = 1_800_250;
    session.total_distance = 500_012;
    session
}

/// One of each: file id, developer field, records with it, session.
pub(crate) fn run() -> Vec<Message> {
    let mut developer = DeveloperDataId::new();
    developer.developer_data_index = 0;
    developer.application_id = Box::new([7; 16]);
    let mut description = FieldDescription::new();
    description.developer_data_index = 0;
    description.field_definition_number = 3;
    description.fit_base_type_id = FitBaseType::UINT16;
    description.field_name = Box::new(["power".into()]);

    let mut messages = vec![file_id(File::ACTIVITY), developer.into(), description.into()];
    for second in 0..5 {
        let mut record = Record::new();
        record.timestamp = DateTime(START + second);
        record.distance = 300 * second;
        record.developer_fields =
            vec![DeveloperField { num: 3, developer_data_index: 0, value: Value::Uint16(210) }];
        messages.push(record.into());
    }
    messages.push(session(Sport::RUNNING, SubSport::TRAIL).into());
    messages
}

/// The run in each of the ways that FIT can write it.
pub(crate) fn runs() -> Vec<Vec<u8>> {
    let encoders = [
        EncoderBuilder::new(),
        EncoderBuilder::new().endianness(Endianness::BigEndian),
        EncoderBuilder::new().header_option(HeaderOption::Compressed(3)),
    ];
    encoders.iter().map(|builder| encode_with(&mut builder.build(), run())).collect()
}

pub(crate) fn encode(messages: Vec<Message>) -> Vec<u8> {
    encode_with(&mut Encoder::new(), messages)
}

fn encode_with(encoder: &mut Encoder, messages: Vec<Message>) -> Vec<u8> {
    let file_header = FileHeader { protocol_version: ProtocolVersion::V2, ..FileHeader::default() };
    let mut fit = FIT { file_header, messages, crc: 0 };
    let mut file = Cursor::new(Vec::new());
    encoder.encode(FromStd::new(&mut file), &mut fit).unwrap();
    file.into_inner()
}

/// A whole segment around these data.
pub(crate) fn framed(header_bytes: u8, data: &[u8]) -> Vec<u8> {
    let data_bytes = u32::try_from(data.len()).unwrap();
    let mut segment = vec![header_bytes, 0x20, 0, 0];
    segment.extend(data_bytes.to_le_bytes());
    segment.extend(b".FIT");
    if header_bytes == 14 {
        segment.extend(checksum(&segment));
    }
    segment.extend(data);
    segment.extend(checksum(&segment));
    segment
}

/// Puts the right checksum at the end of a segment that was tampered with.
pub(crate) fn sealed(mut segment: Vec<u8>) -> Vec<u8> {
    let end = segment.len() - 2;
    let checksum = checksum(&segment[..end]);
    segment[end..].copy_from_slice(&checksum);
    segment
}

/// A definition message, least significant byte first. Fields are number, size and base type.
pub(crate) fn definition(
    local: u8,
    message: u16,
    fields: &[[u8; 3]],
    developer_fields: &[[u8; 3]],
) -> Vec<u8> {
    let count = |fields: &[[u8; 3]]| u8::try_from(fields.len()).unwrap();
    let mut bytes = vec![0x40 | local, 0, 0];
    bytes.extend(message.to_le_bytes());
    bytes.push(count(fields));
    bytes.extend(fields.as_flattened());
    if !developer_fields.is_empty() {
        bytes[0] |= 0x20;
        bytes.push(count(developer_fields));
        bytes.extend(developer_fields.as_flattened());
    }
    bytes
}

fn checksum(bytes: &[u8]) -> [u8; 2] {
    Crc::<u16>::new(&CRC_16_ARC).checksum(bytes).to_le_bytes()
}
