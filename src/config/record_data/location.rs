//! LOC data (RFC 1876): `D [M [S]] N|S D [M [S]] E|W ALTITUDE [SIZE [HORIZONTAL [VERTICAL]]]`.

use super::words::{Blame, Word, Words};

/// The value of the equator and the prime meridian, in thousandths of a second of arc.
const ORIGIN: u32 = 1 << 31;
/// The value of altitude 0, in centimetres.
const DEPTH: i64 = 10_000_000;
/// Default size, horizontal and vertical precision in centimetres.
const PRECISIONS: [(&str, i64); 3] = [("size", 100), ("horizontal precision", 1_000_000), ("vertical precision", 1000)];

pub(super) fn read(words: &mut Words<'_, '_>, octets: &mut Vec<u8>) -> Result<(), Blame> {
    let latitude = angle(words, "latitude", 90, ["N", "S"])?;
    let longitude = angle(words, "longitude", 180, ["E", "W"])?;
    let word = words.next("altitude in metres")?;
    let altitude = metres(word).and_then(|altitude| u32::try_from(altitude + DEPTH).ok());
    let altitude = altitude.ok_or_else(|| word.is_not("metres from -100000.00 to 42849672.95"))?;
    octets.push(0);
    for (name, default) in PRECISIONS {
        let precision = match words.next_if_any() {
            None => precision(default),
            Some(word) => metres(word)
                .filter(|centimetres| (0..=9_000_000_000).contains(centimetres))
                .map(precision)
                .ok_or_else(|| word.is_not(format_args!("a {name} in metres from 0 to 90000000.00")))?,
        };
        octets.push(precision);
    }
    octets.extend([latitude, longitude, altitude].map(u32::to_be_bytes).concat());
    Ok(())
}

/// Degrees, minutes and seconds, and the hemisphere.
fn angle(words: &mut Words<'_, '_>, name: &str, most: i64, sides: [&str; 2]) -> Result<u32, Blame> {
    // Decimals, bound, and thousandths of a second in one unit.
    let mut parts = [(0, most + 1, 3_600_000), (0, 60, 60_000), (3, 60_000, 1)].into_iter();
    let [plus, minus] = sides;
    let mut sum = 0;
    let mut is_side_possible = false;
    loop {
        let word = words.next(name)?;
        let side = sides.iter().position(|side| word.content().eq_ignore_ascii_case(side.as_bytes()));
        if let Some(side) = side.filter(|_| is_side_possible) {
            let offset = u32::try_from(sum).ok().filter(|_| sum <= most * 3_600_000);
            let offset = offset.ok_or_else(|| word.blame(format!("a {name} of more than {most} degrees")))?;
            return Ok(if side == 0 { ORIGIN + offset } else { ORIGIN - offset });
        }
        let (decimals, bound, unit) = parts.next().ok_or_else(|| word.is_not(format_args!("{plus} or {minus}")))?;
        let value = fixed(word.content(), decimals).filter(|value| (0..bound).contains(value));
        let value = value
            .ok_or_else(|| word.is_not(format_args!("degrees, minutes or seconds of {name}, nor {plus} or {minus}")));
        sum += unit * value?;
        is_side_possible = true;
    }
}

/// Metres as centimetres.
fn metres(word: Word<'_, '_>) -> Option<i64> {
    let text = word.content();
    fixed(text.strip_suffix(b"m").or_else(|| text.strip_suffix(b"M")).unwrap_or(text), 2)
}

/// A decimal number, scaled by ten to the power of its maximum decimals.
fn fixed(text: &[u8], decimals: usize) -> Option<i64> {
    let (text, sign) = text.strip_prefix(b"-").map_or((text, 1), |rest| (rest, -1));
    let mut parts = text.splitn(2, |octet| *octet == b'.');
    let (whole, fraction) = (parts.next()?, parts.next().unwrap_or_default());
    let is_right = (1..=10).contains(&whole.len()) && fraction.len() <= decimals;
    let digits =
        whole.iter().chain(fraction).chain(std::iter::repeat_n(&b'0', decimals.saturating_sub(fraction.len())));
    let digits: Option<Vec<_>> = digits.map(|digit| char::from(*digit).to_digit(10)).collect();
    let value = digits.filter(|_| is_right)?.into_iter().fold(0, |value, digit| value * 10 + i64::from(digit));
    Some(sign * value)
}

/// Centimetres as a digit and a power of ten (RFC 1876 §2).
fn precision(centimetres: i64) -> u8 {
    let power = centimetres.checked_ilog10().unwrap_or_default();
    let digit = centimetres / 10_i64.pow(power);
    (digit as u8) << 4 | power as u8
}
