//! The layout of the state in etcd, and commits to it.
//!
//! Below the prefix are `meta` (the format and the ID of the store), `head` (the revision of the last commit), `last` (the name
//! of that commit), `d/…` (a document for each key), `replica/…` (the digest of each live replica's files) and `keys`. A commit
//! is one transaction: it compares `meta`, `head` and every `replica/…`, and writes documents, `head` and `last`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::client::{BadTls, Client, tls_config};
use super::grpc::{Failure, INVALID_ARGUMENT};
use super::known::Known;
use super::message::{
    Compare, KeyValue, LeaseGrantRequest, LeaseRequest, LeaseResponse, PutRequest, RangeRequest, RangeResponse,
    RequestOp, TxnRequest, TxnResponse,
};
use crate::config::EtcdSettings;
use crate::state::{
    Digest, Document, Documents, Key, Mark, Proposal, Reader, Revision, Shared, SharedError, Store, StoreError, StoreId,
};

pub(super) const RANGE: &str = "/etcdserverpb.KV/Range";
pub(super) const TXN: &str = "/etcdserverpb.KV/Txn";
/// The version of the layout.
const FORMAT: u64 = 1;
/// Maximum operations of a transaction: etcd takes 128.
const MAX_OPERATIONS: usize = 120;
/// Documents in one page. The largest that etcd takes has 1.5 MiB.
const PAGE: i64 = 128;
/// How long a silent replica counts as alive, in seconds.
const LEASE_SECONDS: i64 = 20;

/// A replica's access to the cluster.
#[derive(Debug)]
pub struct Cluster {
    prefix: Vec<u8>,
    pub(super) settings: Arc<EtcdSettings>,
    /// The client for commits; the follower has its own.
    commits: Client,
    pub(super) follows: Client,
    /// The runtime for commits.
    runtime: OnceLock<Handle>,
    /// The name of this replica.
    name: String,
    lease: AtomicI64,
    /// Why commits are refused now.
    refusal: Mutex<Option<String>>,
    /// Notified when the digests of files must be compared again.
    pub(super) files: tokio::sync::Notify,
    commit_number: AtomicU64,
    /// Distinguishes the commits of this process from all others.
    nonce: u64,
    /// The ID of the store, once it is known.
    store: Mutex<Option<StoreId>>,
}

/// What the cluster holds besides documents.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) mark: Mark,
    pub(super) store: Option<StoreId>,
    pub(super) head: Revision,
    /// The digests of the files of each replica.
    pub(super) replicas: BTreeMap<String, String>,
}

/// Why the cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The configuration is unusable.
    #[error(transparent)]
    Tls(#[from] BadTls),
    /// No member answers.
    #[error("etcd does not answer: {0}")]
    Away(String),
    /// The local state fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cluster holds something else.
    #[error("{0}")]
    Foreign(String),
}

impl From<Failure> for ClusterError {
    fn from(failure: Failure) -> Self {
        Self::Away(failure.to_string())
    }
}

impl Cluster {
    /// Creates access with these settings; `name` is the name of this replica.
    ///
    /// # Errors
    /// Its certificates or keys cannot be used.
    pub fn new(settings: EtcdSettings, name: String) -> Result<Self, ClusterError> {
        let tls = tls_config(&settings)?;
        let settings = Arc::new(settings);
        let mut nonce = [0; 8];
        // It needs to differ between processes only; the time does as well.
        if getrandom::fill(&mut nonce).is_err() {
            let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
            nonce = (now.as_nanos() as u64).to_be_bytes();
        }
        Ok(Self {
            prefix: settings.prefix.as_bytes().to_vec(),
            commits: Client::new(settings.clone(), tls.clone()),
            follows: Client::new(settings.clone(), tls),
            settings,
            runtime: OnceLock::new(),
            name,
            lease: AtomicI64::new(0),
            refusal: Mutex::new(None),
            files: tokio::sync::Notify::new(),
            commit_number: AtomicU64::new(0),
            nonce: u64::from_be_bytes(nonce),
            store: Mutex::new(None),
        })
    }

    /// Sets the runtime for commits.
    pub fn run_on(&self, runtime: Handle) {
        // The first value stays.
        let _ = self.runtime.set(runtime);
    }

