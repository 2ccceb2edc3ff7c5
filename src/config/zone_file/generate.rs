//! `$GENERATE RANGE OWNER [TTL] [CLASS] TYPE DATA`: a record for each number of a range, as in BIND (ARM, "BIND Primary
//! File Extension").
//!
//! In owner and data, `$` is the number; `${OFFSET[,WIDTH[,BASE]]}` adds to it, pads it with zeros and writes it to base
//! d, o, x, X, or n and N for the nibbles of a reverse name; `$$` and `\$` are the dollar sign.

use std::borrow::Cow;

use super::super::entries::{Entries, Mistake, Token};
use super::super::problem::Place;
use super::{Reader, State};

/// Maximum records generated for one zone: enough for the reverse zone of four IPv4 /16 networks.
const MAX_GENERATED: u32 = 1 << 18;
/// Maximum digits of a number: a name cannot be longer.
const MAX_WIDTH: usize = 255;

const RANGE_MEND: &str = "write START-STOP or START-STOP/STEP, numbers from 0 to 2147483647";
const ENTRY_MEND: &str = "write $GENERATE START-STOP[/STEP] OWNER [TTL] [IN] TYPE DATA, with $ for the number";
const NUMBER_MEND: &str =
    "write $, or ${OFFSET}, ${OFFSET,WIDTH} or ${OFFSET,WIDTH,BASE} with one of the bases d, o, x, X, n and N";

impl Reader<'_> {
    /// Generates the entries of a directive. Later entries inherit nothing from them.
    pub(super) fn generate(&mut self, tokens: &[Token<'_>], place: Place, state: &State) -> Result<(), Mistake> {
        let [directive, range, owner, rest @ ..] = tokens else {
            return Err((tokens[0].at, "$GENERATE has no owner".to_owned(), ENTRY_MEND.into()));
        };
        let wrong_range = || {
            let what = format!("\"{}\" is not a range", String::from_utf8_lossy(range.text));
            (range.at, what, RANGE_MEND.into())
        };
        let (start, stop, step) = self::range(range.text).ok_or_else(wrong_range)?;
        let count = (stop - start) / step + 1;
        self.generated = self.generated.saturating_add(count);
        if self.generated > MAX_GENERATED {
            let what = format!("more than {MAX_GENERATED} generated records");
            return Err((directive.at, what, "write fewer, or a wildcard for names with the same data".into()));
        }
        for number in (start..=stop).step_by(step as usize) {
            let mut line = expanded(owner, owner.text, number)?;
            let owner_len = line.len();
            for token in rest {
                line.push(b' ');
                // In BIND, data is one word, quoted if it contains several.
                let is_data = std::ptr::eq(token, &rest[rest.len() - 1]) && token.is_quoted();
                let text = if is_data { unquoted(token.content()) } else { token.text.into() };
                line.extend(expanded(token, &text, number)?);
            }
            if !self.allowance.spend(line.len()) {
                let what = "more than 1 GiB of zone files and generated records in all".to_owned();
                return Err((directive.at, what, "write fewer, or a wildcard for names with the same data".into()));
            }
            self.generated_entry(&line, place.clone(), state).map_err(|(at, what, mend)| {
                let blamed = if at < owner_len { owner } else { rest.last().unwrap_or(owner) };
                (blamed.at, format!("for {number}: {what}"), mend)
            })?;
        }
        Ok(())
    }

    fn generated_entry(&mut self, line: &[u8], place: Place, state: &State) -> Result<(), Mistake> {
        let mut entries = Entries::new(line);
        let mut tokens = Vec::new();
        match entries.next_entry(&mut tokens) {
            Some(read) => read?,
            None => return Err((0, "no entry".to_owned(), ENTRY_MEND.into())),
        }
        let mut state = state.clone();
        self.record(&tokens, place, &mut state)
    }
}

/// The contents of a quoted word, including quotes in it.
fn unquoted(content: &[u8]) -> Cow<'_, [u8]> {
    let mut octets = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'\\', [b'"', ..]) => {}
            (b'\\', [escaped, after @ ..]) => {
                octets.extend([b'\\', *escaped]);
                rest = after;
            }
            (octet, _) => octets.push(*octet),
        }
    }
    octets.into()
}

