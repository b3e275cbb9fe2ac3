//! Decodes the messages of a segment, one at a time, over `rustyfit`.
//!
//! The decoder is kept on a short lead, because its input may be hostile:
//! - It runs without its checksum test, which refuses whole files whose header checksum is 0 (`segment`
//!   tests instead), and without component expansion, which overflows on made-up values.
//! - It looks for the end of the data only after a data message, so it would read a checksum as a message
//!   if the data is empty or ends with a definition. The position is counted here, and the decoder is asked
//!   for a message only while there is data left.
//! - A message of one byte may name hundreds of fields without content, each of which searches a list of
//!   up to 65,536 developer fields. The work is counted as well, and has a bound.
//!
//! Not here: what the messages mean (`summary`).

use rustyfit::profile::typedef::MesgNum;
use rustyfit::proto::{Message, MessageDefinition};
use rustyfit::{Decoder, DecoderEvent, StreamingIterator};

use crate::segment::Segment;

/// How many steps the decoder may take per byte of data. Real files stay below a tenth of it.
const WORK_PER_BYTE_MAX: usize = 100;

/// A step is the comparison of two numbers. Decoding a field takes as long as this many.
const WORK_PER_FIELD: usize = 20;

/// A pair of two bytes identifies a developer field; the decoder keeps one description for each.
const DESCRIPTIONS_MAX: usize = 1 << 16;

pub(crate) struct Messages {
    decoder: Decoder,
}

impl Messages {
    pub(crate) fn new() -> Messages {
        Messages { decoder: Decoder::builder().checksum(false).expand_components(false).build() }
    }

    /// Hands each message of the segment to `take`. If one cannot be decoded it stops, and the error is
    /// the position in the segment where that message begins.
    pub(crate) fn read(
        &mut self,
        segment: &Segment<'_>,
        mut take: impl FnMut(&Message),
    ) -> Result<(), usize> {
        let end = segment.bytes.len();
        let mut position = 0;
        let mut meter = Meter::default();
        let mut stream = self.decoder.stream(segment.bytes);
        while position < end {
            match stream.next() {
                Some(Ok(DecoderEvent::FileHeader(_))) => position = segment.header_bytes,
                Some(Ok(DecoderEvent::MessageDefinition(definition))) => {
                    position += meter.definition(definition);
                }
                Some(Ok(DecoderEvent::Message(message))) => {
                    position += meter.message(message);
                    take(message);
                }
                Some(Ok(DecoderEvent::Crc(_)) | Err(_)) | None => return Err(position),
            }
            if meter.work / WORK_PER_BYTE_MAX > end {
                return Err(position);
            }
        }
        Ok(())
    }
}

/// Measures what the decoder reads and how hard it works for it.
#[derive(Default)]
struct Meter {
    shapes: [Shape; 16],
    descriptions: usize,
    work: usize,
}

/// What each message of one local number is like.
#[derive(Clone, Copy, Default)]
struct Shape {
    bytes: usize,
    fields: usize,
    developer_fields: usize,
}

impl Meter {
    /// The length of a definition message, whose shape is remembered.
    fn definition(&mut self, definition: &MessageDefinition) -> usize {
        const DEVELOPER_FLAG: u8 = 0x20;
        let fields = &definition.field_definitions;
        let developer_fields = &definition.developer_field_definitions;
        self.shapes[local_number(definition.header)] = Shape {
            bytes: 1
                + fields.iter().map(|field| usize::from(field.size)).sum::<usize>()
                + developer_fields.iter().map(|field| usize::from(field.size)).sum::<usize>(),
            fields: fields.len(),
            developer_fields: developer_fields.len(),
        };
        let developer_part =
            if definition.header & DEVELOPER_FLAG == 0 { 0 } else { 1 + 3 * developer_fields.len() };
        6 + 3 * fields.len() + developer_part
    }

    /// The length of a data message.
    fn message(&mut self, message: &Message) -> usize {
        let shape = self.shapes[local_number(message.header)];
        let mut searches = shape.developer_fields;
        if message.num == MesgNum::FIELD_DESCRIPTION {
            searches += 1;
            self.descriptions = DESCRIPTIONS_MAX.min(self.descriptions + 1);
        }
        let work = WORK_PER_FIELD * shape.fields + searches * self.descriptions;
        self.work = self.work.saturating_add(work);
        shape.bytes
    }
}

/// The number that links a data message to its definition: two bits if the header carries a compressed
/// timestamp, else four.
fn local_number(header: u8) -> usize {
    usize::from(if header & 0x80 == 0 { header & 0x0F } else { (header >> 5) & 0x03 })
}
