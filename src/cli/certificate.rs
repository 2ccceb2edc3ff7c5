//! `vnetdns certificate`: certificates for a lab, by an authority of its own.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, bail};
use clap::Args;
use zeroize::Zeroizing;

use super::print;
use crate::management::key_files;
use crate::tls::{Authority, HostName, IssueError, Issued, Usage};

/// Validity of an authority in days: ten years.
const AUTHORITY_DAYS: u32 = 3653;

/// Make certificates for a lab: an authority that can certify nothing but the lab's hosts, a server, clients
#[derive(Debug, Args)]
#[command(after_help = "\
The first run makes the authority, ca.pem and ca.key, for the names of that run and those below them; further runs use
it. It is installed nowhere: whoever shall trust it gets ca.pem. Keys are readable by their owner only. A certificate that
is there already is renewed with the key that it has. For anything but a lab take certificates of your own authority.

Examples:
  vnetdns certificate lab-tls --host dns.lab.internal --host 127.0.0.1     server.pem and server.key
  vnetdns certificate lab-tls --host lab.internal --client spoke-1.lab.internal
                                                                  and client-spoke-1.lab.internal.pem and .key")]
pub(super) struct Certificate {
    /// The folder for the files; it is made where it is not there
    folder: PathBuf,
    /// A name or an address of the server; may be repeated, one certificate is for all of them
    #[arg(long, value_name = "NAME|ADDR", required_unless_present = "client")]
    host: Vec<HostName>,
    /// A name for a client, which gets a certificate of its own; may be repeated
    #[arg(long, value_name = "NAME")]
    client: Vec<HostName>,
    /// How many days the certificates are valid; the authority is for ten years
    #[arg(long, value_name = "DAYS", default_value = "365", value_parser = clap::value_parser!(u32).range(1..=i64::from(AUTHORITY_DAYS)))]
    days: u32,
}

impl Certificate {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let now = SystemTime::UNIX_EPOCH.elapsed().context("this machine's clock stands before 1970")?.as_secs();
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make the folder {}", self.folder.display()))?;
        let mut text = String::new();
        let authority = self.authority(now, &mut text)?;
        if !self.host.is_empty() {
            let hosts = listed(&self.host);
            let (paths, issued) = self.issue(&authority, "server", &self.host, Usage::Server, now)?;
            writeln!(text, "{}\n  the server's certificate, for {hosts}", paths[0].display())?;
            writeln!(text, "  its key is {}, its pin {}", paths[1].display(), issued.public_key_hash)?;
        }
        for client in &self.client {
            let names = std::slice::from_ref(client);
            let (paths, issued) = self.issue(&authority, &format!("client-{client}"), names, Usage::Client, now)?;
            writeln!(text, "{}\n  the certificate of a client, {client}", paths[0].display())?;
            writeln!(text, "  its key is {}, its pin {}", paths[1].display(), issued.public_key_hash)?;
        }
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The authority in the directory, or a new one.
    fn authority(&self, now: u64, text: &mut String) -> anyhow::Result<Authority> {
        let (certificate, key) = (self.folder.join("ca.pem"), self.folder.join("ca.key"));
        match (read(&certificate)?, read(&key)?) {
            (Some(pem), Some(secret)) => Authority::from_pem(&pem, &secret).with_context(|| {
                format!("cannot use {} and {}: take another folder", certificate.display(), key.display())
            }),
            (None, None) => {
                let hosts = [&self.host[..], &self.client[..]].concat();
                let authority = Authority::new(&hosts, now, AUTHORITY_DAYS)?;
                let (pem, secret) = authority.pem();
                write_key(&key, &secret)?;
                replace(&certificate, pem, false)?;
                writeln!(text, "{}", certificate.display())?;
                writeln!(text, "  an authority that can certify {} and names below, nothing else", listed(&hosts))?;
                writeln!(text, "  its key is {}; give ca.pem to those who shall trust the lab", key.display())?;
                Ok(authority)
            }
            (has_certificate, _) => {
                let (there, missing) = if has_certificate.is_some() { (certificate, key) } else { (key, certificate) };
                bail!(
                    "{} is there, but {} is not: take another folder, or remove the first, so that a new authority is made",
                    there.display(),
                    missing.display()
                );
            }
        }
    }

    /// Creates a certificate and writes it, with the existing key or a new one.
    fn issue(
        &self,
        authority: &Authority,
        stem: &str,
        hosts: &[HostName],
        usage: Usage,
        now: u64,
    ) -> anyhow::Result<([PathBuf; 2], Issued)> {
        let [certificate, key] = ["pem", "key"].map(|extension| self.folder.join(format!("{stem}.{extension}")));
        let known = read(&key)?;
        let issued = authority.issue(hosts, usage, known.as_ref().map(|key| key.as_str()), now, self.days);
        let issued = issued.map_err(|error| match error {
            IssueError::NotAllowed(..) => anyhow::Error::new(error).context(format!(
                "{} cannot certify that: name all hosts when an authority is made, in another folder, or remove ca.pem \
                 and ca.key here, and give the new ca.pem to all who trust the old one",
                self.folder.join("ca.pem").display()
            )),
            IssueError::Unreadable => anyhow::Error::new(error)
                .context(format!("{} is no key that can be used; remove it, and a new one is made", key.display())),
            error => error.into(),
        })?;
        if known.is_none() {
            write_key(&key, &issued.key)?;
        }
        replace(&certificate, &issued.certificate, false)?;
        Ok(([certificate, key], issued))
    }
}

fn listed(hosts: &[HostName]) -> String {
    hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The text of a file; `None` if it does not exist.
fn read(path: &Path) -> anyhow::Result<Option<Zeroizing<String>>> {
    key_files::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write_key(path: &Path, key: &str) -> anyhow::Result<()> {
    replace(path, key, true)
}

fn replace(path: &Path, text: &str, is_secret: bool) -> anyhow::Result<()> {
    key_files::replace(path, text, is_secret).with_context(|| format!("cannot write {}", path.display()))
}