/// Start, stop and step of a range.
fn range(text: &[u8]) -> Option<(u32, u32, u32)> {
    let text = std::str::from_utf8(text).ok()?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number <= i32::MAX as u32);
    let (start, stop) = text.split_once('-')?;
    let (stop, step) = stop.split_once('/').unwrap_or((stop, "1"));
    let (start, stop, step) = (number(start)?, number(stop)?, number(step)?);
    (start <= stop && step > 0).then_some((start, stop, step))
}

/// A text with the number inserted.
fn expanded(token: &Token<'_>, text: &[u8], number: u32) -> Result<Vec<u8>, Mistake> {
    let mut octets = Vec::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'\\', [escaped, after @ ..]) => {
                octets.extend([b'\\', *escaped]);
                rest = after;
            }
            (b'$', [b'$', after @ ..]) => {
                octets.push(b'$');
                rest = after;
            }
            (b'$', [b'{', after @ ..]) => {
                let wrong = |what: Cow<'static, str>| (token.at, what.into_owned(), NUMBER_MEND.into());
                let end = after.iter().position(|octet| *octet == b'}');
                let end = end.ok_or_else(|| wrong("\"${\" without \"}\"".into()))?;
                let written = std::str::from_utf8(&after[..end]).ok().and_then(|format| formatted(format, number));
                let format = String::from_utf8_lossy(&after[..end]);
                let written =
                    written.ok_or_else(|| wrong(format!("\"${{{format}}}\" is no number for {number}").into()))?;
                octets.extend(written.bytes());
                rest = &after[end + 1..];
            }
            (b'$', _) => octets.extend(number.to_string().bytes()),
            (octet, _) => octets.push(*octet),
        }
    }
    Ok(octets)
}

/// A number in the format `OFFSET[,WIDTH[,BASE]]`.
fn formatted(format: &str, number: u32) -> Option<String> {
    let mut parts = format.split(',');
    let offset: i64 = parts.next()?.parse().ok()?;
    let width =
        parts.next().map_or(Some(0), |width| width.parse::<usize>().ok()).filter(|width| *width <= MAX_WIDTH)?;
    let base = parts.next().unwrap_or("d");
    let value = i32::try_from(i64::from(number) + offset).ok()?;
    if base == "d" {
        return parts.next().is_none().then(|| format!("{value:0width$}"));
    }
    // A negative number is taken as 32 bits, as in BIND.
    let value = value.cast_unsigned();
    let written = match base {
        "o" => format!("{value:0width$o}"),
        "x" => format!("{value:0width$x}"),
        "X" => format!("{value:0width$X}"),
        "n" => nibbles(value, width),
        "N" => nibbles(value, width).to_uppercase(),
        _ => return None,
    };
    parts.next().is_none().then_some(written)
}

