//! The management API.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use toml::Spanned;

use super::Declarer;
use crate::azure::Subscription;
use crate::codes::Code;
use crate::config::mirror;
use crate::config::{ManagementClient, ManagementMode, ManagementSettings};

/// Default address of the API.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);
/// Default folder of the state of a server with the API.
pub(in crate::config) const DEFAULT_STATE: &str = "vnetdns-state";
/// Default duration of an operation.
const DEFAULT_OPERATION: Duration = Duration::from_secs(1);
impl Declarer<'_> {
    pub(in crate::config) fn management(&mut self, management: &mirror::Management) -> Option<ManagementSettings> {
        let listen = match &management.listen {
            None => DEFAULT,
            Some(listen) => match listen.get_ref().parse::<SocketAddr>() {
                Ok(address) => address,
                Err(_) => {
                    let what = format!("{:?} is not an address for the management API", listen.get_ref());
                    self.problem(
                        Code::BadListener,
                        listen,
                        what,
                        "write an address and a port, for instance \"127.0.0.1:8443\"",
                    );
                    return None;
                }
            },
        };
        let mut clients: Vec<ManagementClient> = Vec::new();
        for client in &management.client {
            let Some(read) = self.management_client(client.get_ref()) else { continue };
            if clients.iter().any(|known| known.id == read.id) {
                self.problem(
                    Code::Duplicate,
                    &client.get_ref().id,
                    "another client has that id",
                    "give each an id of its own",
                );
            }
            clients.push(read);
        }
        if let Some(place) = management.listen.as_ref().filter(|_| !listen.ip().is_loopback())
            && management.client.is_empty()
        {
            let mend = "list who may, with [[management.client]], or listen on a loopback address";
            self.problem(Code::BadListener, place, "whoever reaches this address could change everything", mend);
        }
        let waits = [("operation_seconds", &management.operation_seconds), ("link_seconds", &management.link_seconds)];
        for (key, seconds) in waits {
            let (mirror::ManagementMode::Fast, Some(seconds)) = (management.mode, seconds) else { continue };
            self.problem(
                Code::ContradictingKeys,
                seconds,
                "in this mode every request is answered when its work is done",
                format!("remove {key}, or write mode = \"azure\""),
            );
        }
        let link_seconds = management.link_seconds.as_ref().map(|seconds| self.bounded(seconds, 0, 3600));
        let seconds = management.operation_seconds.as_ref().map(|seconds| self.bounded(seconds, 0, 3600));
        Some(ManagementSettings {
            listen,
            mode: match management.mode {
                mirror::ManagementMode::Azure => ManagementMode::Azure,
                mirror::ManagementMode::Fast => ManagementMode::Fast,
            },
            operation_time: seconds.map_or(DEFAULT_OPERATION, |seconds| Duration::from_secs(seconds.into())),
            link_time: Duration::from_secs(link_seconds.unwrap_or_default().into()),
            hosts: management.hosts.iter().map(|host| host.get_ref().clone()).collect(),
            clients,
            etcd: self.etcd(management),
        })
    }

    fn management_client(&mut self, client: &mirror::ManagementClient) -> Option<ManagementClient> {
        if client.id.get_ref().trim().is_empty() {
            self.problem(Code::BadName, &client.id, "the id is empty", "write what the client gives as client_id");
        }
        let mut subscriptions = Vec::new();
        for subscription in &client.subscriptions {
            match subscription.get_ref().parse::<Subscription>() {
                Ok(_) => subscriptions.push(subscription.get_ref().clone()),
                Err(error) => self.problem(
                    Code::BadReference,
                    subscription,
                    error.to_string(),
                    "write the GUID of a subscription",
                ),
            }
        }
        if let Some(groups) = client.resource_groups.as_ref().filter(|groups| groups.get_ref().is_empty()) {
            self.problem(
                Code::BadReference,
                groups,
                "no resource group is listed",
                "list some, or remove resource_groups: all are meant then",
            );
        }
        let groups = client.resource_groups.iter().flat_map(Spanned::get_ref);
        Some(ManagementClient {
            id: client.id.get_ref().clone(),
            secret: self.token(&client.secret_file, ["the client's secret", "no secret of a client"])?,
            may_write: matches!(client.access, mirror::Access::Write),
            subscriptions,
            resource_groups: groups.map(|group| group.get_ref().clone()).collect(),
        })
    }
}
