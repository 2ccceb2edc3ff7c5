//! The start of a replica: it joins the store of the cluster, creates it, or continues with its local copy.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::{Instant, sleep};

use super::cluster::{Cluster, ClusterError, RANGE, Seen, TXN, meta};
use super::message::{Compare, RangeRequest, RangeResponse, RequestOp, TxnRequest, TxnResponse};
use crate::management::key_files::{read, replace};
use crate::state::{Documents, Mark, Revision, Store, StoreId};

/// How long a replica without a local copy waits for the cluster.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);
/// What all replicas must share: the authority of their certificates and the key of their tokens.
const KEYS: [&str; 3] = ["ca.pem", "ca.key", "token.key"];

impl Cluster {
    /// Brings a local store up to date with the cluster. If that does not answer, or is not the one that the store has followed,
    /// the store is served as it is.
    ///
    /// # Errors
    /// The store has followed no cluster yet, and this one does not answer or holds another store; or the disk fails.
    pub async fn join(&self, store: &mut Store) -> Result<(), ClusterError> {
        let known = store.mark()?;
        if known.is_some() {
            self.set_store(store.id());
        }
        let deadline = Instant::now() + PATIENCE;
        let seen = loop {
            match self.look().await {
                Ok(seen) => break seen,
                Err(failure) if known.is_some() => {
                    tracing::warn!("etcd does not answer: what was known last is served ({failure})");
                    return Ok(());
                }
                Err(failure) if Instant::now() >= deadline => {
                    let help =
                        "this replica has followed no cluster yet and has nothing to serve: mend etcd, or etcd = […]";
                    return Err(ClusterError::Away(format!("{failure}; {help}")));
                }
                Err(_) => sleep(PAUSE).await,
            }
        };
        match known {
            Some(mark) => match self.verify(&seen, store.id(), store.head(), mark) {
                Ok(()) if seen.head > store.head() => self.catch_up(store, &seen).await,
                Ok(()) => Ok(()),
                Err(why) => {
                    tracing::error!("what was known last is served: {why}");
                    Ok(())
                }
            },
            None => {
                self.join_first(store, seen).await?;
                self.set_store(store.id());
                Ok(())
            }
        }
    }

