//! Functions for dates, without those that depend on the current time.

use super::super::meter::{Fault, Meter};
use super::super::value::Value;
use super::{Arguments, text};

const DAY: i64 = 86_400;
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

pub(super) fn call(arguments: &Arguments<'_>, meter: &Meter) -> Result<Option<Value>, Fault> {
    match arguments.function {
        "datetimefromepoch" => {
            arguments.take(1, 1)?;
            let time = in_range(arguments.int(0)?)?;
            text(styled(time, "yyyy-MM-ddTHH:mm:ssZ"), meter).map(Some)
        }
        "datetimetoepoch" => {
            arguments.take(1, 1)?;
            time_of(arguments, 0).map(|time| Some(Value::Int(time)))
        }
        "datetimeadd" => {
            arguments.take(2, 3)?;
            let time = time_of(arguments, 0)?;
            let source = arguments.text(1)?;
            let wrong = || Fault::wrong(format!("'{source}' is no duration, such as PT1H or -P9D"));
            let (months, seconds) = duration(source).ok_or_else(wrong)?;
            let time = plus_months(time, months).and_then(|time| time.checked_add(seconds)).ok_or_else(wrong)?;
            let style = if arguments.values.len() == 3 { arguments.text(2)? } else { "G" };
            meter.spend(style.len() as u64)?;
            text(styled(in_range(time)?, style), meter).map(Some)
        }
        _ => Ok(None),
    }
}

/// A time of the years 1 to 9999, as .NET has them.
fn in_range(time: i64) -> Result<i64, Fault> {
    let is_in = (days_of(1, 1, 1) * DAY..days_of(10_000, 1, 1) * DAY).contains(&time);
    if is_in { Ok(time) } else { Err(Fault::wrong("the time is not of the years 1 to 9999")) }
}

/// Days from 1970-01-01 to a date in the Gregorian calendar.
const fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month > 2 { year } else { year - 1 };
    let era = shifted.div_euclid(400);
    let of_era = shifted - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a day number.
const fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days - era * 146_097;
    let years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = years + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

fn plus_months(time: i64, months: i64) -> Option<i64> {
    let (days, rest) = (time.div_euclid(DAY), time.rem_euclid(DAY));
    let (year, month, day) = date_of(days);
    let months = (year * 12 + month - 1).checked_add(months).filter(|months| (12..120_000).contains(months))?;
    let (year, month) = (months / 12, months % 12 + 1);
    let last = days_of(year + month / 12, month % 12 + 1, 1) - days_of(year, month, 1);
    Some((days_of(year, month, 1) + day.min(last) - 1) * DAY + rest)
}

