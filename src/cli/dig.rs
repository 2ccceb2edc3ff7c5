//! A message as dig prints it.

use std::fmt::Write;

use domain::base::Message;
use domain::base::iana::{OptRcode, Rtype};
use domain::base::name::ParsedName;
use domain::base::record::ParsedRecord;
use domain::base::wire::ParseError;
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::rdata::AllRecordData;

/// Prints a response in dig's layout.
///
/// # Errors
/// Where the octets are no whole message.
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
    }
    line(format_args!("\n;; QUESTION SECTION:"));
    for question in message.question() {
        let question = question?;
        let name = format!(";{}.", question.qname());
        line(format_args!("{}{}\t{}", padded(&name, 32), question.qclass(), question.qtype()));
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
            line(format_args!(
                "{}{}{}\t{}\t{}",
                padded(&format!("{}.", record.owner()), 24),
                padded(&record.ttl().as_secs().to_string(), 8),
                record.class(),
                record.rtype(),
                record.data().display_zonefile(DisplayKind::Simple)
            ));
        }
    }
    Ok(text)
}

/// Text and tabs to that column, at least one, where tab stops are eight columns apart.
fn padded(text: &str, column: usize) -> String {
    let tabs = column.saturating_sub(text.len()).div_ceil(8).max(1);
    format!("{text}{}", "\t".repeat(tabs))
}
