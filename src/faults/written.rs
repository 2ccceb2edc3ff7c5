//! A fault as it is written, in a file, on the control socket and in the management API.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Effect, Fault, Schedule};

/// Port of a server that does not say.
const DNS_PORT: u16 = 53;
/// Longest delay, in milliseconds.
const MAX_MILLISECONDS: u32 = 60_000;
/// Longest part of a schedule, in seconds.
const MAX_SECONDS: u32 = 86_400;
/// Longest name, in letters.
const MAX_NAME: usize = 63;

/// A fault as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// What it is called: up to 63 letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// `delay`, `drop`, `servfail`, `truncate`, `count-down`, `slow-server` or `flap`.
    pub effect: String,
    /// References to the virtual networks whose clients suffer it, or `outside`; none stands for all clients.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub virtual_networks: Vec<String>,
    /// Domains whose names suffer it; none stands for all names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// Of `slow-server`: the servers that are slow, each an address, and a port where it is not 53; none stands for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// Of `flap`: a reference to the private endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_endpoint: Option<String>,
    /// Of `delay` and `slow-server`: how much later, 1 to 60 000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u32>,
    /// Of `flap`: how long the endpoint is connected each time, 1 to 86 400.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_seconds: Option<u32>,
    /// Of `flap`: how long it is disconnected then, 1 to 86 400.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down_seconds: Option<u32>,
    /// How many of 100 queries it strikes, 1 to 100; without it all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u32>,
    /// How many queries it strikes before it ends, at least 1; without it there is no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

/// What is wrong with a fault, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {mend}")]
pub struct FaultError {
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub mend: String,
}

fn wrong<T>(what: impl Into<String>, mend: impl Into<String>) -> Result<T, FaultError> {
    Err(FaultError { what: what.into(), mend: mend.into() })
}

impl Written {
    /// A fault of that effect, which is also its name.
    fn of(effect: &str) -> Self {
        Self { name: effect.to_owned(), effect: effect.to_owned(), ..Self::default() }
    }

    /// Answers come so many milliseconds later.
    pub fn delay(milliseconds: u32) -> Self {
        Self { milliseconds: Some(milliseconds), ..Self::of("delay") }
    }

    /// Queries get no answer.
    pub fn drop() -> Self {
        Self::of("drop")
    }

    /// Answers are SERVFAIL.
    pub fn servfail() -> Self {
        Self::of("servfail")
    }

    /// Answers over UDP are truncated.
    pub fn truncate() -> Self {
        Self::of("truncate")
    }

    /// TTLs count down.
    pub fn count_down() -> Self {
        Self::of("count-down")
    }

    /// The servers that are forwarded to respond so many milliseconds later.
    pub fn slow_server(milliseconds: u32) -> Self {
        Self { milliseconds: Some(milliseconds), ..Self::of("slow-server") }
    }

    /// A private endpoint is connected for so many seconds, then disconnected for so many, again and again.
    pub fn flap(private_endpoint: &str, up_seconds: u32, down_seconds: u32) -> Self {
        Self {
            private_endpoint: Some(private_endpoint.to_owned()),
            up_seconds: Some(up_seconds),
            down_seconds: Some(down_seconds),
            ..Self::of("flap")
        }
    }

    /// The same, called so.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// The same, for clients of this virtual network too, or of `outside`.
    #[must_use]
    pub fn network(mut self, reference: &str) -> Self {
        self.virtual_networks.push(reference.to_owned());
        self
    }

    /// The same, for names at and below this one too.
    #[must_use]
    pub fn domain(mut self, domain: &str) -> Self {
        self.domains.push(domain.to_owned());
        self
    }

    /// The same, striking so many of 100 queries.
    #[must_use]
    pub fn percent(self, percent: u32) -> Self {
        Self { percent: Some(percent), ..self }
    }

    /// The same, striking so many queries before it ends.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Checks what is written by itself. Whether there are such networks and endpoints is for the caller to find out.
    ///
    /// # Errors
    /// See [`FaultError`]; the first of what is wrong.
    pub fn check(self) -> Result<Fault, FaultError> {
        self.check_name()?;
        let effect = self.effect()?;
        self.check_keys()?;
        let domains: Result<_, _> = self
            .domains
            .iter()
            .map(|domain| {
                domain.parse().or_else(|error| {
                    wrong(
                        format!("{domain:?} is not a domain name: {error}"),
                        "write a domain, for instance \"contoso.com\"",
                    )
                })
            })
            .collect();
        let servers: Result<_, _> = self.servers.iter().map(|server| server_address(server)).collect();
        if let Some(percent) = self.percent.filter(|percent| !(1..=100).contains(percent)) {
            return wrong(format!("percent = {percent} is out of bounds"), "write a number from 1 to 100");
        }
        if self.times == Some(0) {
            return wrong("times = 0 never strikes", "write how many queries the fault strikes, at least 1");
        }
        Ok(Fault { effect, domains: domains?, servers: servers?, written: self })
    }

