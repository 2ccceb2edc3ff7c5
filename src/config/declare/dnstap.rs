//! The output of dnstap frames.

use toml::Spanned;

use super::Declarer;
use crate::codes::Code;
use crate::config::read::Read;
use crate::config::{DnstapSettings, Files, mirror};

/// Default for the maximum size of a file, in units of 1 048 576 octets.
const DEFAULT_MIB: u32 = 1024;

impl Declarer<'_> {
    pub(in crate::config) fn dnstap(&mut self, read: &Spanned<Read<mirror::Dnstap>>) -> Option<DnstapSettings> {
        let mirror::Dnstap { socket, file, max_file_mib } = &read.get_ref().value;
        let mib = max_file_mib.as_ref().map_or(DEFAULT_MIB, |most| self.bounded(most, 1, 1 << 20));
        let mend = "write socket = \"PATH\", where a program listens for frames, or file = \"PATH\"";
        match (socket, file) {
            (None, None) => {
                // A value that cannot be read has been reported.
                if read.get_ref().whole {
                    self.problem(Code::ContradictingKeys, read, "nothing says where dnstap frames are written", mend);
                }
                None
            }
            (Some(_), Some(file)) => {
                self.problem(Code::ContradictingKeys, file, "dnstap frames are written to one place", mend);
                None
            }
            (Some(socket), None) => {
                if cfg!(not(unix)) {
                    self.problem(
                        Code::ContradictingKeys,
                        socket,
                        "this system has no Unix sockets",
                        "write file = \"PATH\"",
                    );
                }
                if let Some(most) = max_file_mib {
                    self.problem(
                        Code::ContradictingKeys,
                        most,
                        "there is no file",
                        "remove max_file_mib, or write file in place of socket",
                    );
                }
                Some(DnstapSettings::Socket(Files::relative(self.path, socket.get_ref())))
            }
            (None, Some(file)) => Some(DnstapSettings::File {
                path: Files::relative(self.path, file.get_ref()),
                most_octets: u64::from(mib) << 20,
            }),
        }
    }
}
