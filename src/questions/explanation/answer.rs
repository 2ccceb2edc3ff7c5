//! A response as a value.

use domain::base::iana::{OptRcode, Rtype};
use domain::base::name::ParsedName;
use domain::base::record::ParsedRecord;
use domain::base::wire::ParseError;
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::base::{Message, RecordSection};
use domain::rdata::AllRecordData;
use serde::Serialize;

/// A response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The response code, as dig prints it.
    pub rcode: String,
    /// The flags that are set, as dig prints them.
    pub flags: Vec<&'static str>,
    /// The records of the answer section.
    pub answer: Vec<AnswerRecord>,
    /// The records of the authority section.
    pub authority: Vec<AnswerRecord>,
    /// The records of the additional section.
    pub additional: Vec<AnswerRecord>,
    /// The message.
    #[serde(skip)]
    pub octets: Vec<u8>,
}

/// A record of a response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnswerRecord {
    /// The owner name.
    pub owner: String,
    /// Its TTL in seconds.
    pub ttl: u32,
    /// Its type.
    pub r#type: String,
    /// Its data in presentation format.
    pub data: String,
}

impl Answer {
    /// Parses a message; `None` if it is malformed.
    pub(crate) fn read(octets: &[u8]) -> Option<Self> {
        let message = Message::from_octets(octets).ok()?;
        let header = message.header();
        let rcode = message.opt().map_or_else(|| OptRcode::from(header.rcode()), |opt| opt.rcode(header));
        let flags =
            [("qr", header.qr()), ("aa", header.aa()), ("tc", header.tc()), ("rd", header.rd()), ("ra", header.ra())];
        let records = |section: RecordSection<'_, &[u8]>| section.filter_map(record).collect();
        Some(Self {
            rcode: rcode.to_string(),
            flags: flags.into_iter().filter_map(|(flag, is_set)| is_set.then_some(flag)).collect(),
            answer: records(message.answer().ok()?),
            authority: records(message.authority().ok()?),
            additional: records(message.additional().ok()?),
            octets: octets.to_vec(),
        })
    }
}

fn record(record: Result<ParsedRecord<'_, &[u8]>, ParseError>) -> Option<AnswerRecord> {
    let record = record.ok().filter(|record| record.rtype() != Rtype::OPT)?;
    let record = record.to_any_record::<AllRecordData<_, ParsedName<_>>>().ok()?;
    let owner = record.owner();
    Some(AnswerRecord {
        owner: if owner.is_root() { ".".to_owned() } else { format!("{owner}.") },
        ttl: record.ttl().as_secs(),
        r#type: record.rtype().to_string(),
        data: record.data().display_zonefile(DisplayKind::Simple).to_string(),
    })
}
