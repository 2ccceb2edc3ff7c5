//! Calls to the cluster, by whichever member answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderValue;
use prost::Message;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::grpc::{Channel, Failure, INVALID_ARGUMENT, Messages, OUT_OF_RANGE, RESOURCE_EXHAUSTED, UNAUTHENTICATED};
use super::message::{AuthenticateRequest, AuthenticateResponse};
use crate::config::EtcdSettings;
use crate::tls;

/// Time limit for one call to a member.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// Calls members in turn until one answers, and stays with that one.
#[derive(Debug)]
pub(super) struct Client {
    settings: Arc<EtcdSettings>,
    endpoints: Vec<Uri>,
    tls: Option<Arc<ClientConfig>>,
    open: Mutex<Open>,
    /// The number of connections opened so far: it changes with the member or the connection.
    opened: AtomicU64,
}

#[derive(Debug)]
struct Open {
    at: usize,
    channel: Option<Channel>,
}

/// The configured certificates or keys are unusable.
#[derive(Debug, thiserror::Error)]
#[error("etcd cannot be asked: {0}")]
pub struct BadTls(String);

/// The TLS settings for members.
pub(super) fn tls_config(settings: &EtcdSettings) -> Result<Option<Arc<ClientConfig>>, BadTls> {
    let Some(authority) = &settings.authority else { return Ok(None) };
    let bad = |what: &str| BadTls(what.to_owned());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
        let certificate = certificate.map_err(|_| bad("etcd_ca holds no certificate in PEM"))?;
        roots.add(certificate).map_err(|_| bad("the certificate of etcd_ca cannot be used"))?;
    }
    if roots.is_empty() {
        return Err(bad("etcd_ca holds no certificate in PEM"));
    }
    let builder = ClientConfig::builder_with_provider(tls::provider()).with_safe_default_protocol_versions();
    let builder = builder.expect("the provider has the suites of these versions").with_root_certificates(roots);
    let mut config = match &settings.certificate {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
            let chain = chain.map_err(|_| bad("etcd_certificate holds no certificate in PEM"))?;
            let key = PrivateKeyDer::from_pem_slice(key.text().as_bytes());
            let key = key.map_err(|_| bad("etcd_key holds no private key in PEM"))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| bad(&error.to_string()))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Some(Arc::new(config)))
}

impl Client {
    pub(super) fn new(settings: Arc<EtcdSettings>, tls: Option<Arc<ClientConfig>>) -> Self {
        let endpoints = settings.endpoints.iter().filter_map(|endpoint| endpoint.parse().ok()).collect();
        let open = Mutex::new(Open { at: 0, channel: None });
        Self { settings, endpoints, tls, open, opened: AtomicU64::new(0) }
    }

    /// A unary call. If its outcome is unknown it is sent again to another member, so it must be idempotent.
    ///
    /// # Errors
    /// No member answers, or one refuses.
    pub(super) async fn call<A: Message + Default>(
        &self,
        path: &'static str,
        question: &impl Message,
    ) -> Result<A, Failure> {
        let mut lost = None;
        let mut failure = Failure::Connect("no member is listed".to_owned());
        // One more attempt than there are members: the token for the first one may have expired.
        for _ in 0..=self.endpoints.len() {
            let answer = match self.channel().await {
                Ok(channel) => {
                    let answer = timeout(CALL_TIMEOUT, channel.call(path, question)).await;
                    answer.unwrap_or_else(|_| Err(Failure::Lost("a member takes too long".to_owned())))
                }
                Err(failure) => Err(failure),
            };
            failure = match answer {
                Ok(answer) => return Ok(answer),
                Err(failure) if is_final(&failure) => return Err(failure),
                Err(failure) => failure,
            };
            self.leave().await;
            if matches!(failure, Failure::Lost(_) | Failure::Status { .. }) {
                lost = Some(failure.clone());
            }
        }
        // A failure whose outcome is unknown takes precedence over one that changed nothing.
        Err(match lost {
            Some(Failure::Status { message, .. }) => Failure::Lost(message),
            Some(lost) => lost,
            None => failure,
        })
    }

    /// A call with a stream of responses, from the current member.
    pub(super) async fn stream(&self, path: &'static str, question: &impl Message) -> Result<Messages, Failure> {
        let channel = self.channel().await?;
        let opened = timeout(CALL_TIMEOUT, channel.stream(path, question)).await;
        opened.unwrap_or_else(|_| Err(Failure::Lost("a member takes too long".to_owned())))
    }

    /// Switches to the next member.
    pub(super) async fn leave(&self) {
        let mut open = self.open.lock().await;
        open.channel = None;
        open.at = (open.at + 1) % self.endpoints.len().max(1);
    }

    /// The number of the current connection.
    pub(super) fn connection(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    async fn channel(&self) -> Result<Channel, Failure> {
        let mut open = self.open.lock().await;
        if let Some(channel) = &open.channel {
            return Ok(channel.clone());
        }
        let Some(endpoint) = self.endpoints.get(open.at) else {
            return Err(Failure::Connect("no member is listed".to_owned()));
        };
        let mut channel = Channel::open(endpoint, self.tls.as_ref()).await?;
        if let Some((name, password)) = &self.settings.user {
            let question = AuthenticateRequest { name: name.clone(), password: password.text().to_owned() };
            let answer = channel.call("/etcdserverpb.Auth/Authenticate", &question);
            let answer = timeout(CALL_TIMEOUT, answer).await;
            let answer: AuthenticateResponse =
                answer.map_err(|_| Failure::Connect("a member takes too long".to_owned()))??;
            channel.token = HeaderValue::from_str(&answer.token).ok();
        }
        self.opened.fetch_add(1, Ordering::Relaxed);
        open.channel = Some(channel.clone());
        Ok(channel)
    }
}

/// Whether another member would give the same answer.
fn is_final(failure: &Failure) -> bool {
    match failure {
        Failure::Status { code: UNAUTHENTICATED, .. } => false,
        Failure::Status { code: INVALID_ARGUMENT, message } => !message.contains("token"),
        // "mvcc: required revision has been compacted", "mvcc: database space exceeded"
        Failure::Status { code: OUT_OF_RANGE | RESOURCE_EXHAUSTED, .. } => true,
        _ => false,
    }
}