    /// Verifies that the cluster is the one that was followed, and not behind what it was.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub(super) fn verify(&self, seen: &Seen, store: StoreId, head: Revision, mark: Mark) -> Result<(), String> {
        let why = if seen.mark.cluster != mark.cluster {
            "etcd is another cluster than the one that was followed"
        } else if seen.store.is_none() {
            "etcd holds nothing at the prefix where the state was"
        } else if seen.store != Some(store) {
            "etcd holds another state at the prefix"
        } else if seen.mark.revision < mark.revision || seen.head < head {
            "etcd is behind what it had: it was restored from a backup"
        } else {
            return Ok(());
        };
        Err(format!(
            "{why}: nothing of it is taken over. If it is the one to follow, remove state.redb from the folder of the state of \
             each replica and start them again; else mend etcd or etcd = […]"
        ))
    }

    async fn join_first(&self, store: &mut Store, mut seen: Seen) -> Result<(), ClusterError> {
        if seen.store.is_none() {
            self.seed(store).await?;
            seen = self.look().await?;
        }
        let Some(id) = seen.store else {
            return Err(ClusterError::Foreign(
                "etcd holds something else at the prefix: write another etcd_prefix".to_owned(),
            ));
        };
        if id != store.id() && (store.head() != Revision(0) || store.read()?.count()? > 0) {
            return Err(ClusterError::Foreign(
                "the folder of the state holds a state of its own, and etcd holds another one: export it (vnetdns state export) \
                 and name an empty folder, or write another etcd_prefix"
                    .to_owned(),
            ));
        }
        store.join(id, Mark { revision: 0, ..seen.mark })?;
        self.catch_up(store, &seen).await
    }

    async fn catch_up(&self, store: &Store, seen: &Seen) -> Result<(), ClusterError> {
        let difference: Documents = self.difference(&store.read()?, seen.mark.revision).await?;
        tracing::info!(documents = difference.len(), head = seen.head.0, "the state is what etcd holds");
        Ok(store.follow(seen.head, &difference, seen.mark)?)
    }

    /// Creates the store of the cluster from a local one. It exists once `meta` does, which is written last. If several replicas
    /// do this at once, the one that began last continues.
    async fn seed(&self, store: &Store) -> Result<(), ClusterError> {
        let own = Compare::equal(self.key("seed"), self.name());
        let missing = Compare::missing(self.key("meta"));
        let begin = vec![RequestOp::put(self.key("seed"), self.name()), RequestOp::delete_within(self.key("d/"))];
        let mut steps = vec![(vec![missing.clone()], begin)];
        for chunk in self.chunks(store)? {
            steps.push((vec![missing.clone(), own.clone()], chunk));
        }
        let end = vec![
            RequestOp::put(self.key("head"), store.head().to_string()),
            RequestOp::put(self.key("meta"), meta(store.id())),
            RequestOp::delete(self.key("seed")),
        ];
        steps.push((vec![missing, own], end));
        for (compare, success) in steps {
            let question = TxnRequest { compare, success, failure: Vec::new() };
            let answer: TxnResponse = self.follows.call(TXN, &question).await?;
            if !answer.succeeded {
                // Another replica creates it.
                return self.await_store().await;
            }
        }
        tracing::info!(
            documents = store.read()?.count()?,
            "the state of this replica is that of the cluster from now on"
        );
        Ok(())
    }

    async fn await_store(&self) -> Result<(), ClusterError> {
        let deadline = Instant::now() + PATIENCE;
        while self.look().await?.store.is_none() {
            if Instant::now() >= deadline {
                return Err(ClusterError::Away(
                    "another replica began to write its state, and has not ended".to_owned(),
                ));
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Copies the keys that replicas share to the state folder; false if there are none yet. With `may_replace`, existing ones
    /// are replaced.
    ///
    /// # Errors
    /// The folder has other keys, or no member answers.
    pub async fn fetch_keys(&self, folder: &Path, may_replace: bool) -> Result<bool, ClusterError> {
        if !self.settings.keeps_keys {
            return Ok(false);
        }
        let answer: RangeResponse = self.follows.call(RANGE, &RangeRequest::of(self.key("keys"))).await?;
        let Some(found) = answer.kvs.first() else { return Ok(false) };
        let keys: Map<String, Value> = serde_json::from_slice(&found.value).unwrap_or_default();
        for name in KEYS {
            let path = folder.join(name);
            let shared = keys.get(name).and_then(Value::as_str);
            let shared =
                shared.ok_or_else(|| ClusterError::Foreign(format!("what etcd holds as keys has no {name}")))?;
            let failed = |error| ClusterError::Foreign(format!("{}: {error}", path.display()));
            match read(&path).map_err(failed)? {
                Some(own) if own.as_str() == shared => {}
                Some(_) if !may_replace => {
                    return Err(ClusterError::Foreign(format!(
                        "{} is not the one that the replicas share in etcd: remove {} there, and they are made of those; or write \
                         etcd_keys = false and give all replicas the same files",
                        path.display(),
                        KEYS.join(", ")
                    )));
                }
                _ => replace(&path, shared, name != "ca.pem").map_err(failed)?,
            }
        }
        Ok(true)
    }

    /// Publishes the keys of the folder to the cluster, if it has none; false if it has.
    ///
    /// # Errors
    /// The keys cannot be read, or no member answers.
    pub async fn offer_keys(&self, folder: &Path) -> Result<bool, ClusterError> {
        if !self.settings.keeps_keys {
            return Ok(true);
        }
        let mut keys = Map::new();
        for name in KEYS {
            let path = folder.join(name);
            let text = read(&path).map_err(|error| ClusterError::Foreign(format!("{}: {error}", path.display())))?;
            let text = text.ok_or_else(|| ClusterError::Foreign(format!("{} is missing", path.display())))?;
            keys.insert(name.to_owned(), Value::String(text.to_string()));
        }
        let question = TxnRequest {
            compare: vec![Compare::missing(self.key("keys"))],
            success: vec![RequestOp::put(self.key("keys"), Value::Object(keys).to_string())],
            failure: Vec::new(),
        };
        let answer: TxnResponse = self.follows.call(TXN, &question).await?;
        Ok(answer.succeeded)
    }
}
