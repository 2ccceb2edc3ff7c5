//! The words of RDATA, and parsing of single words.

use std::fmt::Display;
use std::str::FromStr;

use super::super::entries::Token;
use super::parse;
use crate::dns::{Name, NameError};

/// A problem with RDATA, and its place.
pub(super) struct Blame {
    pub(super) at: usize,
    pub(super) what: String,
}

/// The words of RDATA that are still to be read.
pub(super) struct Words<'t, 'a> {
    rest: &'t [Token<'a>],
    /// The place at which a missing word is reported.
    end: usize,
    origin: &'t Name,
}

/// A word.
#[derive(Clone, Copy)]
pub(super) struct Word<'t, 'a>(&'t Token<'a>);

impl<'t, 'a> Words<'t, 'a> {
    pub(super) fn new(tokens: &'t [Token<'a>], end: usize, origin: &'t Name) -> Self {
        Self { rest: tokens, end, origin }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn next_if_any(&mut self) -> Option<Word<'t, 'a>> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(Word(first))
    }

    pub(super) fn next(&mut self, name: &str) -> Result<Word<'t, 'a>, Blame> {
        self.next_if_any().ok_or_else(|| Blame { at: self.end, what: format!("something is missing: {name}") })
    }

    /// The next word, if it is quoted and adjacent to the last one.
    pub(super) fn next_if_adjacent(&mut self, last: Word<'t, 'a>) -> Option<Word<'t, 'a>> {
        let is_adjacent = |token: &&Token<'_>| token.is_quoted() && token.at == last.0.at + last.0.text.len();
        self.rest.first().filter(is_adjacent)?;
        self.next_if_any()
    }

    pub(super) fn name(&mut self, name: &str) -> Result<Name, Blame> {
        let word = self.next(name)?;
        self::name(word.0, self.origin)
            .map_err(|error| word.blame(format!("{} is no domain name: {error}", word.shown())))
    }

    /// All remaining words joined, and the first of them.
    pub(super) fn joined(&mut self, name: &str) -> Result<(Word<'t, 'a>, String), Blame> {
        let first = self.next(name)?;
        let mut joined = first.text()?.to_owned();
        while let Some(word) = self.next_if_any() {
            joined.push_str(word.text()?);
        }
        Ok((first, joined))
    }

    /// All remaining words as hexadecimal digits.
    pub(super) fn hexadecimal(&mut self, name: &str) -> Result<Vec<u8>, Blame> {
        let (first, joined) = self.joined(name)?;
        digits(joined.as_bytes()).ok_or_else(|| first.blame(NOT_HEXADECIMAL))
    }

    /// Reports a problem of the data as a whole.
    pub(super) fn blame(&self, what: impl Into<String>) -> Blame {
        Blame { at: self.end, what: what.into() }
    }
}

const NOT_HEXADECIMAL: &str = "not pairs of hexadecimal digits";