    /// The name of this replica.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Compares the files of replicas at once, after a reload.
    pub fn files_changed(&self) {
        self.files.notify_one();
    }

    pub(super) fn key(&self, name: &str) -> Vec<u8> {
        [&self.prefix, name.as_bytes()].concat()
    }

    /// The name behind the prefix.
    pub(super) fn name_of<'a>(&self, key: &'a [u8]) -> Option<&'a str> {
        std::str::from_utf8(key.strip_prefix(&*self.prefix)?).ok()
    }

    fn document_key(&self, key: &Key) -> Vec<u8> {
        self.key(&format!("d{key}"))
    }

    fn replica(&self) -> Vec<u8> {
        self.key(&format!("replica/{}", self.name))
    }

    pub(super) fn set_store(&self, id: StoreId) {
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    }

    /// Refuses all commits for this reason, or accepts them again.
    pub(super) fn refuse(&self, why: Option<String>) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Reads everything except documents, at one revision.
    ///
    /// # Errors
    /// No member answers.
    pub(super) async fn look(&self) -> Result<Seen, Failure> {
        let ranges = [RangeRequest::of(self.key("meta")), RangeRequest::of(self.key("head"))];
        let ranges = ranges.into_iter().chain([RangeRequest::within(self.key("replica/"))]);
        let question = TxnRequest { success: ranges.map(RequestOp::range).collect(), ..TxnRequest::default() };
        let answer: TxnResponse = self.follows.call(TXN, &question).await?;
        self.seen(&answer)
    }

    fn seen(&self, answer: &TxnResponse) -> Result<Seen, Failure> {
        let header = answer.header.clone().ok_or_else(|| Failure::Lost("an answer without a head".to_owned()))?;
        let mark = Mark { cluster: header.cluster_id, revision: header.revision.unsigned_abs() };
        let mut seen = Seen { mark, store: None, head: Revision(0), replicas: BTreeMap::new() };
        let found = answer.responses.iter().filter_map(|response| response.range.as_ref());
        for KeyValue { key, value, .. } in found.flat_map(|range| &range.kvs) {
            let text = String::from_utf8_lossy(value);
            match self.name_of(key) {
                Some("meta") => seen.store = store_of(value),
                Some("head") => seen.head = Revision(text.parse().unwrap_or_default()),
                Some(name) => {
                    if let Some(replica) = name.strip_prefix("replica/") {
                        seen.replicas.insert(replica.to_owned(), text.into_owned());
                    }
                }
                None => {}
            }
        }
        Ok(seen)
    }

    /// What a reader must change to have the documents of the cluster at a revision.
    ///
    /// # Errors
    /// No member answers, or the local state cannot be read.
    pub(super) async fn difference(&self, reader: &Reader, revision: u64) -> Result<Documents, ClusterError> {
        let mut difference = Documents::new();
        let within = RangeRequest::within(self.key("d/"));
        let (mut start, mut known) = (within.key.clone(), Known::new(reader));
        loop {
            let question = RangeRequest {
                key: start.clone(),
                range_end: within.range_end.clone(),
                limit: PAGE,
                revision: i64::try_from(revision).unwrap_or(i64::MAX),
            };
            let page: RangeResponse = self.follows.call(RANGE, &question).await?;
            for KeyValue { key, value, .. } in &page.kvs {
                let Some(name) = self.name_of(key).and_then(|name| name.strip_prefix('d')) else { continue };
                let Some(there) = document(name, value) else { continue };
                let key = Key::new(name);
                while let Some(gone) = known.next_before(&key)? {
                    difference.insert(gone.key(), None);
                }
                if known.take(&key)?.as_ref() != Some(&there) {
                    difference.insert(key, Some(there));
                }
            }
            match page.kvs.last() {
                Some(last) if page.more => start = [&*last.key, &[0]].concat(),
                _ => break,
            }
        }
        while let Some(gone) = known.next()? {
            difference.insert(gone.key(), None);
        }
        Ok(difference)
    }

    /// Publishes the digest of this replica's files, for as long as it lives.
    ///
    /// # Errors
    /// No member answers.
    pub(super) async fn register(&self, client: &Client, files: Digest) -> Result<(), Failure> {
        let known = self.lease.load(Ordering::Relaxed);
        let mut lease = 0;
        if known != 0 {
            let kept: LeaseResponse =
                client.call("/etcdserverpb.Lease/LeaseKeepAlive", &LeaseRequest { id: known }).await?;
            lease = if kept.ttl > 0 { known } else { 0 };
        }
        if lease == 0 {
            let granted: LeaseResponse =
                client.call("/etcdserverpb.Lease/LeaseGrant", &LeaseGrantRequest { ttl: LEASE_SECONDS }).await?;
            lease = granted.id;
            self.lease.store(lease, Ordering::Relaxed);
        }
        let put = PutRequest { key: self.replica(), value: files.to_string().into_bytes(), lease };
        let put = vec![RequestOp { put: Some(put), ..RequestOp::default() }];
        let question = match known == lease {
            // An unchanged value is not written again.
            true => {
                let compare = vec![Compare::equal(self.replica(), files.to_string())];
                TxnRequest { compare, failure: put, ..TxnRequest::default() }
            }
            false => TxnRequest { success: put, ..TxnRequest::default() },
        };
        let _: TxnResponse = client.call(TXN, &question).await?;
        Ok(())
    }

    /// Withdraws this replica.
    pub(super) async fn deregister(&self) {
        let id = self.lease.swap(0, Ordering::Relaxed);
        if id != 0 {
            // If this fails, the lease expires.
            let _ = self.follows.call::<LeaseResponse>("/etcdserverpb.Lease/LeaseRevoke", &LeaseRequest { id }).await;
        }
    }

    async fn commit_async(&self, proposal: &Proposal<'_>) -> Result<Mark, SharedError> {
        if let Some(why) = self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Err(SharedError::Unavailable(why));
        }
        let Some(store) = *self.store.lock().unwrap_or_else(PoisonError::into_inner) else {
            return Err(SharedError::Unavailable("etcd has not been reached yet".to_owned()));
        };
        let number = self.commit_number.fetch_add(1, Ordering::Relaxed);
        let commit = format!("{:016x}-{number}", self.nonce);
        let question = self.transaction(proposal, store, &commit)?;
        let mut is_registered = false;
        loop {
            let answer: Result<TxnResponse, _> = self.commits.call(TXN, &question).await;
            let answer = answer.map_err(|failure| match failure {
                Failure::Connect(why) => SharedError::Unavailable(format!("etcd does not answer: {why}")),
                Failure::Lost(why) => SharedError::Unknown(format!("etcd does not answer: {why}")),
                Failure::Status { code: INVALID_ARGUMENT, message } => SharedError::TooLarge(message),
                Failure::Status { message, .. } => SharedError::Unavailable(format!("etcd refuses it: {message}")),
            })?;
            let seen = self.seen(&answer).map_err(|failure| SharedError::Unknown(failure.to_string()))?;
            if answer.succeeded {
                return Ok(seen.mark);
            }
            let own = answer.responses.iter().filter_map(|response| response.range.as_ref());
            let own = own.flat_map(|range| &range.kvs).find(|known| self.name_of(&known.key) == Some("last"));
            // It was sent before and carried out.
            if let Some(own) = own.filter(|own| own.value == commit.as_bytes()) {
                return Ok(Mark { revision: own.mod_revision.unsigned_abs(), ..seen.mark });
            }
            let files = proposal.files.to_string();
            let other = seen.replicas.iter().find(|(name, digest)| **name != self.name && **digest != files);
            if seen.store != Some(store) {
                return Err(SharedError::Unavailable("etcd holds another store, or none".to_owned()));
            }
            if seen.head > proposal.expected {
                return Err(SharedError::Behind(seen.head));
            }
            if let Some((name, _)) = other {
                return Err(SharedError::Unavailable(differing(name)));
            }
            if seen.replicas.get(&self.name) != Some(&files) && !is_registered {
                let registered = self.register(&self.commits, proposal.files).await;
                registered.map_err(|failure| SharedError::Unavailable(format!("etcd does not answer: {failure}")))?;
                is_registered = true;
                continue;
            }
            return Err(SharedError::Unavailable("etcd is behind what it had: it was restored".to_owned()));
        }
    }

    fn transaction(&self, proposal: &Proposal<'_>, store: StoreId, commit: &str) -> Result<TxnRequest, SharedError> {
        let mut success =
            vec![RequestOp::put(self.key("head"), proposal.head.to_string()), RequestOp::put(self.key("last"), commit)];
        let mut within: Vec<String> = Vec::new();
        let is_large = proposal.documents.len() > MAX_OPERATIONS;
        for (key, document) in proposal.documents {
            // The contents of a deleted resource are deleted with it: the commit compares `head`, so nothing else can be there.
            if document.is_none() && within.iter().any(|gone| key.as_str().starts_with(gone)) {
                continue;
            }
            match document {
                Some(document) => success.push(RequestOp::put(self.document_key(key), document.encode())),
                None => {
                    success.push(RequestOp::delete(self.document_key(key)));
                    let all = Key::new(&format!("{key}/"));
                    let damaged = |error: StoreError| SharedError::Unavailable(error.to_string());
                    if is_large && proposal.takes_all(&all).map_err(damaged)? {
                        success.push(RequestOp::delete_within(self.document_key(&all)));
                        within.push(all.to_string());
                    }
                }
            }
        }
        if success.len() > MAX_OPERATIONS + 2 {
            return Err(SharedError::TooLarge(format!(
                "it changes {} documents, and one transaction of etcd takes {MAX_OPERATIONS}: change less at a time",
                proposal.documents.len()
            )));
        }
        let ranges = [
            RangeRequest::of(self.key("meta")),
            RangeRequest::of(self.key("head")),
            RangeRequest::of(self.key("last")),
            RangeRequest::within(self.key("replica/")),
        ];
        Ok(TxnRequest {
            compare: vec![
                Compare::equal(self.key("meta"), meta(store)),
                Compare::equal(self.key("head"), proposal.expected.to_string()),
                Compare::equal(self.replica(), proposal.files.to_string()),
                Compare::all_equal(self.key("replica/"), proposal.files.to_string()),
            ],
            success,
            failure: ranges.map(RequestOp::range).into_iter().collect(),
        })
    }
}