/// Parses ISO 8601, in basic or extended format, with an offset or not: `2020-04-07 14:53:14Z`, `20200407T145314Z`.
fn time_of(arguments: &Arguments<'_>, at: usize) -> Result<i64, Fault> {
    let source = arguments.text(at)?;
    let parsed = || {
        let source = source.trim();
        let (date, time) = source.split_once(['T', ' ']).unwrap_or((source, ""));
        let date: String = date.chars().filter(|c| *c != '-').collect();
        let number = |text: &str, from: usize, to: usize| match text.get(from..to) {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse::<i64>().ok(),
            _ => None,
        };
        let (year, month, day) = (number(&date, 0, 4)?, number(&date, 4, 6)?, number(&date, 6, 8)?);
        if date.len() != 8 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let time = time.strip_suffix('Z').unwrap_or(time);
        let (time, offset) = match time.rfind(['+', '-']) {
            Some(at) => (&time[..at], &time[at..]),
            None => (time, ""),
        };
        let digits: String = time.split('.').next()?.chars().filter(|c| *c != ':').collect();
        let part = |at: usize| if digits.len() > at { number(&digits, at, at + 2) } else { Some(0) };
        let (hour, minute, second) = (part(0)?, part(2)?, part(4)?);
        let offset = match offset.split_at_checked(1) {
            Some((sign, rest)) => {
                let rest: String = rest.chars().filter(|c| *c != ':').collect();
                let minutes = number(&rest, 0, 2)? * 60 + number(&rest, 2, 4).unwrap_or(0);
                if sign == "-" { -minutes } else { minutes }
            }
            None => 0,
        };
        let is_time = hour < 24 && minute < 60 && second < 60;
        is_time.then(|| days_of(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset * 60)
    };
    in_range(parsed().ok_or_else(|| Fault::wrong(format!("'{source}' is no time in ISO 8601")))?)
}

/// Months and seconds of an ISO 8601 duration: `P1Y2M3DT4H5M6S`, `-P9D`.
fn duration(source: &str) -> Option<(i64, i64)> {
    let (sign, rest) = source.strip_prefix('-').map_or((1, source), |rest| (-1, rest));
    let (mut months, mut seconds) = (0_i64, 0_i64);
    let mut is_time = false;
    let mut number = String::new();
    for letter in rest.strip_prefix('P')?.chars() {
        match letter {
            '0'..='9' => number.push(letter),
            'T' if number.is_empty() => is_time = true,
            _ => {
                let count: i64 = number.parse().ok()?;
                number.clear();
                let add = |sum: i64, unit: i64| count.checked_mul(unit).and_then(|part| sum.checked_add(part));
                match (letter, is_time) {
                    ('Y', false) => months = add(months, 12)?,
                    ('M', false) => months = add(months, 1)?,
                    ('W', false) => seconds = add(seconds, 7 * DAY)?,
                    ('D', false) => seconds = add(seconds, DAY)?,
                    ('H', true) => seconds = add(seconds, 3600)?,
                    ('M', true) => seconds = add(seconds, 60)?,
                    ('S', true) => seconds = add(seconds, 1)?,
                    _ => return None,
                }
            }
        }
    }
    number.is_empty().then_some((sign * months, sign * seconds))
}

/// Formats a time with a .NET format: a standard one of one letter, or a custom one.
fn styled(time: i64, style: &str) -> String {
    let style = match style {
        "d" => "MM/dd/yyyy",
        "D" => "dddd, dd MMMM yyyy",
        "g" => "MM/dd/yyyy HH:mm",
        // The default format, as in the documentation's examples.
        "G" => "M/d/yyyy h:mm:ss tt",
        "f" => "dddd, dd MMMM yyyy HH:mm",
        "F" | "U" => "dddd, dd MMMM yyyy HH:mm:ss",
        "m" | "M" => "MMMM dd",
        "o" | "O" => "yyyy-MM-ddTHH:mm:ss.fffffffZ",
        "r" | "R" => "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
        "s" => "yyyy-MM-ddTHH:mm:ss",
        "t" => "HH:mm",
        "T" => "HH:mm:ss",
        "u" => "yyyy-MM-dd HH:mm:ssZ",
        "y" | "Y" => "yyyy MMMM",
        custom => custom,
    };
    let (days, rest) = (time.div_euclid(DAY), time.rem_euclid(DAY));
    let (year, month, day) = date_of(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let weekday = DAYS[(days + 4).rem_euclid(7) as usize];
    let name = MONTHS[(month - 1) as usize];
    let mut made = String::new();
    let mut rest = style;
    while let Some(letter) = rest.chars().next() {
        let count = rest.chars().take_while(|other| *other == letter).count();
        let mut length = count * letter.len_utf8();
        let number = |value: i64| format!("{value:0width$}", width = count.min(2));
        match letter {
            'y' if count <= 2 => made.push_str(&number(year % 100)),
            'y' => made.push_str(&format!("{year:0width$}", width = count.min(9))),
            'M' if count >= 4 => made.push_str(name),
            'M' if count == 3 => made.push_str(&name[..3]),
            'M' => made.push_str(&number(month)),
            'd' if count >= 4 => made.push_str(weekday),
            'd' if count == 3 => made.push_str(&weekday[..3]),
            'd' => made.push_str(&number(day)),
            'H' => made.push_str(&number(hour)),
            'h' => made.push_str(&number((hour + 11) % 12 + 1)),
            'm' => made.push_str(&number(minute)),
            's' => made.push_str(&number(second)),
            'f' => made.push_str(&"0".repeat(count)),
            't' if count == 1 => made.push_str(if hour < 12 { "A" } else { "P" }),
            't' => made.push_str(if hour < 12 { "AM" } else { "PM" }),
            '\'' => {
                let quoted = rest[1..].split('\'').next().unwrap_or_default();
                made.push_str(quoted);
                length = (quoted.len() + 2).min(rest.len());
            }
            'z' | 'K' => made.push_str(if letter == 'K' { "Z" } else { "+00:00" }),
            other => made.extend(std::iter::repeat_n(other, count)),
        }
        rest = &rest[length..];
    }
    made
}
