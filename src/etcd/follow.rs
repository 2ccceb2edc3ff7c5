//! The loop that follows the cluster.
//!
//! A watch neither resumes nor notices that its server is gone, so the loop keeps its own position, the mark of the local store,
//! and compares the head of the cluster every few seconds with what has arrived. After a compaction, and periodically since a
//! compaction may swallow a delete, all documents are listed at one revision and the differences are applied.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::cluster::{Cluster, ClusterError, Seen, differing, document};
use super::grpc::{Failure, Messages};
use super::message::{Event, WatchCreateRequest, WatchRequest, WatchResponse, end};
use crate::control::{FollowError, Writer};
use crate::management::{followed, made};
use crate::observe::Condition;
use crate::state::{Documents, Key, Mark, Revision};

/// Interval between comparisons of the cluster's head with what has arrived.
const CHECK: Duration = Duration::from_secs(5);
/// The first and the longest pause after a failure.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Interval between comparisons of all documents; longer if one takes more than a twentieth of it.
const COMPARE: Duration = Duration::from_secs(300);

/// Subjects of a replica's conditions.
const ETCD: &str = "etcd";
const FILES: &str = "files of replicas";
const WORLD: &str = "state of replicas";

/// Follows a cluster.
#[derive(Debug)]
pub struct Follower {
    cluster: Arc<Cluster>,
    writer: Writer,
    /// When all documents are compared next.
    compare_at: Instant,
    /// Whether something is stored but not served.
    is_unserved: bool,
    /// The last logged reason.
    said: Option<String>,
}

/// Why the cluster is not followed now.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("etcd does not answer: {0}")]
    Failure(#[from] Failure),
    /// The cluster is not the one that was followed: nothing is applied.
    #[error("{0}")]
    Foreign(String),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// Continue at once, with another member or with a list of all documents.
    #[error("etcd's watch has ended")]
    Again,
}

/// The events of one revision.
#[derive(Debug, Default)]
struct Batch {
    head: Option<Revision>,
    documents: Documents,
    revision: u64,
    /// Whether the digest of a replica has changed.
    is_about_replicas: bool,
    /// Whether the store may have been replaced.
    is_about_store: bool,
}

impl Follower {
    /// Follows a cluster on behalf of a writer.
    pub fn new(cluster: Arc<Cluster>, writer: Writer) -> Self {
        Self { cluster, writer, compare_at: Instant::now() + COMPARE, is_unserved: false, said: None }
    }