impl<'a> Word<'_, 'a> {
    /// The contents without quotes, escapes unchanged.
    pub(super) fn content(&self) -> &'a [u8] {
        self.0.content()
    }

    pub(super) fn blame(&self, what: impl Into<String>) -> Blame {
        Blame { at: self.0.at, what: what.into() }
    }

    pub(super) fn is_not(&self, what: impl Display) -> Blame {
        self.blame(format!("{} is not {what}", self.shown()))
    }

    fn shown(&self) -> String {
        format!("\"{}\"", String::from_utf8_lossy(self.content()))
    }

    pub(super) fn text(&self) -> Result<&'a str, Blame> {
        std::str::from_utf8(self.content()).map_err(|_| self.blame("octets that are not UTF-8"))
    }

    pub(super) fn parsed<T: FromStr>(&self, what: &str) -> Result<T, Blame> {
        parse(self.content()).ok_or_else(|| self.is_not(what))
    }

    pub(super) fn number<T: Number>(&self) -> Result<T, Blame> {
        self.digits().ok_or_else(|| self.is_not(format_args!("a number from 0 to {}", T::MAX)))
    }

    pub(super) fn number_or<T: Number>(&self, else_what: &str) -> Result<T, Blame> {
        self.digits().ok_or_else(|| self.is_not(format_args!("{else_what}, nor a number from 0 to {}", T::MAX)))
    }

    fn digits<T: FromStr>(&self) -> Option<T> {
        // The standard library would accept a plus sign.
        self.content().iter().all(u8::is_ascii_digit).then(|| parse(self.content()))?
    }

    pub(super) fn hexadecimal(&self) -> Result<Vec<u8>, Blame> {
        digits(self.content()).ok_or_else(|| self.blame(NOT_HEXADECIMAL))
    }

    /// `OCTETS` octets in groups of hexadecimal digits; leading zeros may be omitted if allowed.
    pub(super) fn hexadecimal_groups<const OCTETS: usize>(
        &self,
        separator: u8,
        group: usize,
        fewest: usize,
    ) -> Result<[u8; OCTETS], Blame> {
        let groups: Vec<_> = self.content().split(|octet| *octet == separator).collect();
        let mut is_right = groups.len() * group == OCTETS * 2;
        let mut padded = Vec::with_capacity(OCTETS * 2);
        for digits in &groups {
            is_right &= (fewest..=group).contains(&digits.len());
            padded.resize(padded.len() + group.saturating_sub(digits.len()), b'0');
            padded.extend_from_slice(digits);
        }
        let octets = digits(&padded).filter(|_| is_right).and_then(|octets| octets.try_into().ok());
        octets.ok_or_else(|| {
            let separator = char::from(separator);
            let groups = OCTETS * 2 / group;
            let up_to = if fewest < group { "up to " } else { "" };
            self.is_not(format_args!(
                "{groups} groups of {up_to}{group} hexadecimal digits with \"{separator}\" between them"
            ))
        })
    }

    /// The octets of the word with escapes resolved (RFC 1035 §5.1).
    pub(super) fn unescaped(&self) -> Result<Vec<u8>, Blame> {
        unescape(*self, self.content())
    }

    /// Appends the word as a character-string (RFC 1035 §3.3).
    pub(super) fn push_string(&self, octets: &mut Vec<u8>) -> Result<(), Blame> {
        let string = self.unescaped()?;
        let length = u8::try_from(string.len());
        octets.push(
            length.map_err(|_| self.blame(format!("a string of {} octets, and it has at most 255", string.len())))?,
        );
        octets.extend(string);
        Ok(())
    }
}

/// The number types of fields.
pub(super) trait Number: FromStr {
    const MAX: u32;
}

impl Number for u8 {
    const MAX: u32 = Self::MAX as u32;
}

impl Number for u16 {
    const MAX: u32 = Self::MAX as u32;
}

impl Number for u32 {
    const MAX: Self = Self::MAX;
}

/// The octets of a part of a word.
pub(super) fn unescape(word: Word<'_, '_>, part: &[u8]) -> Result<Vec<u8>, Blame> {
    let mut octets = Vec::with_capacity(part.len());
    let mut rest = part;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        octets.push(match first {
            b'\\' => escaped(&mut rest).ok_or_else(|| word.blame(NameError::BadEscape.to_string()))?,
            octet => *octet,
        });
    }
    Ok(octets)
}

/// Takes what follows a backslash: one octet, or three digits with its value.
fn escaped(rest: &mut &[u8]) -> Option<u8> {
    match *rest {
        [hundreds @ b'0'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9', after @ ..] => {
            *rest = after;
            let [hundreds, tens, ones] = [hundreds, tens, ones].map(|digit| u16::from(digit - b'0'));
            u8::try_from(hundreds * 100 + tens * 10 + ones).ok()
        }
        [b'0'..=b'9', ..] | [] => None,
        [octet, after @ ..] => {
            *rest = after;
            Some(*octet)
        }
    }
}

/// Decodes pairs of hexadecimal digits.
pub(super) fn digits(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_chunks::<2>();
    let digit = |octet: u8| char::from(octet).to_digit(16);
    let octets = pairs.iter().map(|[high, low]| Some((digit(*high)? * 16 + digit(*low)?) as u8));
    if rest.is_empty() { octets.collect() } else { None }
}

/// Parses a word as a name; `@` is the origin (RFC 1035 §5.1). In quotes, spaces are part of it.
pub(in crate::config) fn name(token: &Token<'_>, origin: &Name) -> Result<Name, NameError> {
    let content = token.content();
    let is_spaced = |octet: &u8| octet.is_ascii() && !octet.is_ascii_graphic();
    if !token.is_quoted() || !content.iter().any(is_spaced) {
        return Name::relative(&String::from_utf8_lossy(content), origin.as_ref());
    }
    let mut escaped = Vec::new();
    let mut octets = content.iter().copied();
    while let Some(octet) = octets.next() {
        match octet {
            b'\\' => match octets.next() {
                Some(octet) if is_spaced(&octet) => escaped.extend(format!("\\{octet:03}").bytes()),
                octet => escaped.extend([b'\\'].into_iter().chain(octet)),
            },
            octet if is_spaced(&octet) => escaped.extend(format!("\\{octet:03}").bytes()),
            octet => escaped.push(octet),
        }
    }
    Name::relative(&String::from_utf8_lossy(&escaped), origin.as_ref())
}
