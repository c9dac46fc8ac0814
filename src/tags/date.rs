//! Dates in the format of moment.js (<https://momentjs.com/docs/#/displaying/format/>), in English.
//!
//! Rule: the whole table of its documentation but eras and the short forms of the localized formats.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The longest token.
const LONGEST: usize = "YYYYYY".len();

/// `time` in `zone`, as the pattern says. What is no token stays, and so does text in brackets, less these.
#[must_use]
pub(super) fn format(time: Timestamp, zone: &TimeZone, pattern: &str) -> String {
    expand(&time.to_zoned_datetime(zone.clone()), pattern)
}

fn expand(time: &ZonedDateTime, pattern: &str) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let token = || {
            let lengths = (1..=LONGEST).rev();
            lengths.filter_map(|length| rest.get(..length)).find_map(|t| Some((token(time, t)?, t.len())))
        };
        if let Some((literal, after)) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            out.push_str(literal);
            rest = after;
        } else if first == 'S' {
            let after = rest.trim_start_matches('S');
            out.push_str(&fraction(time, rest.len() - after.len()));
            rest = after;
        } else if let Some((text, length)) = token() {
            out.push_str(&text);
            rest = &rest[length..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

fn token(time: &ZonedDateTime, token: &str) -> Option<String> {
    let (year, month, day) = (time.year(), time.month(), time.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let (weekday, day_of_year) = (time.weekday().to_sunday_zero_offset(), time.day_of_year());
    let month_name = MONTHS[usize::from(month.unsigned_abs()) - 1];
    let day_name = DAYS[usize::from(weekday.unsigned_abs())];
    let quarter = (month + 2) / 3;
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let twenty_four = if hour == 0 { 24 } else { hour };
    let iso = time.date().iso_week_date();
    let (local_year, local_week) = local_week(time.date());
    Some(match token {
        "YYYYYY" => format!("{year:+07}"),
        "YYYYY" => format!("{year:05}"),
        "YYYY" => format!("{year:04}"),
        "YY" => format!("{:02}", year % 100),
        "Y" => year.to_string(),
        "Qo" => ordinal(quarter),
        "Q" => quarter.to_string(),
        "MMMM" => month_name.to_owned(),
        "MMM" => month_name[..3].to_owned(),
        "MM" => format!("{month:02}"),
        "Mo" => ordinal(month),
        "M" => month.to_string(),
        "DDDD" => format!("{day_of_year:03}"),
        "DDDo" => ordinal(day_of_year),
        "DDD" => day_of_year.to_string(),
        "DD" => format!("{day:02}"),
        "Do" => ordinal(day),
        "D" => day.to_string(),
        "dddd" => day_name.to_owned(),
        "ddd" => day_name[..3].to_owned(),
        "dd" => day_name[..2].to_owned(),
        "do" => ordinal(weekday),
        "d" | "e" => weekday.to_string(),
        "E" => time.weekday().to_monday_one_offset().to_string(),
        "gggg" => format!("{local_year:04}"),
        "gg" => format!("{:02}", local_year % 100),
        "ww" => format!("{local_week:02}"),
        "wo" => ordinal(local_week),
        "w" => local_week.to_string(),
        "GGGG" => format!("{:04}", iso.year()),
        "GG" => format!("{:02}", iso.year() % 100),
        "WW" => format!("{:02}", iso.week()),
        "Wo" => ordinal(iso.week()),
        "W" => iso.week().to_string(),
        "A" => if hour < 12 { "AM" } else { "PM" }.to_owned(),
        "a" => if hour < 12 { "am" } else { "pm" }.to_owned(),
        "HH" => format!("{hour:02}"),
        "H" => hour.to_string(),
        "hh" => format!("{twelve:02}"),
        "h" => twelve.to_string(),
        "kk" => format!("{twenty_four:02}"),
        "k" => twenty_four.to_string(),
        "mm" => format!("{minute:02}"),
        "m" => minute.to_string(),
        "ss" => format!("{second:02}"),
        "s" => second.to_string(),
        "zz" | "z" => time.time_zone().to_offset_info(time.timestamp()).abbreviation().to_owned(),
        "ZZ" => offset(time, ""),
        "Z" => offset(time, ":"),
        "X" => time.timestamp().as_second().to_string(),
        "x" => time.timestamp().as_millisecond().to_string(),
        "LTS" => expand(time, "h:mm:ss A"),
        "LT" => expand(time, "h:mm A"),
        "LLLL" => expand(time, "dddd, MMMM D, YYYY h:mm A"),
        "LLL" => expand(time, "MMMM D, YYYY h:mm A"),
        "LL" => expand(time, "MMMM D, YYYY"),
        "L" => expand(time, "MM/DD/YYYY"),
        _ => return None,
    })
}

/// The fraction of the second with this many digits; moment.js knows milliseconds and no more.
fn fraction(time: &ZonedDateTime, digits: usize) -> String {
    let mut text = format!("{:03}{}", time.millisecond(), "0".repeat(digits));
    text.truncate(digits);
    text
}

/// The week of moment.js's English locale and its year: it begins on Sunday, and the first has the first of January.
fn local_week(date: Date) -> (i16, i16) {
    let saturday = 6 - date.weekday().to_sunday_zero_offset();
    let last = date.saturating_add(jiff::Span::new().days(saturday));
    (last.year(), (last.day_of_year() - 1) / 7 + 1)
}

fn offset(time: &ZonedDateTime, between: &str) -> String {
    let minutes = time.offset().seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}{between}{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

fn ordinal(number: impl Into<i16>) -> String {
    let number = number.into();
    let suffix = match (number / 10 % 10, number % 10) {
        (1, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str, zone: &str, pattern: &str) -> String {
        format(time.parse().unwrap(), &TimeZone::get(zone).unwrap(), pattern)
    }

    #[test]
    fn the_examples_of_metadata_action() {
        let at = |zone, pattern| at("2020-01-10T00:30:00Z", zone, pattern);
        assert_eq!(at("UTC", "YYYYMMDD"), "20200110");
        assert_eq!(at("Asia/Tokyo", "YYYYMMDD-HHmmss"), "20200110-093000");
        assert_eq!(at("UTC", "YYYY-MM-DDTHH:mm:ss.SSS[Z]"), "2020-01-10T00:30:00.000Z");
        assert_eq!(
            format("2020-01-10T15:25:50Z".parse().unwrap(), &TimeZone::UTC, "dddd, MMMM Do YYYY, h:mm:ss a"),
            "Friday, January 10th 2020, 3:25:50 pm"
        );
    }

    /// The expected texts are those of moment 2.31 with moment-timezone.
    #[test]
    fn every_token_means_what_it_means_to_moment() {
        let at = |pattern| at("2024-12-30T23:05:09.087Z", "America/New_York", pattern);
        let cases = [
            ("Y YY YYYY YYYYY YYYYYY", "2024 24 2024 02024 +002024"),
            ("Q Qo M Mo MM MMM MMMM", "4 4th 12 12th 12 Dec December"),
            ("D Do DD DDD DDDo DDDD", "30 30th 30 365 365th 365"),
            ("d do dd ddd dddd e E", "1 1st Mo Mon Monday 1 1"),
            ("w wo ww gg gggg W Wo WW GG GGGG", "1 1st 01 25 2025 1 1st 01 25 2025"),
            ("A a H HH h hh k kk m mm s ss", "PM pm 18 18 6 06 18 18 5 05 9 09"),
            ("S SS SSS SSSS SSSSSS", "0 08 087 0870 087000"),
            ("z zz Z ZZ X x", "EST EST -05:00 -0500 1735599909 1735599909087"),
            (
                "L | LL | LT | LTS | LLLL",
                "12/30/2024 | December 30, 2024 | 6:05 PM | 6:05:09 PM | Monday, December 30, 2024 6:05 PM",
            ),
            ("[Week of] é [open", "Week of é [op1n"),
        ];
        for (pattern, expected) in cases {
            assert_eq!(at(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn midnight_noon_and_teens() {
        assert_eq!(at("2021-03-11T00:00:00Z", "UTC", "h k A Do"), "12 24 AM 11th");
        assert_eq!(at("2021-03-22T12:00:00Z", "UTC", "h k A Do"), "12 12 PM 22nd");
        assert_eq!(at("2021-01-02T12:00:00Z", "UTC", "w W GGGG"), "1 53 2020");
        assert_eq!(at("2021-06-01T12:00:00Z", "Asia/Kolkata", "HH:mm Z"), "17:30 +05:30");
    }

    proptest::proptest! {
        #[test]
        fn any_pattern_is_expanded(pattern in "(?s).{0,40}", tokens in "[YQMDdEewWgGAaHhkmsSzZXxLoT\\[\\] ]{0,40}") {
            for pattern in [pattern, tokens] {
                let _ = format(Timestamp::UNIX_EPOCH, &TimeZone::UTC, &pattern);
            }
        }
    }
}
