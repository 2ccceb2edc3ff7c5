//! Files with what clients show: bearer tokens, and secrets of clients of the management API.

use super::Declarer;
use crate::codes::Code;
use crate::config::mirror::Text;
use crate::config::{BearerToken, Files, files};

/// The fewest characters of a token: nobody tries out 16.
const LEAST: usize = 16;

impl Declarer<'_> {
    /// What a file holds; `None` where it holds none, of which it reports a problem. `what` is what is read, and what is missing.
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
