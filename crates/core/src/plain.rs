//! Text from elsewhere on its way to a terminal.

/// Whether a character would do something to the reader's screen instead of standing on it: a control character,
/// or one that turns the direction of what follows (which makes a text read as what it is not).
pub fn steers(c: char) -> bool {
    const DIRECTIONS: [std::ops::RangeInclusive<char>; 4] =
        ['\u{200e}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2066}'..='\u{2069}', '\u{61c}'..='\u{61c}'];
    c.is_control() || DIRECTIONS.iter().any(|range| range.contains(&c))
}

#[cfg(test)]
mod tests {
    use super::steers;

    #[test]
    fn what_steers_is_told_from_what_is_only_foreign() {
        assert!("\u{1b}\u{7}\0\u{9b}\u{202e}\u{2066}\u{2029}\n".chars().all(steers));
        assert!(!"Läufe, 走る, ריצה, 🏃‍♀️ é".chars().any(steers));
    }
}
