//! A message by its fields, so that two encodings of one message are equal.

/// The fields of a message, names in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) id: u16,
    pub(crate) flags: [u8; 2],
    /// As it stands in the message.
    pub(crate) questions: Vec<u8>,
    pub(crate) sections: [Vec<Record>; 3],
    /// Octets of padding, where there is an option with it (RFC 7830).
    pub(crate) padding: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    owner: Vec<u8>,
    rtype: u16,
    class: u16,
    ttl: u32,
    rdata: Vec<u8>,
}

/// Reads octets from the front.
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn octets(&mut self, len: usize) -> Option<Vec<u8>> {
        let octets = self.message.get(self.at..self.at + len)?.to_vec();
        self.at += len;
        Some(octets)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.octets(2)?.try_into().ok()?))
    }

    /// A name, its pointers followed (RFC 1035 §4.1.4).
    fn name(&mut self) -> Option<Vec<u8>> {
        let (mut name, mut at, mut end) = (Vec::new(), self.at, None);
        loop {
            match usize::from(*self.message.get(at)?) {
                0 => {
                    name.push(0);
                    self.at = end.unwrap_or(at + 1);
                    return Some(name);
                }
                len @ 1..64 => {
                    name.extend_from_slice(self.message.get(at..at + 1 + len)?);
                    at += 1 + len;
                }
                high => {
                    end = end.or(Some(at + 2));
                    let target = (high & 0x3f) << 8 | usize::from(*self.message.get(at + 1)?);
                    (high >= 0xc0 && target < at).then_some(())?;
                    at = target;
                }
            }
        }
    }

    fn record(&mut self, padding: &mut Option<usize>) -> Option<Record> {
        let owner = self.name()?;
        let (rtype, class) = (self.u16()?, self.u16()?);
        let ttl = u32::from(self.u16()?) << 16 | u32::from(self.u16()?);
        let len = usize::from(self.u16()?);
        let end = self.at + len;
        // CNAME, NS, PTR; MX; SOA: the types in which names are compressed (RFC 3597 §4).
        let mut rdata = match rtype {
            2 | 5 | 12 => self.name()?,
            15 => [self.octets(2)?, self.name()?].concat(),
            6 => [self.name()?, self.name()?, self.octets(20)?].concat(),
            _ => self.octets(len)?,
        };
        (self.at == end).then_some(())?;
        if rtype == 41 {
            rdata = without_padding(&rdata, padding)?;
        }
        Some(Record { owner, rtype, class, ttl, rdata })
    }
}

/// The options without the one that pads.
fn without_padding(options: &[u8], padding: &mut Option<usize>) -> Option<Vec<u8>> {
    let mut reader = Reader { message: options, at: 0 };
    let mut kept = Vec::new();
    while reader.at < options.len() {
        let start = reader.at;
        let (code, len) = (reader.u16()?, reader.u16()?);
        let data = reader.octets(len.into())?;
        if code == 12 {
            assert!(data.iter().all(|octet| *octet == 0), "padding is of zeros");
            *padding = Some(data.len());
        } else {
            kept.extend_from_slice(&options[start..reader.at]);
        }
    }
    Some(kept)
}

impl Record {
    /// Whether it is a TSIG record.
    pub(crate) fn is_signature(&self) -> bool {
        self.rtype == 250
    }
}

impl Fields {
    /// Reads a message to its end.
    pub(crate) fn read(message: &[u8]) -> Option<Self> {
        let mut reader = Reader { message, at: 0 };
        let id = reader.u16()?;
        let flags = reader.octets(2)?.try_into().ok()?;
        let counts = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
        let start = reader.at;
        for _ in 0..counts[0] {
            reader.name()?;
            reader.octets(4)?;
        }
        let questions = message[start..reader.at].to_vec();
        let mut padding = None;
        let mut sections = [Vec::new(), Vec::new(), Vec::new()];
        for (section, count) in sections.iter_mut().zip(&counts[1..]) {
            for _ in 0..*count {
                section.push(reader.record(&mut padding)?);
            }
        }
        (reader.at == message.len()).then_some(Self { id, flags, questions, sections, padding })
    }

    /// Leaves of OPT records what is no option.
    pub(crate) fn forget_options(&mut self) {
        self.sections[2].iter_mut().filter(|record| record.rtype == 41).for_each(|record| record.rdata.clear());
    }

    /// Whether it has an OPT record.
    pub(crate) fn has_edns(&self) -> bool {
        self.sections[2].iter().any(|record| record.rtype == 41)
    }
}
