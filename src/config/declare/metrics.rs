//! The listener for metrics and health.

use std::net::SocketAddr;

use super::Declarer;
use crate::codes::Code;
use crate::config::MetricsSettings;
use crate::config::mirror;

impl Declarer<'_> {
    pub(in crate::config) fn metrics(&mut self, metrics: &mirror::Metrics) -> Option<MetricsSettings> {
        let max_networks = metrics.max_networks.as_ref();
        let max_networks =
            max_networks.map_or(MetricsSettings::DEFAULT_NETWORKS, |most| self.bounded(most, 1, 10_000) as usize);
        let bearer_token =
            metrics.bearer_token_file.as_ref().map(|file| self.token(file, ["the bearer token", "no bearer token"]));
        let hosts = metrics.hosts.iter().map(|host| host.get_ref().clone()).collect();
        let listen = match &metrics.listen {
            None => MetricsSettings::DEFAULT,
            Some(listen) => match listen.get_ref().parse::<SocketAddr>() {
                Ok(address) => address,
                Err(_) => {
                    let what = format!("{:?} is not an address to show metrics on", listen.get_ref());
                    self.problem(
                        Code::BadListener,
                        listen,
                        what,
                        "write an address and a port, for instance \"127.0.0.1:9153\"",
                    );
                    return None;
                }
            },
        };
        if let Some(place) = metrics.listen.as_ref().filter(|_| !listen.ip().is_loopback() && bearer_token.is_none()) {
            let mend = "write bearer_token_file = \"FILE\", or listen on a loopback address";
            self.problem(
                Code::BadListener,
                place,
                "whoever reaches this address could read what all networks ask for",
                mend,
            );
        }
        let page = metrics.page.as_ref().filter(|page| *page.get_ref());
        if let Some(place) = page.filter(|_| !listen.ip().is_loopback()) {
            self.problem(
                Code::BadListener,
                place,
                "whoever reaches this address could see what every network sees",
                "listen on a loopback address, and look at the page through a tunnel, such as ssh -L or kubectl port-forward",
            );
        }
        let (bearer_token, page) = (bearer_token.flatten(), page.is_some());
        Some(MetricsSettings { listen, max_networks, hosts, bearer_token, page })
    }
}