    /// Follows until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut pause = PAUSES.0;
        loop {
            let began = Instant::now();
            let ended = tokio::select! {
                ended = self.session() => ended,
                () = stop.cancelled() => break,
            };
            if began.elapsed() > CHECK * 2 {
                pause = PAUSES.0;
            }
            match ended {
                Err(Stop::Again) => {}
                Err(why) => self.away(&why),
                Ok(never) => match never {},
            }
            tokio::select! {
                () = sleep(pause) => pause = (pause * 2).min(PAUSES.1),
                () = stop.cancelled() => break,
            }
            self.cluster.follows.leave().await;
        }
        self.cluster.deregister().await;
    }

    async fn session(&mut self) -> Result<std::convert::Infallible, Stop> {
        let seen = self.look().await?;
        self.register().await?;
        let mark = self.mark()?;
        let connection = self.cluster.follows.connection();
        let mut watch = self.watch(mark.revision + 1).await?;
        self.is_well();
        self.compare_replicas(&seen);
        let mut checks = interval(CHECK);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        checks.reset();
        let mut before = Revision(0);
        loop {
            let cluster = self.cluster.clone();
            tokio::select! {
                batch = watch.next(&cluster) => {
                    let batch = batch.map_err(|failure| {
                        tracing::info!("etcd's watch has ended, and begins again: {failure}");
                        Stop::Again
                    })?;
                    let Some(batch) = batch else {
                        tracing::info!("what came meanwhile is compacted: all documents are compared");
                        self.list(false).await?;
                        return Err(Stop::Again);
                    };
                    let is_about_replicas = batch.is_about_replicas;
                    self.take(batch).await?;
                    if is_about_replicas {
                        let seen = self.look().await?;
                        self.compare_replicas(&seen);
                    }
                }
                () = cluster.files.notified() => {
                    self.register().await?;
                    let seen = self.look().await?;
                    self.compare_replicas(&seen);
                }
                _ = checks.tick() => {
                    let seen = self.look().await?;
                    self.register().await?;
                    self.compare_replicas(&seen);
                    self.serve_again().await;
                    let has_come = self.writer.store().head() >= before;
                    before = seen.head;
                    if !has_come || self.cluster.follows.connection() != connection {
                        tracing::warn!("etcd's watch brings nothing any more: another member is asked");
                        self.cluster.follows.leave().await;
                        return Err(Stop::Again);
                    }
                    if Instant::now() >= self.compare_at {
                        self.compare().await?;
                    }
                }
            }
        }
    }

    fn mark(&self) -> Result<Mark, Stop> {
        let mark = self.writer.store().mark().map_err(FollowError::from)?;
        mark.ok_or_else(|| Stop::Foreign("the local state follows no cluster".to_owned()))
    }

    /// Reads the cluster, and verifies that it is the one that was followed.
    async fn look(&self) -> Result<Seen, Stop> {
        // Taken before the call, since the local store may advance during it.
        let store = self.writer.store();
        let (head, mark) = (store.head(), self.mark()?);
        let seen = self.cluster.look().await?;
        self.cluster.verify(&seen, store.id(), head, mark).map_err(Stop::Foreign)?;
        Ok(seen)
    }

    async fn watch(&self, from: u64) -> Result<Watch, Stop> {
        let prefix = self.cluster.key("");
        let create = WatchCreateRequest {
            range_end: end(&prefix),
            key: prefix,
            start_revision: i64::try_from(from).unwrap_or(i64::MAX),
            fragment: true,
        };
        let question = WatchRequest { create: Some(create) };
        let messages = self.cluster.follows.stream("/etcdserverpb.Watch/Watch", &question).await?;
        Ok(Watch { messages, part: Batch::default() })
    }

    async fn register(&self) -> Result<(), Stop> {
        let Some(files) = self.writer.control().files_digest() else { return Ok(()) };
        Ok(self.cluster.register(&self.cluster.follows, files).await?)
    }

    /// Applies what the watch has delivered.
    async fn take(&mut self, batch: Batch) -> Result<(), Stop> {
        if batch.is_about_store {
            self.look().await?;
            tracing::info!("etcd's state was written anew: all documents are compared");
            return self.list(false).await;
        }
        if batch.documents.is_empty() && batch.head.is_none() {
            return Ok(());
        }
        if batch.head.is_none() {
            tracing::warn!(
                documents = batch.documents.len(),
                "something other than vnetdns has written to the state in etcd"
            );
        }
        let mark = Mark { revision: batch.revision, ..self.mark()? };
        let head = batch.head.unwrap_or_else(|| self.writer.store().head());
        self.follow(head, batch.documents, (mark, false)).await
    }

    async fn follow(&mut self, head: Revision, documents: Documents, mark: (Mark, bool)) -> Result<(), Stop> {
        let writer = self.writer.clone();
        let follow =
            move || writer.follow(head, &documents, mark, |reader, world| followed(reader, world, &documents), made);
        let followed = spawn_blocking(follow).await;
        match followed.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())) {
            Ok(()) => Ok(()),
            Err(error @ FollowError::World(_)) => {
                self.unserved(&error);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Applies all differences between the cluster and the local store.
    async fn list(&mut self, repeats: bool) -> Result<(), Stop> {
        let seen = self.look().await?;
        let reader = self.writer.store().read().map_err(FollowError::from)?;
        let difference = self.cluster.difference(&reader, seen.mark.revision).await?;
        drop(reader);
        self.follow(seen.head, difference, (seen.mark, repeats)).await
    }

    /// Compares all documents at a moment without pending changes.
    async fn compare(&mut self) -> Result<(), Stop> {
        let began = Instant::now();
        let reader = self.writer.store().read().map_err(FollowError::from)?;
        let (mark, head) = (self.mark()?, reader.head());
        if self.writer.store().head() != head {
            return Ok(());
        }
        let difference = match self.cluster.difference(&reader, mark.revision).await {
            Ok(difference) => difference,
            // The revision may be compacted; the next comparison will tell.
            Err(error) => {
                tracing::debug!(%error, "the documents of etcd are not compared");
                return Ok(());
            }
        };
        drop(reader);
        self.compare_at = Instant::now() + COMPARE.max(began.elapsed() * 20);
        if !difference.is_empty() {
            tracing::error!(documents = difference.len(), "the local state differs from etcd: it is mended");
            self.list(true).await?;
        }
        Ok(())
    }

    fn compare_replicas(&self, seen: &Seen) {
        let health = self.writer.control().metrics().health();
        let Some(files) = self.writer.control().files_digest() else { return };
        let files = files.to_string();
        match seen.replicas.iter().find(|(name, digest)| *name != self.cluster.name() && **digest != files) {
            Some((name, _)) => {
                let why = format!("writes are refused: {}", differing(name));
                if !health.conditions().iter().any(|held| held.about == FILES) {
                    tracing::error!("{why}");
                }
                health.set(FILES, Condition::Degraded(why));
            }
            None => health.clear(FILES),
        }
    }

    /// Tries again to serve what is stored but not served.
    async fn serve_again(&mut self) {
        if !self.is_unserved && !self.writer.store().is_ahead() {
            return;
        }
        let writer = self.writer.clone();
        let remade = spawn_blocking(move || writer.remake(made)).await;
        match remade.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())) {
            Ok(()) => {
                self.is_unserved = false;
                tracing::info!("what other replicas have committed is served");
                self.writer.control().metrics().health().clear(WORLD);
            }
            Err(error) => self.unserved(&error),
        }
    }

    fn unserved(&mut self, error: &FollowError) {
        let why = describe(error);
        if !self.is_unserved {
            tracing::error!(help = "mend the files: it is tried again every 5 s", "{why}");
        }
        self.is_unserved = true;
        self.writer.control().metrics().health().set(WORLD, Condition::Degraded(why));
    }

    fn is_well(&mut self) {
        self.cluster.refuse(None);
        self.writer.control().metrics().health().clear(ETCD);
        if self.said.take().is_some() {
            tracing::info!("etcd is followed again");
        }
    }

    fn away(&mut self, why: &Stop) {
        let why = describe(why);
        self.cluster.refuse(Some(why.clone()));
        if self.said.as_ref() != Some(&why) {
            tracing::error!("what was known last is served, and writes are refused: {why}");
        }
        let condition = Condition::Degraded(format!("what was known last is served, and writes are refused: {why}"));
        self.writer.control().metrics().health().set(ETCD, condition);
        self.said = Some(why);
    }
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// A watch in progress.
struct Watch {
    messages: Messages,
    /// The part of a batch that has arrived.
    part: Batch,
}

