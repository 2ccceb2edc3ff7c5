//! A client of the management API: one request per connection, HTTP/1.1 over TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::tls;

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest response, in octets.
const MAX_ANSWER: u64 = 64 << 20;

/// A server.
pub(in crate::cli) struct Api {
    /// Host and port.
    authority: String,
    config: Arc<ClientConfig>,
    version: String,
    token: Option<Zeroizing<String>>,
}

/// A response.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    head: String,
    pub(super) body: Value,
}

impl Reply {
    /// A header; its name is in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The server's error message.
    pub(super) fn refusal(&self) -> anyhow::Error {
        let error = self.body.get("error").filter(|error| error.is_object()).unwrap_or(&self.body);
        let said = |name: &str| error.get(name).and_then(Value::as_str);
        match (said("code"), said("message")) {
            (Some(code), Some(message)) => anyhow!("{code} ({}): {message}", self.status),
            _ => anyhow!("the server answers with status {}", self.status),
        }
    }
}

impl Api {
    /// The server at a host and port, with a certificate of an authority.
    pub(in crate::cli) fn new(authority: String, ca: &Path, version: String) -> anyhow::Result<Self> {
        let pem = std::fs::read(ca).with_context(|| format!("cannot read {}; name ca.pem with --ca", ca.display()))?;
        let certificate =
            CertificateDer::from_pem_slice(&pem).map_err(|_| anyhow!("{} is no certificate in PEM", ca.display()))?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).with_context(|| format!("{} cannot be trusted", ca.display()))?;
        let builder = ClientConfig::builder_with_provider(tls::provider()).with_safe_default_protocol_versions()?;
        let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
        Ok(Self { authority, config, version, token: None })
    }

    /// Requests a token for a client.
    pub(super) fn log_in(&mut self, id: &str, file: &Path) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let secret = Zeroizing::new(text);
        let form =
            format!("grant_type=client_credentials&client_id={}&client_secret={}", escaped(id), escaped(secret.trim()));
        let reply = self.send("POST", "/common/oauth2/v2.0/token", &Zeroizing::new(form))?;
        let Some(token) = reply.body.get("access_token").and_then(Value::as_str) else {
            bail!("the server gives no token for {id}: see [[management.client]]");
        };
        self.token = Some(Zeroizing::new(token.to_owned()));
        Ok(())
    }

    /// Path and query of a resource.
    pub(super) fn of(&self, id: &str) -> String {
        let path = if id.starts_with('/') { id.to_owned() } else { format!("/{id}") };
        format!("{}?api-version={}", path.replace(' ', "%20"), self.version)
    }

    /// Path and query of a URL on this server.
    pub(super) fn own(&self, url: &str) -> anyhow::Result<String> {
        let own = url.strip_prefix(&format!("https://{}", self.authority)).filter(|rest| rest.starts_with('/'));
        own.map(str::to_owned).with_context(|| format!("the server names {url}, which is another one"))
    }

    /// Reads a resource.
    pub(super) fn get(&self, id: &str) -> anyhow::Result<Reply> {
        self.ask("GET", &self.of(id), None)
    }

    /// Sends a request; a refusal is an error.
    pub(super) fn ask(&self, method: &str, target: &str, body: Option<&Value>) -> anyhow::Result<Reply> {
        let reply = self.ask_any(method, target, body)?;
        if (200..300).contains(&reply.status) { Ok(reply) } else { Err(reply.refusal()) }
    }

    /// Sends a request, and returns any response.
    pub(super) fn ask_any(&self, method: &str, target: &str, body: Option<&Value>) -> anyhow::Result<Reply> {
        self.send(method, target, &body.map(Value::to_string).unwrap_or_default())
    }

    /// Whether the server's certificate is for a host.
    pub(in crate::cli) fn is(&self, host: &str) -> anyhow::Result<bool> {
        use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
        let mut stream = self.connect(host)?;
        while stream.conn.is_handshaking() {
            let Err(error) = stream.conn.complete_io(&mut stream.sock) else { continue };
            return match error.get_ref().and_then(|error| error.downcast_ref()) {
                Some(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => Ok(false),
                _ => Err(error).context("the connection fails: is --ca the server's authority?"),
            };
        }
        Ok(true)
    }

    /// A new connection.
    fn connect(&self, host: &str) -> anyhow::Result<StreamOwned<ClientConnection, TcpStream>> {
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
        let name = name.map_err(|_| anyhow!("{host} is no host"))?;
        let connection = ClientConnection::new(self.config.clone(), name)?;
        let socket = TcpStream::connect(&self.authority);
        let socket =
            socket.with_context(|| format!("no server answers on {}; configure [management]", self.authority))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(StreamOwned::new(connection, socket))
    }

    fn send(&self, method: &str, target: &str, body: &str) -> anyhow::Result<Reply> {
        if target.contains(|letter: char| letter.is_control() || letter == ' ') {
            bail!("{target:?} is no resource ID");
        }
        let (host, _) = self.authority.rsplit_once(':').context("write --api as HOST:PORT")?;
        let mut stream = self.connect(host)?;
        let token = self.token.as_ref().map(|token| format!("Authorization: Bearer {}\r\n", token.as_str()));
        let head = Zeroizing::new(format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n{}\r\n",
            self.authority,
            body.len(),
            token.unwrap_or_default()
        ));
        stream.write_all(head.as_bytes()).context("the connection fails: is --ca the server's authority?")?;
        stream.write_all(body.as_bytes())?;
        let mut answer = Vec::new();
        let read = (&mut stream).take(MAX_ANSWER).read_to_end(&mut answer);
        if let Err(error) = read
            && answer.is_empty()
        {
            return Err(error).context("the server does not answer");
        }
        let answer = String::from_utf8(answer).context("the server's answer is no text")?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the server does not speak HTTP")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("it says no status")?;
        Ok(Reply { status, head: head.to_owned(), body: serde_json::from_str(body).unwrap_or_default() })
    }
}

/// Text within a form.
fn escaped(text: &str) -> String {
    let octet = |octet: u8| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(octet).to_string(),
        octet => format!("%{octet:02X}"),
    };
    text.bytes().map(octet).collect()
}
