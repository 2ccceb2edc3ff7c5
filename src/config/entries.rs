//! The lexical part of master files (RFC 1035 §5.1): words, comments, quotes and parentheses. Files are octets: strings and
//! comments may contain any.

use std::borrow::Cow;

/// A mistake: the offset of the word, the problem, the fix.
pub(super) type Mistake = (usize, String, Cow<'static, str>);

/// A word of an entry, with quotes and escapes as written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
    /// Whether it is at the start of its line, without space before it.
    pub(super) starts_line: bool,
}

impl<'a> Token<'a> {
    pub(super) fn is_quoted(&self) -> bool {
        self.text.starts_with(b"\"")
    }

    /// The word without quotes around it.
    pub(super) fn content(&self) -> &'a [u8] {
        let within = self.text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
        within.unwrap_or(self.text)
    }
}

/// Splits a file into entries: lines, unless parentheses continue them (RFC 1035 §5.1).
pub(super) struct Entries<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Entries<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The offset of the next entry.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Replaces `tokens` by the words of the next non-empty entry.
    pub(super) fn next_entry(&mut self, tokens: &mut Vec<Token<'a>>) -> Option<Result<(), Mistake>> {
        let bytes = self.text;
        tokens.clear();
        let mut open: Option<usize> = None;
        while let Some(&byte) = bytes.get(self.at) {
            let start = self.at;
            self.at += 1;
            match byte {
                b'\n' if open.is_none() => {
                    if !tokens.is_empty() {
                        return Some(Ok(()));
                    }
                }
                b' ' | b'\t' | b'\r' | b'\n' => {}
                b';' => {
                    self.at += bytes[self.at..].iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len() - self.at)
                }
                b'(' if open.is_none() => open = Some(start),
                b')' if open.is_some() => open = None,
                b'(' | b')' => {
                    self.skip_line();
                    let what = format!("'{}' without its other half", byte as char);
                    return Some(Err((start, what, "balance the parentheses, or escape with a backslash".into())));
                }
                b'"' => match self.quoted_end() {
                    Some(end) => self.at = end,
                    None => {
                        self.skip_line();
                        let mend = "close it on the same line, or escape the quote with a backslash";
                        return Some(Err((start, "a quoted string without an end".to_owned(), mend.into())));
                    }
                },
                _ => self.at = self.word_end(start),
            }
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')') {
                let starts_line = open.is_none() && (start == 0 || bytes[start - 1] == b'\n');
                tokens.push(Token { text: &self.text[start..self.at], at: start, starts_line });
            }
        }
        match open {
            Some(at) => {
                let mend = "close the parenthesis";
                Some(Err((at, "'(' without its other half".to_owned(), mend.into())))
            }
            None => (!tokens.is_empty()).then_some(Ok(())),
        }
    }

    fn quoted_end(&self) -> Option<usize> {
        let mut escaped = false;
        for (at, byte) in self.text.iter().copied().enumerate().skip(self.at) {
            match byte {
                b'\n' => return None,
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => return Some(at + 1),
                _ => {}
            }
        }
        None
    }

    fn word_end(&self, start: usize) -> usize {
        let mut escaped = false;
        for (at, byte) in self.text.iter().copied().enumerate().skip(start) {
            match byte {
                b'\n' => return at,
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b' ' | b'\t' | b'\r' | b';' | b'(' | b')' | b'"' => return at,
                _ => {}
            }
        }
        self.text.len()
    }

    fn skip_line(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }
}

/// Parses a time in seconds, or with the units s, m, h, d, w.
pub(super) fn seconds(text: &[u8]) -> Option<u32> {
    let mut sum: u32 = 0;
    let mut digits = String::new();
    for char in text.iter().copied().map(char::from) {
        let unit = match char.to_ascii_lowercase() {
            '0'..='9' => {
                digits.push(char);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        sum = sum.checked_add(digits.parse::<u32>().ok()?.checked_mul(unit)?)?;
        digits.clear();
    }
    if digits.is_empty() {
        return (!text.is_empty()).then_some(sum);
    }
    sum.checked_add(digits.parse().ok()?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_have_units() {
        for (text, seconds) in [("0", Some(0)), ("90", Some(90)), ("1h30m", Some(5400)), ("1W", Some(604_800))] {
            assert_eq!(super::seconds(text.as_bytes()), seconds);
        }
        for text in ["", "h", "-1", "1x", "4294967296", "9999999w"] {
            assert_eq!(super::seconds(text.as_bytes()), None, "{text}");
        }
    }
}