/// Hexadecimal digits in reverse order with dots between them; the width counts both.
fn nibbles(value: u32, width: usize) -> String {
    let mut written = String::new();
    let mut value = value;
    loop {
        written.extend(char::from_digit(value & 0xf, 16));
        value >>= 4;
        if value == 0 && written.len() >= width {
            return written;
        }
        written.push('.');
        if value == 0 && written.len() >= width {
            return written;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::super::Files;
    use super::super::super::allowance::Allowance;
    use super::super::super::problem::{Places, Problems};
    use super::super::{Input, read};
    use crate::dns::Name;

    /// The records of a zone file of `example`, each with owner, TTL, type and data, in some order; and the problems.
    fn records(text: &str) -> (Vec<String>, Vec<String>) {
        let apex: Name = "example".parse().unwrap();
        let (mut places, mut problems) = (Places::default(), Problems::default());
        let (files, mut allowance) = (Files::default(), Allowance::new());
        let input = Input { files: &files, allowance: &mut allowance, path: Path::new("z"), text: text.as_bytes() };
        let contents = read(input, &apex, &mut places, &mut problems);
        let sets = contents.record_sets.iter();
        let mut records: Vec<_> = sets
            .flat_map(|set| {
                set.rdatas
                    .iter()
                    .map(|rdata| format!("{} {} {} {}", set.owner, set.ttl, set.rtype, rdata.escape_ascii()))
            })
            .collect();
        records.sort();
        (records, problems.iter().map(|problem| format!("{}: {}", problem.place, problem.what)).collect())
    }

    /// What `named-compilezone` of BIND 9.18 makes of the same directives.
    #[test]
    fn records_are_those_of_bind() {
        let generated = "$TTL 60
@ SOA ns h 1 2 3 4 5
ns A 10.0.0.1
$GENERATE 1-3 host$ A 10.0.0.$
$GENERATE 0-8/4 ${0,3,d}.x CNAME ${10,2,x}.y$$
$GENERATE 254-256 ${-250} TXT \"n=${0,5,o} X=${0,4,X} \\$ $\"
$GENERATE 18-19 ${0,7,n}.z 30 IN PTR ${0}${1,0,N}.w
$GENERATE 171-172 ${0,0,n} IN 90 MX \"10 m$\"
$GENERATE 1-1 a\\$b AAAA fd00::${0,4,x}
$GENERATE 7-7 n${0,1,n} A 10.0.0.7
$GENERATE 7-7 n${0,2,n}x A 10.0.0.7
$GENERATE 1-2 q$ TXT \"\\\"a b\\\" c\"
$GENERATE 1-2 a${-2} A 10.0.0.1
$GENERATE 1-2 hex${-2,1,x} A 10.0.0.1
$GENERATE 1-1 oct${-2,0,o} A 10.0.0.1
$GENERATE 1-1 nib${-2,0,N}b A 10.0.0.1
 TXT after
";
        let written = "$TTL 60
@ SOA ns h 1 2 3 4 5
ns A 10.0.0.1
4 TXT \"n=00376\" \"X=00FE\" \"$\" \"254\"
5 TXT \"n=00377\" \"X=00FF\" \"$\" \"255\"
6 TXT \"n=00400\" \"X=0100\" \"$\" \"256\"
b.a 90 MX 10 m171
c.a 90 MX 10 m172
a\\$b AAAA fd00::1
host1 A 10.0.0.1
host2 A 10.0.0.2
host3 A 10.0.0.3
n7 A 10.0.0.7
ns TXT \"after\"
000.x CNAME 0a.y\\$
004.x CNAME 0e.y\\$
008.x CNAME 12.y\\$
n7.x A 10.0.0.7
2.1.0.0.z 30 PTR 183.1.w
3.1.0.0.z 30 PTR 194.1.w
q1 TXT \"a b\" c
q2 TXT \"a b\" c
a-1 A 10.0.0.1
a0 A 10.0.0.1
hexffffffff A 10.0.0.1
hex0 A 10.0.0.1
oct37777777777 A 10.0.0.1
nibF.F.F.F.F.F.F.Fb A 10.0.0.1
";
        let (generated, problems) = records(generated);
        assert_eq!(problems, [""; 0]);
        assert_eq!(generated, records(written).0);
    }

    #[test]
    fn what_bind_refuses_is_refused_once() {
        for (directive, problem) in [
            ("1-0 a$ A 10.0.0.1", "11: \"1-0\" is not a range"),
            ("1-2/0 a$ A 10.0.0.1", "11: \"1-2/0\" is not a range"),
            ("-1-2 a$ A 10.0.0.1", "11: \"-1-2\" is not a range"),
            ("1-2147483648 a$ A 10.0.0.1", "11: \"1-2147483648\" is not a range"),
            ("1-2 a${0,1,q} A 10.0.0.1", "15: \"${0,1,q}\" is no number for 1"),
            ("1-2 a${0,256} A 10.0.0.1", "15: \"${0,256}\" is no number for 1"),
            ("1-2 a${2147483647,1,x} A 10.0.0.1", "15: \"${2147483647,1,x}\" is no number for 1"),
            ("1-2 a${ A 10.0.0.1", "15: \"${\" without \"}\""),
            ("1-2", "1: $GENERATE has no owner"),
            ("254-256 a A 10.0.0.$", "23: for 256: bad A data: \"10.0.0.256\" is not an IPv4 address"),
            ("1-2 a$ TXT \"\\\"a\"", "22: for 1: a quoted string without an end"),
            ("1-2 a$", "15: for 1: no record type"),
            ("1-2 ..$ A 10.0.0.1", "15: for 1: \"..1\" is not a domain name: a label is empty"),
            ("1-262145 a$ A 10.0.0.1", "1: more than 262144 generated records"),
            ("0-2147483647 a$ A 10.0.0.1", "1: more than 262144 generated records"),
        ] {
            let (_, problems) = records(&format!("$TTL 60\n$GENERATE {directive}\n"));
            let expected = format!("z:2:{problem}");
            assert_eq!(problems, [expected], "{directive}");
        }
        let often = "$GENERATE 1-200000 a A 10.0.0.1\n".repeat(2);
        let (records, problems) = records(&format!("$TTL 60\n{often}"));
        assert_eq!((records.len(), problems.len()), (1, 1));
    }
}
