//! Files with bearer tokens, and with secrets of clients of the management API.

use super::Declarer;
use crate::codes::Code;
use crate::config::mirror::Text;
use crate::config::{BearerToken, Files, files};

/// Minimum characters of a token: 16 cannot be guessed.
const LEAST: usize = 16;

impl Declarer<'_> {
    /// Reads a token from a file; reports a problem and returns `None` if there is none. `what` and `missing` are for the
    /// messages.
    pub(super) fn token(&mut self, file: &Text, [what, missing]: [&str; 2]) -> Option<BearerToken> {
        let path = Files::relative(self.path, file.get_ref());
        let text = match self.secret(&path) {
            Ok(text) => text,
            Err(error) => {
                let mend = files::mend(&error, "the path is relative to the folder of this file");
                self.problem(Code::UnreadableFile, file, format!("cannot read {what}: {error}"), mend);
                return None;
            }
        };
        let token = text.trim();
        if token.len() < LEAST || token.contains(char::is_whitespace) {
            let mend = format!("write one line of at least {LEAST} characters, as openssl rand -hex 32 prints it");
            self.problem(Code::BadSecret, file, format!("the file holds {missing}"), mend);
            return None;
        }
        Some(BearerToken::new(token))
    }
}