impl Shared for Cluster {
    fn commit(&self, proposal: &Proposal<'_>) -> Result<Mark, SharedError> {
        match self.runtime.get() {
            Some(runtime) => runtime.block_on(self.commit_async(proposal)),
            None => Err(SharedError::Unavailable("the server has not begun".to_owned())),
        }
    }
}

/// Says that the files of another replica differ.
pub(super) fn differing(name: &str) -> String {
    format!("the replica {name} has other files: give all replicas the same, and reload")
}

/// The value of `meta`.
pub(super) fn meta(store: StoreId) -> String {
    json!({ "format": FORMAT, "store": store.to_string() }).to_string()
}

/// The store in a value of `meta`; `None` if the format is unknown.
pub(super) fn store_of(value: &[u8]) -> Option<StoreId> {
    let value: Value = serde_json::from_slice(value).ok()?;
    let id = HEXLOWER.decode(value["store"].as_str()?.as_bytes()).ok()?;
    (value["format"].as_u64() == Some(FORMAT)).then_some(StoreId(id.try_into().ok()?))
}

/// Decodes a document of the cluster. A malformed one is logged and ignored.
pub(super) fn document(key: &str, octets: &[u8]) -> Option<Document> {
    let document = Document::decode(key, octets);
    if document.is_none() {
        tracing::error!(key, help = "delete the key", "what etcd holds at a key was not written by vnetdns");
    }
    document
}

impl Cluster {
    /// The documents of a store, in parts that fit into transactions.
    pub(super) fn chunks(&self, store: &Store) -> Result<Vec<Vec<RequestOp>>, StoreError> {
        let (mut chunks, mut octets) = (vec![Vec::new()], 0);
        store.read()?.each(|document| {
            let value = document.encode();
            octets += value.len();
            let last = chunks.last_mut().expect("there is one");
            let put = RequestOp::put(self.document_key(&document.key()), value);
            match last.len() >= MAX_OPERATIONS || octets > 1 << 20 {
                true => chunks.push(vec![put]),
                false => last.push(put),
            }
            if chunks.last().is_some_and(|last| last.len() == 1) {
                octets = 0;
            }
        })?;
        Ok(chunks)
    }
}
