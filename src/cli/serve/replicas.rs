//! A server that shares its state with others.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::ServerSettings;
use crate::control::Writer;
use crate::state::{Shared, Store};

#[cfg(feature = "etcd")]
pub(super) use with_etcd::Replicas;
#[cfg(not(feature = "etcd"))]
pub(super) use without::Replicas;

/// A state that follows a cluster cannot belong to a single server.
fn check_own(store: &Store) -> anyhow::Result<()> {
    if store.mark()?.is_some() {
        bail!(
            "the state in this folder is that of replicas, and the configuration has no etcd: write [management] etcd = […]; or \
             export it (vnetdns state export), and import that into an empty folder"
        );
    }
    Ok(())
}

#[cfg(feature = "etcd")]
mod with_etcd {
    use std::time::Duration;

    use anyhow::Context;
    use sha2::{Digest, Sha256};

    use tokio::runtime::{Builder, Handle};

    use super::*;
    use crate::config::ManagementSettings;
    use crate::etcd::{Cluster, ClusterError, Follower};

    /// How long leaving the cluster may take.
    const FAREWELL: Duration = Duration::from_secs(2);

    /// The cluster in which a server shares its state; none if none is configured.
    #[derive(Debug, Default)]
    pub(in crate::cli::serve) struct Replicas {
        cluster: Option<Arc<Cluster>>,
    }

    impl Replicas {
        /// Brings the state in a directory up to date with the cluster, and stores the keys of all replicas in the directory.
        /// Uses a runtime of its own without threads: the one that serves is started later.
        pub(in crate::cli::serve) fn join(
            settings: &ServerSettings,
            folder: &Path,
            store: &mut Store,
        ) -> anyhow::Result<Self> {
            let management = settings.management.as_ref();
            let Some((management, etcd)) = management.and_then(|of| Some((of, of.etcd.clone()?))) else {
                check_own(store)?;
                return Ok(Self::default());
            };
            let runtime = Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
            let cluster = Cluster::new(etcd, name(folder))?;
            runtime.block_on(cluster.join(store))?;
            let joined = Self { cluster: Some(Arc::new(cluster)) };
            runtime.block_on(joined.share_keys(management, folder))?;
            Ok(joined)
        }

        /// Where commits are sent, from within the serving runtime.
        pub(in crate::cli::serve) fn shared(&self) -> Option<Arc<dyn Shared>> {
            let cluster = self.cluster.clone()?;
            cluster.run_on(Handle::current());
            Some(cluster)
        }

        /// Stores the keys of all replicas in the state's directory, or this one's for all replicas.
        async fn share_keys(&self, settings: &ManagementSettings, folder: &Path) -> anyhow::Result<()> {
            let Some(cluster) = &self.cluster else { return Ok(()) };
            match cluster.fetch_keys(folder, false).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(ClusterError::Away(why)) => {
                    tracing::warn!("whether replicas have the same keys is not known: etcd does not answer: {why}");
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
            let is_new = !folder.join("ca.pem").exists();
            crate::management::make_keys(settings, folder).context("the replicas' keys cannot be made")?;
            if !cluster.offer_keys(folder).await? {
                // Another replica was first.
                cluster.fetch_keys(folder, is_new).await?;
            }
            Ok(())
        }

        /// Follows the cluster until `stop` is cancelled.
        pub(in crate::cli::serve) fn follow(
            &self,
            writer: Option<&Writer>,
            stop: &CancellationToken,
        ) -> Option<JoinHandle<()>> {
            let (cluster, writer) = (self.cluster.clone()?, writer?.clone());
            tracing::info!(replica = cluster.name(), "the state is shared in etcd");
            Some(tokio::spawn(Follower::new(cluster, writer).run(stop.clone())))
        }

        /// Starts comparing the replicas' files.
        pub(in crate::cli::serve) fn files_changed(&self) {
            if let Some(cluster) = &self.cluster {
                cluster.files_changed();
            }
        }

        /// Announces that this replica has gone, with a short time limit: others notice by themselves.
        pub(in crate::cli::serve) async fn end(following: Option<JoinHandle<()>>) {
            if let Some(following) = following {
                let _ = tokio::time::timeout(FAREWELL, following).await;
            }
        }
    }

    /// The replica's name for others: always the same for a directory on a host.
    fn name(folder: &Path) -> String {
        let path = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let hash = Sha256::digest(path.as_os_str().as_encoded_bytes());
        let hash: String = hash.iter().take(4).map(|octet| format!("{octet:02x}")).collect();
        format!("{}-{hash}", gethostname::gethostname().to_string_lossy())
    }
}

#[cfg(not(feature = "etcd"))]
mod without {
    use super::*;

    /// None: the program was built without etcd, and a configuration with it is refused.
    #[derive(Debug, Default)]
    pub(in crate::cli::serve) struct Replicas {}

    impl Replicas {
        pub(in crate::cli::serve) fn join(_: &ServerSettings, _: &Path, store: &mut Store) -> anyhow::Result<Self> {
            check_own(store).map(|()| Self {})
        }

        pub(in crate::cli::serve) fn shared(&self) -> Option<Arc<dyn Shared>> {
            None
        }

        pub(in crate::cli::serve) fn follow(
            &self,
            _: Option<&Writer>,
            _: &CancellationToken,
        ) -> Option<JoinHandle<()>> {
            None
        }

        pub(in crate::cli::serve) fn files_changed(&self) {}

        pub(in crate::cli::serve) async fn end(_: Option<JoinHandle<()>>) {}
    }
}