    fn check_name(&self) -> Result<(), FaultError> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        if self.name.is_empty() || self.name.len() > MAX_NAME || !self.name.chars().all(is_plain) {
            let mend = format!("write up to {MAX_NAME} letters, digits, \"-\", \"_\" and \".\"");
            return wrong(format!("{:?} is no name of a fault", self.name), mend);
        }
        Ok(())
    }

    fn effect(&self) -> Result<Effect, FaultError> {
        let milliseconds = || self.bounded("milliseconds", self.milliseconds, MAX_MILLISECONDS);
        let delay = || Ok::<_, FaultError>(Duration::from_millis(milliseconds()?.into()));
        let seconds =
            |key, value| Ok::<_, FaultError>(Duration::from_secs(self.bounded(key, value, MAX_SECONDS)?.into()));
        Ok(match &*self.effect {
            "delay" => Effect::Delay(delay()?),
            "drop" => Effect::Drop,
            "servfail" => Effect::ServFail,
            "truncate" => Effect::Truncate,
            "count-down" => Effect::CountDown,
            "slow-server" => Effect::SlowServer(delay()?),
            "flap" => {
                if self.private_endpoint.as_ref().is_none_or(|endpoint| endpoint.trim().is_empty()) {
                    let mend = "write private_endpoint = \"NAME\"";
                    return wrong(format!("the fault {:?} does not say what flaps", self.name), mend);
                }
                Effect::Flap(Schedule {
                    up: seconds("up_seconds", self.up_seconds)?,
                    down: seconds("down_seconds", self.down_seconds)?,
                })
            }
            other => {
                let mend = "write \"delay\", \"drop\", \"servfail\", \"truncate\", \"count-down\", \"slow-server\" or \"flap\"";
                return wrong(format!("{other:?} is no effect of a fault"), mend);
            }
        })
    }

    /// A number that the effect needs.
    fn bounded(&self, key: &str, value: Option<u32>, most: u32) -> Result<u32, FaultError> {
        let mend = || format!("write {key}, from 1 to {most}");
        match value {
            Some(value) if (1..=most).contains(&value) => Ok(value),
            Some(value) => wrong(format!("{key} = {value} is out of bounds"), mend()),
            None => wrong(format!("the fault {:?} of effect {:?} lacks {key}", self.name, self.effect), mend()),
        }
    }

    /// No key is there that the effect has no use for.
    fn check_keys(&self) -> Result<(), FaultError> {
        let is_delay = matches!(&*self.effect, "delay" | "slow-server");
        let (is_slow, is_flap) = (self.effect == "slow-server", self.effect == "flap");
        let useless = [
            ("virtual_networks", !self.virtual_networks.is_empty() && (is_slow || is_flap)),
            ("domains", !self.domains.is_empty() && is_flap),
            ("servers", !self.servers.is_empty() && !is_slow),
            ("private_endpoint", self.private_endpoint.is_some() && !is_flap),
            ("milliseconds", self.milliseconds.is_some() && !is_delay),
            ("up_seconds", self.up_seconds.is_some() && !is_flap),
            ("down_seconds", self.down_seconds.is_some() && !is_flap),
            ("percent", self.percent.is_some() && is_flap),
            ("times", self.times.is_some() && is_flap),
        ];
        match useless.into_iter().find(|(_, is_useless)| *is_useless) {
            Some((key, _)) => {
                wrong(format!("{key} means nothing to the effect {:?}", self.effect), format!("remove {key}"))
            }
            None => Ok(()),
        }
    }
}

fn server_address(text: &str) -> Result<SocketAddr, FaultError> {
    let address = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, DNS_PORT));
    address.or_else(|_| text.parse()).or_else(|_| {
        let mend = "write an address, or an address and a port: \"10.0.0.4:5353\"";
        wrong(format!("{text:?} is not a DNS server"), mend)
    })
}
