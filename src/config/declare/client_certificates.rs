//! Client certificates.

use toml::Spanned;

use super::Declarer;
use crate::azure::{CertificateHolder, ClientCertificate};
use crate::codes::Code;
use crate::config::mirror::{self, Text};
use crate::config::{Files, files};
use crate::tls::{ClientProof, HostName, PublicKeyHash};

const PROOF_MEND: &str = "write public_key_sha256 = \"PIN\", or certificate_authority = \"FILE\" and \
                          subject_alternative_name = \"NAME\"";

impl Declarer<'_> {
    pub(super) fn client_certificate(&mut self, shown: &mirror::ClientCertificate) -> Option<ClientCertificate> {
        let name = self.label(&shown.name);
        let holder = match (&shown.virtual_network, &shown.forwarder) {
            (Some(network), None) => self.network(network).map(CertificateHolder::VirtualNetwork),
            (None, Some(forwarder)) => Some(CertificateHolder::Forwarder(self.label(forwarder))),
            (None, None) => {
                let mend = "add virtual_network = \"NAME\", whose client is whoever shows it, or forwarder = \"NAME\"";
                self.problem(Code::BadClientCertificate, &shown.name, "a client certificate of nobody", mend);
                None
            }
            (Some(_), Some(forwarder)) => {
                let what = "a client certificate is of a virtual network or of a forwarder";
                self.problem(Code::BadClientCertificate, forwarder, what, "keep one of them");
                None
            }
        };
        let proof = self.proof(shown);
        Some(ClientCertificate { name, proof: proof?, holder: holder? })
    }

    fn proof(&mut self, shown: &mirror::ClientCertificate) -> Option<ClientProof> {
        let mirror::ClientCertificate { public_key_sha256, certificate_authority, subject_alternative_name, .. } =
            shown;
        match (public_key_sha256, certificate_authority, subject_alternative_name) {
            (Some(hash), None, None) => {
                let parsed = hash.get_ref().parse::<PublicKeyHash>();
                let mend = "copy the pin that `vnetdns certificate` prints, or that kdig takes with +tls-pin";
                // Not repeated in the message: the path may be confused with the place of a key.
                self.mended(hash, parsed, mend).map(ClientProof::PublicKey)
            }
            (None, Some(authority), Some(name)) => {
                let mend = "write a name or an address of the certificate, without wildcards";
                let host = self.mended(name, name.get_ref().parse::<HostName>(), mend);
                let text = self.authority(authority);
                match ClientProof::certified(&text?, host?) {
                    Ok(proof) => Some(proof),
                    Err(error) => {
                        self.problem(Code::BadCertificate, authority, error.to_string(), error.mend());
                        None
                    }
                }
            }
            (None, None, None) => {
                self.problem(
                    Code::BadClientCertificate,
                    &shown.name,
                    "a client certificate that nothing tells from others",
                    PROOF_MEND,
                );
                None
            }
            (Some(_), Some(other), _) | (Some(_), None, Some(other)) => {
                self.problem(
                    Code::BadClientCertificate,
                    other,
                    "a client certificate is known by its public key, or by who certifies it",
                    PROOF_MEND,
                );
                None
            }
            (None, Some(half), None) | (None, None, Some(half)) => {
                self.problem(
                    Code::BadClientCertificate,
                    half,
                    "an authority and a name tell a client certificate together",
                    PROOF_MEND,
                );
                None
            }
        }
    }

    /// The text of a file with an authority's certificate. It is not secret, but watched for changes like a secret.
    fn authority(&mut self, file: &Text) -> Option<impl std::ops::Deref<Target = str> + use<>> {
        let path = Files::relative(self.path, file.get_ref());
        match self.secret(&path) {
            Ok(text) => Some(text),
            Err(error) => {
                let what = format!("cannot read the certificate {}: {error}", path.display());
                self.problem(
                    Code::UnreadableFile,
                    file,
                    what,
                    files::mend(&error, "the path is relative to the folder of this file"),
                );
                None
            }
        }
    }

    fn mended<T, E: std::fmt::Display>(&mut self, at: &Spanned<String>, parsed: Result<T, E>, mend: &str) -> Option<T> {
        parsed.inspect_err(|error| self.problem(Code::BadClientCertificate, at, error.to_string(), mend)).ok()
    }
}
