//! Asks with dig.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::process::Command;

/// What dig printed of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Response {
    /// The RCODE; empty where none came.
    pub(crate) rcode: String,
    /// Flags of the header.
    pub(crate) flags: String,
    /// TTL, type and data of each record of the answer section.
    pub(crate) answer: Vec<(u32, String, String)>,
    /// TTLs of SOA records in the authority section.
    pub(crate) soa: Vec<u32>,
    /// Whether it came over TCP: the first response was truncated, or dig was told to.
    pub(crate) over_tcp: bool,
}

impl Response {
    /// Data of a type in the answer section.
    pub(crate) fn data<'a>(&'a self, rtype: &'a str) -> impl Iterator<Item = &'a str> {
        self.answer.iter().filter(move |(_, found, _)| found == rtype).map(|(_, _, data)| data.as_str())
    }

    /// The TTL of the first record of a type in the answer section.
    pub(crate) fn ttl(&self, rtype: &str) -> Option<u32> {
        self.answer.iter().find(|(_, found, _)| found == rtype).map(|(ttl, _, _)| *ttl)
    }
}

/// Whom to ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// The process in whose network namespace that is, where it is not this one's.
    pub(crate) namespace: Option<u32>,
}

/// A command that runs in the network namespace of a process, where there is one.
pub(crate) fn command(namespace: Option<u32>, program: impl AsRef<OsStr>) -> Command {
    let Some(process) = namespace else { return Command::new(program) };
    let mut command = Command::new("nsenter");
    command.args(["-t", &process.to_string(), "-n", "-m"]).arg(program);
    command
}

/// Asks once, for at most `seconds`.
pub(crate) fn ask(target: Target, name: &str, rtype: &str, seconds: u32) -> Response {
    ask_as(target, &[], name, rtype, seconds)
}

/// The same with more arguments for dig: who asks, and how.
pub(crate) fn ask_as(target: Target, who: &[&str], name: &str, rtype: &str, seconds: u32) -> Response {
    let server = target.address;
    let output = command(target.namespace, "dig")
        .args([&format!("@{}", server.ip()), "-p", &server.port().to_string(), name, rtype])
        .args([
            "+tries=1",
            &format!("+time={seconds}"),
            "+bufsize=1232",
            "+noall",
            "+comments",
            "+answer",
            "+authority",
        ])
        .args(who)
        .output()
        .unwrap();
    let mut response = parse(&String::from_utf8(output.stdout).unwrap());
    response.over_tcp |= who.contains(&"+tcp");
    response
}

fn parse(text: &str) -> Response {
    let mut response = Response::default();
    let mut in_authority = false;
    for line in text.lines() {
        if line.starts_with(";; Truncated, retrying in TCP mode") {
            response.over_tcp = true;
        } else if let Some(header) = line.strip_prefix(";; ->>HEADER<<- ") {
            let status = header.split("status: ").nth(1).unwrap_or_default();
            response.rcode = status.split(',').next().unwrap_or_default().to_owned();
        } else if let Some(flags) = line.strip_prefix(";; flags: ") {
            response.flags = flags.split(';').next().unwrap_or_default().to_owned();
        } else if line.starts_with(";; AUTHORITY SECTION") {
            in_authority = true;
        } else if !line.starts_with(';') && !line.is_empty() {
            let mut fields = line.split_whitespace().skip(1);
            let ttl = fields.next().unwrap().parse().unwrap();
            let (rtype, data) = (fields.nth(1).unwrap().to_owned(), fields.collect::<Vec<_>>().join(" "));
            match in_authority {
                false => response.answer.push((ttl, rtype, data)),
                true if rtype == "SOA" => response.soa.push(ttl),
                true => {}
            }
        }
    }
    response
}
