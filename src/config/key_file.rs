//! Files with a TSIG key, in the format of BIND's `tsig-keygen`: `key "NAME" { algorithm hmac-sha256; secret "BASE64"; };`
//!
//! Messages repeat nothing of a file: text in the wrong place may be the secret.

use data_encoding::BASE64_MIME_PERMISSIVE;
use zeroize::Zeroizing;

use crate::dns::TsigAlgorithm;

/// A mistake: its offset, the problem, the fix.
pub(super) type Mistake = (usize, &'static str, &'static str);

/// The contents of a file, with places.
pub(super) struct KeyFile<'a> {
    pub(super) name: (usize, &'a str),
    pub(super) algorithm: TsigAlgorithm,
    pub(super) secret: (usize, Zeroizing<Vec<u8>>),
}

const FORM: &str = "write key \"NAME\" { algorithm hmac-sha256; secret \"BASE64\"; }; as tsig-keygen prints it";

/// Whether a text begins like such a file.
pub(super) fn is_one(text: &str) -> bool {
    let mut tokens = Tokens { text, at: 0 };
    let mut next = || tokens.next().ok().flatten().map(|(_, token)| token);
    next() == Some("key") && next().is_some() && next() == Some("{")
}

/// Reads a file with exactly one key, and comments.
pub(super) fn read(text: &str) -> Result<KeyFile<'_>, Mistake> {
    let mut tokens = Tokens { text, at: 0 };
    tokens.expect("key", "the file does not begin with a key")?;
    let name = tokens.value("the key has no name")?;
    tokens.expect("{", "the key has no \"{\" behind its name")?;
    let (mut algorithm, mut secret) = (None, None);
    let end = loop {
        let (at, word) = tokens.next()?.ok_or((text.len(), "the key has no \"}\" at its end", FORM))?;
        match word {
            "algorithm" if algorithm.is_none() => {
                let (at, name) = tokens.value("the algorithm is missing")?;
                let named = TsigAlgorithm::ALL.into_iter().find(|known| known.to_string().eq_ignore_ascii_case(name));
                algorithm = Some(named.ok_or((
                    at,
                    "an algorithm that is not known here",
                    "make another key: hmac-sha256, hmac-sha384 and hmac-sha512 are",
                ))?);
            }
            "secret" if secret.is_none() => {
                let (at, text) = tokens.value("the secret is missing")?;
                let octets = decoded(text).ok_or((
                    at,
                    "the secret is not base64",
                    "copy the whole of it, or make another key",
                ))?;
                secret = Some((at, octets));
            }
            "algorithm" | "secret" => return Err((at, "algorithm and secret are said once", FORM)),
            "}" => break at,
            _ => return Err((at, "a key has algorithm and secret, and nothing else", FORM)),
        }
        tokens.expect(";", "the \";\" is missing")?;
    };
    tokens.expect(";", "the \";\" behind \"}\" is missing")?;
    if let Some((at, _)) = tokens.next()? {
        return Err((at, "something follows the key", "write each key to a file of its own"));
    }
    let algorithm = algorithm.ok_or((end, "the algorithm is missing", FORM))?;
    let secret = secret.ok_or((end, "the secret is missing", FORM))?;
    Ok(KeyFile { name, algorithm, secret })
}

/// Decodes base64; the octets are in one place only.
fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if text.contains('\r') || text.trim_end_matches('=').contains('=') {
        return None;
    }
    let mut octets = Zeroizing::new(vec![0; BASE64_MIME_PERMISSIVE.decode_len(text.len()).ok()?]);
    let len = BASE64_MIME_PERMISSIVE.decode_mut(text.as_bytes(), &mut octets).ok()?;
    octets.truncate(len);
    Some(octets)
}

