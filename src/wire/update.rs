//! UPDATE messages (RFC 2136 §2): bytes → zone, prerequisites and updates.

use super::HEADER;
use super::request::read_question;
use crate::dns::{DNSClass, Name, Rcode, RecordType, rdata};

/// A request to change a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The apex of the zone.
    pub zone: Name,
    /// The prerequisites (§2.4).
    pub prerequisites: Vec<UpdateRecord>,
    /// The records to add and delete (§2.5).
    pub changes: Vec<UpdateRecord>,
}

/// A record of an UPDATE message. Its class decides what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateRecord {
    /// The owner name.
    pub owner: Name,
    /// The type; ANY for all types.
    pub rtype: RecordType,
    /// Its class: the zone's, ANY or NONE.
    pub class: DNSClass,
    /// Its TTL as it came.
    pub ttl: u32,
    /// Its data, without compression.
    pub rdata: Box<[u8]>,
}

impl Update {
    /// Parses a message whose opcode is UPDATE.
    ///
    /// # Errors
    /// FORMERR for a malformed message, NOTAUTH for a zone of a class other than IN.
    pub fn parse(octets: &[u8]) -> Result<Self, Rcode> {
        let (head, mut rest) = octets.split_first_chunk::<HEADER>().ok_or(Rcode::FormErr)?;
        let count = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        // §3.1.1: one zone, by its SOA record.
        let zone = read_question(&mut rest).map(|(zone, _)| zone).ok_or(Rcode::FormErr)?;
        if count(4) != 1 || zone.qtype != RecordType::SOA {
            return Err(Rcode::FormErr);
        }
        if zone.qclass != DNSClass::IN {
            return Err(Rcode::NotAuth);
        }
        let mut reader = Reader { message: octets, at: octets.len() - rest.len() };
        let mut section =
            |count: u16| (0..count).map(|_| reader.record().ok_or(Rcode::FormErr)).collect::<Result<Vec<_>, _>>();
        Ok(Self { zone: zone.qname.to_name(), prerequisites: section(count(6))?, changes: section(count(8))? })
    }
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn record(&mut self) -> Option<UpdateRecord> {
        let owner = self.name()?;
        let fixed: [u8; 10] = *self.message.get(self.at..)?.first_chunk()?;
        self.at += fixed.len();
        let end = self.at + usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        let rtype = RecordType::from(u16::from_be_bytes([fixed[0], fixed[1]]));
        let rdata = self.rdata(rtype, end)?;
        Some(UpdateRecord {
            owner,
            rtype,
            class: DNSClass::from(u16::from_be_bytes([fixed[2], fixed[3]])),
            ttl: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            rdata,
        })
    }

    /// The RDATA up to `end`, its compressed names written out (RFC 3597 §4).
    fn rdata(&mut self, rtype: RecordType, end: usize) -> Option<Box<[u8]>> {
        let whole = self.message.get(self.at..end)?;
        let Some((before, _)) = rdata::compressible_at(rtype).and_then(|at| whole.split_at_checked(at)) else {
            self.at = end;
            return Some(whole.into());
        };
        let mut octets = before.to_vec();
        self.at += before.len();
        if self.at < end {
            for _ in 0..if rtype == RecordType::SOA { 2 } else { 1 } {
                octets.extend(self.name()?.as_wire());
            }
        }
        octets.extend(self.message.get(self.at..end)?);
        self.at = end;
        Some(octets.into())
    }

    /// The name at this place, written out. Each compression pointer must lead to an earlier place than the one before it, so
    /// that the walk ends (RFC 1035 §4.1.4).
    fn name(&mut self) -> Option<Name> {
        let (mut octets, mut at, mut earliest, mut after) = (Vec::new(), self.at, self.at, None);
        loop {
            let len = *self.message.get(at)?;
            match len {
                0..=63 => {
                    let next = at + 1 + usize::from(len);
                    octets.extend(self.message.get(at..next)?);
                    at = next;
                    if len == 0 {
                        break;
                    }
                }
                0xc0.. => {
                    let to = usize::from(u16::from_be_bytes([len & 0x3f, *self.message.get(at + 1)?]));
                    after.get_or_insert(at + 2);
                    if to >= earliest {
                        return None;
                    }
                    (at, earliest) = (to, to);
                }
                _ => return None,
            }
            if octets.len() > 255 {
                return None;
            }
        }
        self.at = after.unwrap_or(at);
        Name::from_wire(&octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: &[u8] = b"\x04corp\x04test\0\0\x06\0\x01";

    fn message(counts: [u16; 4], body: &[&[u8]]) -> Vec<u8> {
        let mut octets = vec![0x12, 0x34, 0x28, 0];
        octets.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
        octets.extend(body.concat());
        octets
    }

    #[test]
    fn records_are_read_with_their_names_written_out() {
        // As nsupdate writes them: owners and targets lead to the zone's name.
        let alias = b"\x01a\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01b\xc0\x0c";
        let exchange = b"\xc0\x0c\0\x0f\0\xfe\0\0\0\0\0\x06\0\x0a\x01m\xc0\x0c";
        let any = b"\x03www\xc0\x0c\0\xff\0\xff\0\0\0\0\0\0";
        let update = Update::parse(&message([1, 1, 2, 0], &[ZONE, any, alias, exchange])).unwrap();
        assert_eq!(update.zone.to_string(), "corp.test.");
        let [any] = &update.prerequisites[..] else { panic!("{update:?}") };
        assert_eq!(
            (any.owner.to_string().as_str(), any.rtype, any.class),
            ("www.corp.test.", RecordType::ANY, DNSClass::ANY)
        );
        let [alias, exchange] = &update.changes[..] else { panic!("{update:?}") };
        assert_eq!((alias.owner.to_string().as_str(), alias.ttl), ("a.corp.test.", 60));
        assert_eq!(&*alias.rdata, b"\x01b\x04corp\x04test\0");
        assert_eq!((exchange.class, &*exchange.rdata), (DNSClass::NONE, b"\0\x0a\x01m\x04corp\x04test\0".as_slice()));
    }

    #[test]
    fn what_is_no_update_is_a_format_error() {
        let check = |octets: &[u8], expected| assert_eq!(Update::parse(octets), Err(expected), "{octets:?}");
        check(b"\x12\x34\x28", Rcode::FormErr);
        check(&message([0, 0, 0, 0], &[]), Rcode::FormErr);
        check(&message([2, 0, 0, 0], &[ZONE, ZONE]), Rcode::FormErr);
        check(&message([1, 0, 0, 0], &[b"\x04corp\x04test\0\0\x01\0\x01"]), Rcode::FormErr);
        check(&message([1, 0, 0, 0], &[b"\x04corp\x04test\0\0\x06\0\x03"]), Rcode::NotAuth);
        let cut = b"\x01a\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\0\0";
        check(&message([1, 0, 1, 0], &[ZONE, cut]), Rcode::FormErr);
        check(&message([1, 0, 2, 0], &[ZONE, b"\x01a\xc0\x0c\0\x01\0\xff\0\0\0\0\0\0"]), Rcode::FormErr);
        // Names that lead to themselves, forwards, and in a circle.
        for pointer in [b"\xc0\x1b", b"\xc0\xff", b"\xc0\x1d"] {
            let record = [&pointer[..], b"\0\x01\0\xff\0\0\0\0\0\0\xc0\x1b"].concat();
            check(&message([1, 0, 1, 0], &[ZONE, &record]), Rcode::FormErr);
        }
    }
}
