//! The transport that a forwarder uses, and what it verifies of the server.

use anyhow::{Context, bail};
use clap::ValueEnum;

use super::{Forwarders, Program};
use crate::config::{Certificates, EncryptedTransport, Listen};
use crate::tls::HostName;

/// By which transport a program asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Over {
    /// UDP and TCP
    Clear,
    /// DNS over TLS
    Tls,
}

/// What a program verifies of the server.
pub(super) struct Tls {
    /// The name in the server's certificate.
    pub(super) host: HostName,
    /// The file with the authority's certificate; without it, the authorities that the program's host trusts.
    pub(super) authority: Option<String>,
}

impl Over {
    /// The default port.
    pub(super) const fn port(self) -> u16 {
        match self {
            Self::Clear => 53,
            Self::Tls => 853,
        }
    }

    /// Whether a listener accepts this transport.
    pub(super) fn is_that_of(self, listen: &Listen) -> bool {
        match (self, &listen.encryption) {
            (Self::Clear, None) => true,
            (Self::Tls, Some(encryption)) => matches!(encryption.transport, EncryptedTransport::Tls),
            (Self::Clear, Some(_)) | (Self::Tls, None) => false,
        }
    }

    /// Refuses programs that do not support it, and options without effect.
    pub(super) fn require(self, asked: &Forwarders) -> anyhow::Result<()> {
        let Forwarders { program, host, authority, .. } = asked;
        if self == Self::Clear {
            if host.is_some() || authority.is_some() {
                bail!("--host and --authority are for --over tls: add it");
            }
            return Ok(());
        }
        match program {
            Program::Dnsmasq | Program::Windows | Program::Delegation => bail!(
                "{} does not ask over TLS; BIND, Unbound, dnsdist, PowerDNS Recursor, Knot Resolver, CoreDNS and \
                 systemd-resolved do",
                program.name()
            ),
            Program::PdnsRecursor if host.is_some() || authority.is_some() => {
                bail!("PowerDNS Recursor checks no certificate: leave out --host and --authority")
            }
            Program::SystemdResolved if authority.is_some() => bail!(
                "systemd-resolved takes the authorities that its host trusts: add the file there, with \
                 update-ca-certificates for instance, and leave out --authority"
            ),
            _ => Ok(()),
        }
    }
}

impl Tls {
    /// The given values, or those from the listener's certificate.
    pub(super) fn new<'a>(
        asked: &Forwarders,
        mut listeners: impl Iterator<Item = &'a Listen>,
        certificates: &Certificates,
    ) -> anyhow::Result<Self> {
        let authority = asked.authority.clone();
        if authority.as_ref().is_some_and(|file| file.is_empty() || file.contains(['"', '\'', '\\', '\n'])) {
            bail!("--authority: no configuration can hold that name of a file");
        }
        let name_of = |listen: &Listen| certificates.of(listen.encryption.as_ref()?)?.first_name();
        let host = asked.host.clone().or_else(|| listeners.find_map(name_of)).filter(|host| host.address().is_none());
        let host = host.context(
            "there is no name that the program could check: no listener with transport = \"tls\" has a certificate for \
             one; give --host NAME",
        )?;
        Ok(Self { host, authority })
    }
}
