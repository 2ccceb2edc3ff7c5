//! DNS cookies.

use zeroize::Zeroizing;

use super::Declarer;
use crate::codes::Code;
use crate::config::{DnsCookies, Files, files, mirror};
use crate::dns::{CookieSecrets, wipe_stack};

impl Declarer<'_> {
    pub(in crate::config) fn cookies(&mut self, server: &mirror::Server) -> DnsCookies {
        let is_on = server.dns_cookies.unwrap_or(true);
        let Some(file) = &server.cookie_secret_file else {
            return if is_on { DnsCookies::Random } else { DnsCookies::Off };
        };
        if !is_on {
            self.problem(
                Code::ContradictingKeys,
                file,
                "a secret for cookies that nobody gets",
                "remove cookie_secret_file, or dns_cookies",
            );
            return DnsCookies::Off;
        }
        let path = Files::relative(self.path, file.get_ref());
        let text = match self.secret(&path) {
            Ok(text) => text,
            Err(error) => {
                // The path is not repeated: the key may be confused with the place of the secret.
                let what = format!("cannot read the cookie secrets: {error}");
                let mend = "name a file with a secret; its path is relative to the folder of this file";
                self.problem(Code::UnreadableFile, file, what, files::mend(&error, mend));
                return DnsCookies::Off;
            }
        };
        let secrets = secrets(&text);
        wipe_stack();
        match secrets {
            Ok(secrets) => DnsCookies::Secrets(secrets),
            Err(what) => {
                let mend = "write one line of 32 hexadecimal digits, as openssl rand -hex 16 prints them; or two lines \
                            while the secret is changed: the first signs, both verify";
                self.problem(Code::BadSecret, file, format!("{} {what}", path.display()), mend);
                DnsCookies::Off
            }
        }
    }
}

/// Reads one or two secrets, a line each; an error does not repeat the text.
// Not inlined, so that the secrets are in no long-lived stack frame.
#[inline(never)]
fn secrets(text: &str) -> Result<CookieSecrets, String> {
    let mut secrets = Zeroizing::new([0; 2]);
    let mut count = 0;
    for (line, number) in text.lines().zip(1..) {
        let digits = line.trim();
        if digits.is_empty() {
            continue;
        }
        // A number could have a sign.
        let is_hex = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let secret = u128::from_str_radix(digits, 16).ok().filter(|_| is_hex);
        let secret = secret.ok_or_else(|| format!("has no secret of 32 hexadecimal digits in line {number}"))?;
        if let Some(place) = secrets.get_mut(count) {
            *place = secret;
        }
        count += 1;
    }
    let [signing, other] = secrets.map(u128::to_be_bytes);
    match count {
        0 => Err("holds no secret".to_owned()),
        1 => Ok(CookieSecrets::new(signing, None)),
        2 => Ok(CookieSecrets::new(signing, Some(other))),
        _ => Err(format!("holds {count} secrets")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_or_two_secrets_are_read() {
        let (first, second) = ("e5e973e5a6b2a43f48e7dc849e37bfcf", "DD3BDF9344B678B185A6F5CB60FCA715");
        let octets = |hex: &str| u128::from_str_radix(hex, 16).unwrap().to_be_bytes();
        assert_eq!(secrets(first), Ok(CookieSecrets::new(octets(first), None)));
        let both = CookieSecrets::new(octets(first), Some(octets(second)));
        assert_eq!(secrets(&format!("{first}\r\n\n {second}\n")), Ok(both));
    }

    #[test]
    fn anything_else_is_told_by_its_line_alone() {
        for (text, what) in [
            ("", "holds no secret"),
            ("\n\n", "holds no secret"),
            ("e5e973e5a6b2a43f48e7dc849e37bfcf\nsecret\n", "has no secret of 32 hexadecimal digits in line 2"),
            ("+5e973e5a6b2a43f48e7dc849e37bfcf", "has no secret of 32 hexadecimal digits in line 1"),
            ("e5e973e5a6b2a43f48e7dc849e37bfcf00", "has no secret of 32 hexadecimal digits in line 1"),
            (&"e5e973e5a6b2a43f48e7dc849e37bfcf\n".repeat(3), "holds 3 secrets"),
        ] {
            assert_eq!(secrets(text), Err(what.to_owned()));
        }
    }
}
