//! Prints a message in dig's format.

use std::fmt::Write;

use domain::base::Message;
use domain::base::iana::{OptRcode, Rtype};
use domain::base::name::ParsedName;
use domain::base::opt::ClientSubnet;
use domain::base::record::ParsedRecord;
use domain::base::wire::ParseError;
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::rdata::AllRecordData;

/// Prints a response in dig's layout.
///
/// # Errors
/// If the octets are not a complete message.
pub(super) fn print(octets: &[u8]) -> Result<String, ParseError> {
    let message = Message::from_octets(octets).map_err(|_| ParseError::ShortInput)?;
    let (header, counts, opt) = (message.header(), message.header_counts(), message.opt());
    let mut text = String::new();
    let rcode = opt.as_ref().map_or_else(|| OptRcode::from(header.rcode()), |opt| opt.rcode(header));
    let mut flags = String::new();
    for (flag, is_set) in
        [("qr", header.qr()), ("aa", header.aa()), ("tc", header.tc()), ("rd", header.rd()), ("ra", header.ra())]
    {
        if is_set {
            flags.push(' ');
            flags.push_str(flag);
        }
    }
    let mut line = |arguments: std::fmt::Arguments<'_>| {
        text.write_fmt(arguments).expect("a string takes it");
        text.push('\n');
    };
    line(format_args!(";; ->>HEADER<<- opcode: QUERY, status: {rcode}, id: {}", header.id()));
    line(format_args!(
        ";; flags:{flags}; QUERY: {}, ANSWER: {}, AUTHORITY: {}, ADDITIONAL: {}",
        counts.qdcount(),
        counts.ancount(),
        counts.nscount(),
        counts.arcount()
    ));
    if let Some(opt) = &opt {
        let flags = if opt.dnssec_ok() { " do" } else { "" };
        line(format_args!("\n;; OPT PSEUDOSECTION:"));
        line(format_args!("; EDNS: version: {}, flags:{flags}; udp: {}", opt.version(), opt.udp_payload_size()));
        if let Some(subnet) = opt.opt().first::<ClientSubnet>() {
            let (source, scope) = (subnet.source_prefix_len(), subnet.scope_prefix_len());
            line(format_args!("; CLIENT-SUBNET: {}/{source}/{scope}", subnet.addr()));
        }
    }
    line(format_args!("\n;; QUESTION SECTION:"));
    for question in message.question() {
        let question = question?;
        let qname = format!(";{}", name(question.qname()));
        let fields = [qname, question.qclass().to_string(), question.qtype().to_string()];
        line(format_args!("{}", columns(&fields, &[0, 32, 40])));
    }
    let sections =
        [("ANSWER", message.answer()?), ("AUTHORITY", message.authority()?), ("ADDITIONAL", message.additional()?)];
    for (title, section) in sections {
        let mut is_first = true;
        for record in section {
            let record: ParsedRecord<'_, &[u8]> = record?;
            if record.rtype() == Rtype::OPT {
                continue;
            }
            if std::mem::take(&mut is_first) {
                line(format_args!("\n;; {title} SECTION:"));
            }
            let Some(record) = record.to_any_record::<AllRecordData<_, ParsedName<_>>>().ok() else { continue };
            let fields = [
                name(record.owner()),
                record.ttl().as_secs().to_string(),
                record.class().to_string(),
                record.rtype().to_string(),
                record.data().display_zonefile(DisplayKind::Simple).to_string(),
            ];
            line(format_args!("{}", columns(&fields, &[0, 24, 32, 40, 48])));
        }
    }
    Ok(text)
}

/// A name with the final dot; the root is one dot.
fn name(name: &ParsedName<&[u8]>) -> String {
    if name.is_root() { ".".to_owned() } else { format!("{name}.") }
}

/// One line with fields at dig's columns, separated by tabs, or by a space when a field is too long.
fn columns(fields: &[String], starts: &[usize]) -> String {
    let mut line = String::new();
    let mut at = 0;
    for (field, start) in fields.iter().zip(starts) {
        if at > 0 {
            let to = (*start).max(at + 1);
            let tabs = to / 8 - at / 8;
            let spaces = if tabs > 0 { to % 8 } else { to - at };
            line.push_str(&"\t".repeat(tabs));
            line.push_str(&" ".repeat(spaces));
            at = to;
        }
        line.push_str(field);
        at += field.len();
    }
    line
}
