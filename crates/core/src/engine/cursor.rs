//! Which days a history has, and how far Garmin's list of them has been read.

use jiff::civil::Date;

/// Which days of Garmin's calendar are carried, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: Date,
    pub to: Date,
}

impl Span {
    pub(super) fn contains(&self, day: Date) -> bool {
        self.from <= day && day <= self.to
    }
}

/// How far Garmin's list has been read, by days, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    next: Date,
    to: Date,
    days: i32,
}

/// So many days are asked for first; more where little lies in them, fewer where much does.
const DAYS: i32 = 28;
const DAYS_MAX: i32 = 365;
const MANY: usize = 400;
const FEW: usize = 40;

impl Cursor {
    pub(super) fn over(span: Span) -> Cursor {
        Cursor { next: span.from, to: span.to, days: DAYS }
    }

    /// The first day and the last one to read now; `None` at the end.
    pub(super) fn window(&self) -> Option<(Date, Date)> {
        let last = after(self.next, self.days - 1).min(self.to);
        (self.next <= self.to).then_some((self.next, last))
    }

    /// All of that many activities up to a day have been taken up.
    pub(super) fn has_read(&mut self, last: Date, activities: usize) {
        self.next = after(last, 1);
        if activities < FEW {
            self.days = (self.days * 2).min(DAYS_MAX);
        } else if activities > MANY {
            self.days = (self.days / 2).max(1);
        }
    }

    /// The first day that has not been read.
    pub(super) fn next(&self) -> Date {
        self.next
    }

    /// The first day of which something was left. As much again is what the next slice wants.
    pub(super) fn stop_at(&mut self, day: Date) {
        let day = day.max(self.next);
        self.days = self.next.until(day).map_or(1, |span| span.get_days() + 1).clamp(1, DAYS_MAX);
        self.next = day;
    }
}

fn after(day: Date, days: i32) -> Date {
    day.saturating_add(jiff::Span::new().days(days))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_cursor_reads_every_day_once_and_more_of_them_where_little_lies() {
        let year = Span { from: date(2026, 1, 1), to: date(2026, 12, 31) };
        let mut cursor = Cursor::over(year);
        let mut next = date(2026, 1, 1);
        let mut windows = 0;
        while let Some((from, to)) = cursor.window() {
            assert_eq!(from, next);
            next = after(to, 1);
            cursor.has_read(to, 0);
            windows += 1;
        }
        assert_eq!((next, windows), (date(2027, 1, 1), 4), "28, 56, 112 days, and the rest");
        let mut cursor = Cursor::over(year);
        cursor.stop_at(date(2026, 1, 10));
        assert_eq!(cursor.window(), Some((date(2026, 1, 10), date(2026, 1, 19))));
        // Of one day more may lie there than a slice holds.
        cursor.stop_at(date(2026, 1, 10));
        assert_eq!(cursor.window(), Some((date(2026, 1, 10), date(2026, 1, 10))));
    }
}
