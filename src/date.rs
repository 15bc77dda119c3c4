//! When it is, as people and headers write it.

use std::fmt;

/// A moment, as a calendar in UTC has it.
struct Moment {
    year: u64,
    /// From 0, which is January.
    month: u64,
    day: u64,
    /// From 0, which is Thursday.
    weekday: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

/// No date is before 1970 or after the year 9999.
fn moment(milliseconds: f64) -> Moment {
    // Casts saturate.
    let seconds = ((milliseconds / 1000.0) as u64).min(253_402_300_799);
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March, so that a leap day is the last one; days since the 1st of March 0000.
    let days = day.saturating_add(719_468);
    let (era, rest) = (days / 146_097, days % 146_097);
    let leap = (rest / 1_460).saturating_add(rest / 146_096);
    let year_of_era = rest.saturating_add(rest / 36_524).saturating_sub(leap) / 365;
    let before = year_of_era.saturating_mul(365).saturating_add(year_of_era / 4).saturating_sub(year_of_era / 100);
    let day_of_year = rest.saturating_sub(before);
    let month = day_of_year.saturating_mul(5).saturating_add(2) / 153;
    let first = month.saturating_mul(153).saturating_add(2) / 5;
    Moment {
        year: era.saturating_mul(400).saturating_add(year_of_era).saturating_add(u64::from(month >= 10)),
        month: month.saturating_add(2) % 12,
        day: day_of_year.saturating_sub(first).saturating_add(1),
        weekday: day % 7,
        hour: second / 3_600,
        minute: second / 60 % 60,
        second: second % 60,
    }
}

/// A time, in milliseconds since the epoch, as
/// [RFC 5322, section 3.3](https://www.rfc-editor.org/rfc/rfc5322#section-3.3) writes it, in UTC.
pub(crate) fn date(milliseconds: f64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Moment { year, month, day, weekday, hour, minute, second } = moment(milliseconds);
    let name = |names: &'static [&'static str], number: u64| names.get(number as usize).copied().unwrap_or_default();
    let (weekday, month) = (name(&DAYS, weekday), name(&MONTHS, month));
    format!("{weekday}, {day} {month} {year} {hour:02}:{minute:02}:{second:02} +0000")
}

/// The same time as [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339) writes it, in UTC.
pub(crate) fn write_rfc3339(f: &mut fmt::Formatter<'_>, milliseconds: f64) -> fmt::Result {
    let Moment { year, month, day, hour, minute, second, .. } = moment(milliseconds);
    let (month, fraction) = (month.saturating_add(1), milliseconds as u64 % 1000);
    write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0_i64, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (951_868_799, "Tue, 29 Feb 2000 23:59:59 +0000"),
            (951_868_800, "Wed, 1 Mar 2000 00:00:00 +0000"),
            (1_700_000_000, "Tue, 14 Nov 2023 22:13:20 +0000"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 +0000"),
            (4_102_444_800, "Fri, 1 Jan 2100 00:00:00 +0000"),
            (4_107_542_400, "Mon, 1 Mar 2100 00:00:00 +0000"),
            (253_402_300_799_i64, "Fri, 31 Dec 9999 23:59:59 +0000"),
        ] {
            assert_eq!(date(seconds as f64 * 1000.0), text);
        }
        assert_eq!(date(f64::NAN), date(0.0));
        assert_eq!(date(f64::INFINITY), date(253_402_300_799_000.0));
    }
}