/// Splits into words, quoted texts and punctuation; skips comments as in BIND's configuration.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn expect(&mut self, wanted: &str, otherwise: &'static str) -> Result<(), Mistake> {
        match self.next()? {
            Some((_, token)) if token == wanted => Ok(()),
            Some((at, _)) => Err((at, otherwise, FORM)),
            None => Err((self.text.len(), otherwise, FORM)),
        }
    }

    /// A word, or the contents of a quoted text.
    fn value(&mut self, otherwise: &'static str) -> Result<(usize, &'a str), Mistake> {
        match self.next()? {
            Some((at, "{" | "}" | ";")) => Err((at, otherwise, FORM)),
            Some((at, token)) => Ok((at, token.strip_prefix('"').map_or(token, |token| &token[..token.len() - 1]))),
            None => Err((self.text.len(), otherwise, FORM)),
        }
    }

    fn next(&mut self) -> Result<Option<(usize, &'a str)>, Mistake> {
        loop {
            let rest = &self.text[self.at..];
            let start = self.text.len() - rest.trim_start().len();
            let rest = &self.text[start..];
            let len = match rest.chars().next() {
                None => return Ok(None),
                Some('#') => rest.find('\n').unwrap_or(rest.len()),
                Some('/') if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
                Some('/') if rest.starts_with("/*") => match rest.find("*/") {
                    Some(end) => end + 2,
                    None => return Err((start, "a comment without an end", "close it with \"*/\"")),
                },
                Some('"') => match rest[1..].find(['"', '\n']) {
                    Some(end) if rest.as_bytes()[1 + end] == b'"' => end + 2,
                    _ => return Err((start, "a quoted text without an end", "close it on the same line")),
                },
                Some('{' | '}' | ';') => 1,
                Some(_) => {
                    rest.find(|char: char| char.is_whitespace() || "{};\"#".contains(char)).unwrap_or(rest.len())
                }
            };
            self.at = start + len;
            let is_comment = rest.starts_with('#') || rest.starts_with("//") || rest.starts_with("/*");
            if !is_comment {
                return Ok(Some((start, &rest[..len])));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 32 octets.
    const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn files_as_tools_write_them_are_read() {
        for text in [
            format!("key \"n1-key\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{SECRET}\";\n}};\n"),
            format!("# by hand\nkey n1-key{{secret {SECRET};/* so far */algorithm \"HMAC-SHA256\";}};// end"),
        ] {
            let file = read(&text).unwrap_or_else(|(at, what, _)| panic!("{what} at {at}:\n{text}"));
            assert_eq!((file.name.1, file.algorithm), ("n1-key", TsigAlgorithm::HmacSha256));
            assert_eq!(file.secret.1.as_slice(), (0..32).collect::<Vec<u8>>());
        }
    }

    #[test]
    fn every_mistake_has_its_place_and_shows_nothing_of_the_file() {
        let algorithm = "algorithm hmac-sha256;";
        let secret = format!("secret \"{SECRET}\";");
        for (text, mark, what) in [
            (String::new(), "", "the file does not begin with a key"),
            (SECRET.to_owned(), SECRET, "the file does not begin with a key"),
            ("key {".to_owned(), "{", "the key has no name"),
            ("key a".to_owned(), "", "the key has no \"{\" behind its name"),
            (format!("key a {{ {algorithm} {secret}"), "", "the key has no \"}\" at its end"),
            (format!("key a {{ {algorithm} {secret} }}"), "", "the \";\" behind \"}\" is missing"),
            (format!("key a {{ {algorithm} }};"), "};", "the secret is missing"),
            (format!("key a {{ {secret} }};"), "};", "the algorithm is missing"),
            (
                format!("key a {{ {secret} {secret} }};"),
                "secret \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"; }",
                "algorithm and secret are said once",
            ),
            (
                format!("key a {{ {algorithm} {secret} more 1; }};"),
                "more",
                "a key has algorithm and secret, and nothing else",
            ),
            (format!("key a {{ {algorithm} secret \"{SECRET}\" }};"), "};", "the \";\" is missing"),
            (format!("key a {{ {algorithm} secret ; }};"), "; }", "the secret is missing"),
            (format!("key a {{ {algorithm} secret \"{SECRET}\n\"; }};"), "\"AAEC", "a quoted text without an end"),
            (format!("key a {{ {algorithm} secret \"{}\"; }};", &SECRET[1..]), "\"AECA", "the secret is not base64"),
            (format!("key a {{ algorithm \"{SECRET}\"; }};"), "\"AAEC", "an algorithm that is not known here"),
            ("key a { algorithm hmac-sha1; };".to_owned(), "hmac", "an algorithm that is not known here"),
            (format!("key a {{ {algorithm} {secret} }}; key b"), "key b", "something follows the key"),
            ("/* key".to_owned(), "/*", "a comment without an end"),
        ] {
            let (at, found, mend) = read(&text).err().unwrap();
            assert_eq!((found, &text[at..][..mark.len()]), (what, mark), "{text}");
            assert!(!mend.contains("AA"));
        }
    }
}