impl Watch {
    /// The next batch; `None` if its revision is compacted. Cancel safe: what has arrived is kept.
    async fn next(&mut self, cluster: &Cluster) -> Result<Option<Batch>, Failure> {
        loop {
            let message: WatchResponse = self.messages.next().await?;
            if message.compact_revision > 0 {
                return Ok(None);
            }
            if message.canceled {
                return Err(Failure::Lost(message.cancel_reason));
            }
            message.events.into_iter().for_each(|event| self.part.add(event, cluster));
            if !message.fragment && self.part.revision > 0 {
                return Ok(Some(std::mem::take(&mut self.part)));
            }
        }
    }
}

impl Batch {
    fn add(&mut self, event: Event, cluster: &Cluster) {
        let Some(kv) = event.kv else { return };
        self.revision = self.revision.max(kv.mod_revision.unsigned_abs());
        let is_gone = event.kind != 0;
        match cluster.name_of(&kv.key) {
            Some("head") => {
                let head = std::str::from_utf8(&kv.value).ok().and_then(|head| head.parse().ok());
                self.head = head.map(Revision).or(self.head);
            }
            Some("meta") => self.is_about_store = true,
            Some(name) if name.starts_with("replica/") => self.is_about_replicas = true,
            Some(name) => {
                let Some(key) = name.strip_prefix("d/").map(|key| format!("/{key}")) else { return };
                match is_gone {
                    true => {
                        self.documents.insert(Key::new(&key), None);
                    }
                    false => {
                        if let Some(document) = document(&key, &kv.value) {
                            self.documents.insert(document.key(), Some(document));
                        }
                    }
                }
            }
            None => {}
        }
    }
}
