//! Decodes files to JSON: UTF-8, or UTF-16 with a byte order mark; comments are allowed as in templates.

use serde_json::Value;

use super::{MAX_FILE, Refusal};

/// Most documents in one file.
const MAX_DOCUMENTS: usize = 10_000;

/// The text of a file.
///
/// # Errors
/// If it is too long, or not text.
pub(super) fn text(bytes: &[u8]) -> Result<String, Refusal> {
    check_size(bytes.len())?;
    decode(bytes)
}

/// Parses a text of one or more JSON documents. As Azure Resource Manager does, this accepts comments (`//` and `/* */`), strings
/// of several lines, and a comma after the last member.
pub(super) fn parse(text: &str) -> Result<Vec<Value>, Refusal> {
    documents(text).or_else(|_| documents(&without_comments(text))).map_err(|error| not_json(&error))
}

fn check_size(octets: usize) -> Result<(), Refusal> {
    let what = || format!("the file is larger than {} MiB: import its parts as files of their own", MAX_FILE >> 20);
    if octets > MAX_FILE { Err(Refusal(what())) } else { Ok(()) }
}

fn documents(text: &str) -> Result<Vec<Value>, serde_json::Error> {
    let mut documents = Vec::new();
    for document in serde_json::Deserializer::from_str(text).into_iter() {
        if documents.len() == MAX_DOCUMENTS {
            return Err(serde::de::Error::custom(format!("more than {MAX_DOCUMENTS} documents in one file")));
        }
        documents.push(document?);
    }
    Ok(documents)
}

fn not_json(error: &serde_json::Error) -> Refusal {
    Refusal(format!("not JSON: {error}"))
}

/// The text of a file. PowerShell redirects output as UTF-16 with a byte order mark.
fn decode(bytes: &[u8]) -> Result<String, Refusal> {
    let utf16 = |octets: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = octets.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        let whole = octets.len().is_multiple_of(2);
        let text = char::decode_utf16(units).collect::<Result<String, _>>().ok();
        text.filter(|_| whole)
            .ok_or_else(|| Refusal("not a whole text in UTF-16: write the file again in UTF-8".to_owned()))
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => {
            let rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            let text = std::str::from_utf8(rest);
            text.map(str::to_owned).map_err(|_| Refusal("not text in UTF-8".to_owned()))
        }
    }
}

/// Replaces comments, and trailing commas, with spaces, and escapes line breaks within strings, as strings in templates may have
/// several lines.
fn without_comments(text: &str) -> String {
    let octets = text.as_bytes();
    let mut made = Vec::with_capacity(octets.len());
    let mut at = 0;
    // The position of the last comma in the output, if only spaces have followed it.
    let mut comma = None;
    while at < octets.len() {
        let from = at;
        match (octets[at], octets.get(at + 1)) {
            (b'"', _) => {
                comma = None;
                at = string_end(octets, at);
                for octet in &octets[from..at] {
                    match octet {
                        b'\n' => made.extend(b"\\n"),
                        b'\r' => made.extend(b"\\r"),
                        b'\t' => made.extend(b"\\t"),
                        octet => made.push(*octet),
                    }
                }
                continue;
            }
            (b'/', Some(b'/')) => {
                while at < octets.len() && octets[at] != b'\n' {
                    at += 1;
                }
                continue;
            }
            (b'/', Some(b'*')) => {
                let end = octets[at + 2..].windows(2).position(|pair| pair == b"*/");
                at = end.map_or(octets.len(), |end| at + 2 + end + 2);
                made.extend(octets[from..at].iter().map(|octet| if *octet == b'\n' { b'\n' } else { b' ' }));
                continue;
            }
            (b'}' | b']', _) => {
                if let Some(comma) = comma.take() {
                    made[comma] = b' ';
                }
            }
            (b',', _) => comma = Some(made.len()),
            (octet, _) if !octet.is_ascii_whitespace() => comma = None,
            _ => {}
        }
        made.push(octets[at]);
        at += 1;
    }
    // Only whole characters were replaced, by ASCII.
    String::from_utf8(made).unwrap_or_default()
}

/// The position after the closing quote of the string that begins at `quote`.
fn string_end(octets: &[u8], quote: usize) -> usize {
    let mut at = quote + 1;
    while at < octets.len() && octets[at] != b'"' {
        at += if octets[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(octets.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(bytes: &[u8]) -> Result<Vec<Value>, Refusal> {
        super::parse(&text(bytes)?)
    }

    #[test]
    fn comments_and_last_commas_are_spaces_outside_strings() {
        let text = "{ // one\n \"a\": \"// not\", /* two\n lines */ \"b\": [1, 2, ], \"c\": \"\\\"/*\", }";
        assert_eq!(parse(text.as_bytes()).expect("JSON"), [json!({"a": "// not", "b": [1, 2], "c": "\"/*"})]);
    }

    /// "Understand the structure and syntax of ARM templates": multi-line strings.
    #[test]
    fn strings_may_have_several_lines() {
        let text = "{\n  \"a\": \"[concat(\r\n\t'b',\n 'c')]\", // one\n  \"d\": 1\n}";
        assert_eq!(parse(text.as_bytes()).expect("JSON"), [json!({"a": "[concat(\r\n\t'b',\n 'c')]", "d": 1})]);
    }

    #[test]
    fn utf_16_of_either_order_is_text() {
        let text = "[\"ä\"]";
        let le: Vec<u8> = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
        assert_eq!(parse(&le).expect("JSON"), [json!(["ä"])]);
        assert_eq!(parse(&be).expect("JSON"), [json!(["ä"])]);
        assert!(parse(&le[..le.len() - 1]).is_err());
    }

    #[test]
    fn size_and_number_of_documents_are_bounded() {
        assert!(check_size(MAX_FILE).is_ok() && check_size(MAX_FILE + 1).is_err());
        assert_eq!(parse("{} ".repeat(MAX_DOCUMENTS).as_bytes()).expect("so many").len(), MAX_DOCUMENTS);
        assert!(parse("{} ".repeat(MAX_DOCUMENTS + 1).as_bytes()).is_err());
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_line() {
        let refusal = parse(b"{\n  \"a\": }").expect_err("refused");
        assert!(refusal.0.contains("line 2"), "{refusal}");
        let refusal = parse(b"{ // one\n // two\n  \"a\": }").expect_err("refused");
        assert!(refusal.0.contains("line 3"), "not at the comments: {refusal}");
        assert!(parse(&"[".repeat(1_000_000).into_bytes()).is_err());
        assert!(parse(b"\"\\").is_err());
        assert!(parse(b"{} /*").is_ok());
        assert_eq!(parse(b"[1]\n{}\n").expect("two"), [json!([1]), json!({})]);
    }
}
