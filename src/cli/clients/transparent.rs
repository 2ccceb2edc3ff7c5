//! `vnetdns clients --transparent`: a CONNECT proxy (RFC 9110 §9.3.6) for clients that only connect to Azure's own addresses.
//!
//! It relays connections to the two hosts that such clients use to the management API, without decrypting them: TLS ends at the
//! API. Everything else is refused, so that no credentials for another host arrive here, and no other host can be reached through
//! it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::settings::quoted;
use crate::cli::print;
use crate::cli::resource::Api;

/// The hosts of Azure Resource Manager and Microsoft Entra ID in the public cloud, and their port.
const HOSTS: [&str; 2] = ["management.azure.com", "login.microsoftonline.com"];
const PORT: &str = "443";
/// Most connections at a time; further ones wait to be accepted.
const CONNECTIONS: usize = 256;
/// Longest head of a request, in octets.
const MAX_HEAD: usize = 8 << 10;
/// Time limit for a client to send its head, and for the connection to the API.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one direction may continue after the other has ended. The API closes idle connections.
const LINGER: Duration = Duration::from_secs(10);
/// Pause after accepting a connection failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Relays until the process is stopped.
///
/// # Errors
/// The address is not a loopback address or not free, or the API does not present a certificate for the hosts.
pub(super) fn run(address: SocketAddr, api: String, ca: &Path) -> anyhow::Result<()> {
    if !address.ip().is_loopback() {
        bail!("--proxy {address} is beyond loopback: whoever reaches the proxy is relayed; name a loopback address");
    }
    let shown = Api::new(api.clone(), ca, String::new())?;
    for host in HOSTS {
        if !shown.is(host)? {
            let listed = HOSTS.map(|host| format!("\"{host}\"")).join(", ");
            bail!("the certificate of https://{api} is not for {host}: write hosts = [{listed}] in [management]");
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("cannot listen on {address}; name another with --proxy"))?;
        let (address, ca) = (listener.local_addr()?, quoted(&ca.display().to_string()));
        let [management, login] = HOSTS;
        print(&format!(
            "# {management} and {login} are relayed to {api}. For the client:\n\
             export HTTPS_PROXY=http://{address} REQUESTS_CA_BUNDLE={ca} SSL_CERT_FILE={ca} NODE_EXTRA_CA_CERTS={ca}\n"
        ))?;
        serve(listener, api.into()).await;
        Ok(())
    })
}

/// Accepts connections and relays them to the API; never returns.
async fn serve(listener: TcpListener, api: Arc<str>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
        let Ok((client, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let api = api.clone();
        tokio::spawn(async move {
            // A connection that fails is closed, which its client notices.
            let _ = carry(client, &api).await;
            drop(place);
        });
    }
}

/// Why a request is not relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    NoRequest,
    OtherMethod,
    OtherHost,
    Unreachable,
}

impl Refusal {
    /// The whole response.
    fn response(self) -> String {
        let [management, login] = HOSTS;
        let (status, message) = match self {
            Self::NoRequest => ("400 Bad Request", "this is no request of HTTP/1.1".to_owned()),
            Self::OtherMethod => ("405 Method Not Allowed", "this proxy answers CONNECT alone".to_owned()),
            Self::OtherHost => {
                ("403 Forbidden", format!("this proxy relays {management}:{PORT} and {login}:{PORT} alone"))
            }
            Self::Unreachable => ("502 Bad Gateway", "the management API does not accept connections".to_owned()),
        };
        let length = message.len() + 1;
        format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{message}\n"
        )
    }
}

/// Relays one connection until it ends.
async fn carry(mut client: TcpStream, api: &str) -> io::Result<()> {
    let _ = client.set_nodelay(true);
    let head = timeout(HEAD_TIMEOUT, read_head(&mut client)).await??;
    let opened = match head.as_deref().ok_or(Refusal::NoRequest).and_then(wanted) {
        Ok(()) => {
            timeout(HEAD_TIMEOUT, TcpStream::connect(api)).await.ok().and_then(Result::ok).ok_or(Refusal::Unreachable)
        }
        Err(refusal) => Err(refusal),
    };
    let mut server = match opened {
        Ok(server) => server,
        Err(refusal) => {
            client.write_all(refusal.response().as_bytes()).await?;
            return client.shutdown().await;
        }
    };
    let _ = server.set_nodelay(true);
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let sent = pass(from_client, to_server);
    let answered = pass(from_server, to_client);
    tokio::pin!(sent, answered);
    tokio::select! {
        sent = &mut sent => {
            sent?;
            timeout(LINGER, answered).await?
        }
        answered = &mut answered => {
            answered?;
            timeout(LINGER, sent).await?
        }
    }
}

/// Copies octets until the end of the stream, and then closes the other side too.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    copy(&mut from, &mut to).await?;
    to.shutdown().await
}

/// The head of a request. A client sends nothing more before it gets a response. `None` if the head is too long, or the client
/// closes the connection before its end.
async fn read_head(client: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD || client.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(head))
}

/// Whether a head requests one of the hosts.
fn wanted(head: &[u8]) -> Result<(), Refusal> {
    let head = std::str::from_utf8(head).map_err(|_| Refusal::NoRequest)?;
    let words: Vec<_> = head.lines().next().unwrap_or_default().split(' ').collect();
    let [method, target, "HTTP/1.1" | "HTTP/1.0"] = words[..] else { return Err(Refusal::NoRequest) };
    if method != "CONNECT" {
        return Err(Refusal::OtherMethod);
    }
    let (host, port) = target.rsplit_once(':').ok_or(Refusal::NoRequest)?;
    let is_known = port == PORT && HOSTS.iter().any(|known| host.eq_ignore_ascii_case(known));
    if is_known { Ok(()) } else { Err(Refusal::OtherHost) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hosts_and_nothing_else_are_relayed() {
        for (line, expected) in [
            ("CONNECT management.azure.com:443 HTTP/1.1", Ok(())),
            ("CONNECT Login.MicrosoftOnline.com:443 HTTP/1.0", Ok(())),
            ("CONNECT management.azure.com:80 HTTP/1.1", Err(Refusal::OtherHost)),
            ("CONNECT management.azure.com.evil.test:443 HTTP/1.1", Err(Refusal::OtherHost)),
            ("CONNECT evil.test:443@management.azure.com:443 HTTP/1.1", Err(Refusal::OtherHost)),
            ("CONNECT 127.0.0.1:443 HTTP/1.1", Err(Refusal::OtherHost)),
            ("CONNECT [::1]:443 HTTP/1.1", Err(Refusal::OtherHost)),
            ("CONNECT management.azure.com HTTP/1.1", Err(Refusal::NoRequest)),
            ("GET http://management.azure.com/ HTTP/1.1", Err(Refusal::OtherMethod)),
            ("CONNECT management.azure.com:443", Err(Refusal::NoRequest)),
            ("CONNECT  management.azure.com:443 HTTP/1.1", Err(Refusal::NoRequest)),
            ("\u{16}\u{3}\u{1}", Err(Refusal::NoRequest)),
            ("", Err(Refusal::NoRequest)),
        ] {
            assert_eq!(wanted(format!("{line}\r\nHost: x\r\n\r\n").as_bytes()), expected, "{line}");
        }
        assert_eq!(wanted(b"CONNECT \xff:443 HTTP/1.1\r\n\r\n"), Err(Refusal::NoRequest));
    }
}
