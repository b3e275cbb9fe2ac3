//! A FIT file, as `fitferry-fit` looks into it.

use fitferry_fit::{Damage, look};
use jiff::Timestamp;

use super::archive::a_fit;
use crate::{Target, told};

pub(crate) const TARGET: Target = Target {
    name: "fit",
    run,
    seeds,
    words: &[".FIT", "\u{e}\u{10}", "\u{0}\u{0}\u{0}\u{10}", "\u{fd}\u{4}\u{86}"],
};

/// Seconds of 32 bits since the end of 1989, above those that count from the device's start.
const FIRST: &str = "1998-07-03T21:24:16Z";
const LAST: &str = "2126-02-07T00:00:00Z";

fn run(data: &[u8]) {
    let look = look(data);
    assert_eq!(look.damage == Some(Damage::Empty), data.is_empty());
    look.damage.iter().for_each(|damage| told::plain(&damage.to_string(), 200));
    let of = |text: &str| text.parse::<Timestamp>().expect("a time in RFC 3339");
    if let Some(start) = look.start {
        assert!((of(FIRST)..of(LAST)).contains(&start), "{start}");
    }
    assert!(look.has_time || look.start.is_none());
    for number in
        [look.elapsed_s, look.distance_m, look.total_elapsed_s, look.total_distance_m].into_iter().flatten()
    {
        assert!(number.is_finite() && number >= 0.0, "{number}");
    }
    for text in [&look.sport, &look.sub_sport].into_iter().flatten() {
        told::plain(text, 40);
    }
    look.file_type.iter().for_each(|of| told::plain(&of.to_string(), 40));
    let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
    assert!(look.sessions <= bytes, "more sessions than bytes");
}

fn seeds() -> Vec<Vec<u8>> {
    let whole = a_fit(1_500.0);
    let twice = [whole.clone(), whole.clone()].concat();
    vec![
        whole[..whole.len() / 2].to_vec(),
        twice,
        a_fit(12_000.0),
        b"\x0c\x10\0\0\xff\xff\xff\xff.FIT".to_vec(),
        whole,
    ]
}
