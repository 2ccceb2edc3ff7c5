//! Messages that are no plain question: other opcodes, classes and types, EDNS at its limits, malformed bodies.

use super::{Question, Transport};

const QUESTION: &[u8] = b"\x05host1\x07example\0\x00\x01\x00\x01";
const SECOND_QUESTION: &[u8] = b"\x05host1\x07example\0\x00\x0f\x00\x01";
const SOA_QUESTION: &[u8] = b"\x07example\0\x00\x06\x00\x01";
const OPT: &[u8] = b"\0\x00\x29\x04\xd0\0\0\0\0\0\0";
const RECORD: &[u8] = b"\x05host1\x07example\0\x00\x01\x00\x01\0\0\0\x05\0\x04\xc0\0\x02\x01";
const SOA_RECORD: &[u8] = b"\x07example\0\x00\x06\x00\x01\0\0\0\0\0\x16\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// All odd messages.
pub(super) fn messages() -> Vec<Question> {
    let mut odd = Odd::default();
    opcodes(&mut odd);
    flags(&mut odd);
    counts(&mut odd);
    classes(&mut odd);
    types(&mut odd);
    edns(&mut odd);
    malformed(&mut odd);
    odd.questions
}

#[derive(Default)]
struct Odd {
    questions: Vec<Question>,
}

impl Odd {
    /// Adds a message, over UDP and TCP; flags are the two octets after the number.
    fn add(&mut self, what: &'static str, flags: [u8; 2], counts: [u16; 4], body: &[&[u8]]) {
        for transport in [Transport::Udp, Transport::Tcp] {
            let id = 0x8000 + self.questions.len() as u16;
            let mut octets = id.to_be_bytes().to_vec();
            octets.extend(flags);
            octets.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
            octets.extend(body.concat());
            self.questions.push(Question {
                label: format!("{what} ({flags:02x?} {counts:?}) over {transport:?}"),
                octets,
                transport,
                qname: String::new(),
                qtype: 0,
                odd: Some(what),
                may_be_ignored: true,
            });
        }
    }

    /// Adds a message with one question and no other oddity than that.
    fn ask(&mut self, what: &'static str, question: &[u8]) {
        self.add(what, [0, 0], [1, 0, 0, 0], &[question]);
        self.add(what, [0, 0], [1, 0, 0, 1], &[question, OPT]);
    }
}

fn opcodes(odd: &mut Odd) {
    for (opcode, what) in [
        (1, "opcode IQUERY"),
        (2, "opcode STATUS"),
        (3, "opcode 3"),
        (4, "opcode NOTIFY"),
        (5, "opcode UPDATE"),
        (6, "opcode DSO"),
        (7, "opcode 7"),
        (15, "opcode 15"),
    ] {
        odd.add(what, [opcode << 3, 0], [1, 0, 0, 0], &[SOA_QUESTION]);
        odd.add(what, [opcode << 3 | 1, 0], [1, 0, 0, 1], &[SOA_QUESTION, OPT]);
    }
}

fn flags(odd: &mut Odd) {
    for (flags, what) in [
        ([0x01, 0], "flag RD"),
        ([0x02, 0], "flag TC"),
        ([0x04, 0], "flag AA"),
        ([0, 0x80], "flag RA"),
        ([0, 0x40], "flag Z"),
        ([0, 0x20], "flag AD"),
        ([0, 0x10], "flag CD"),
        ([0, 0x03], "an RCODE"),
    ] {
        odd.add(what, flags, [1, 0, 0, 0], &[QUESTION]);
        odd.add(what, flags, [1, 0, 0, 1], &[QUESTION, OPT]);
    }
    odd.add("flag QR", [0x80, 0], [1, 0, 0, 0], &[QUESTION]);
}

fn counts(odd: &mut Odd) {
    odd.add("no question", [0, 0], [0, 0, 0, 0], &[]);
    odd.add("no question", [0, 0], [0, 0, 0, 1], &[OPT]);
    odd.add("two questions", [0, 0], [2, 0, 0, 0], &[QUESTION, SECOND_QUESTION]);
    odd.add("two questions", [0, 0], [2, 0, 0, 1], &[QUESTION, SECOND_QUESTION, OPT]);
    odd.add("an answer in a query", [0, 0], [1, 1, 0, 0], &[QUESTION, RECORD]);
    odd.add("authority in a query", [0, 0], [1, 0, 1, 0], &[QUESTION, RECORD]);
    odd.add("an additional record in a query", [0, 0], [1, 0, 0, 1], &[QUESTION, RECORD]);
    odd.add("an additional record in a query", [0, 0], [1, 0, 0, 2], &[QUESTION, RECORD, OPT]);
}

fn classes(odd: &mut Odd) {
    odd.ask("class CH", b"\x05host1\x07example\0\x00\x01\x00\x03");
    odd.ask("class CH, version.bind", b"\x07version\x04bind\0\x00\x10\x00\x03");
    odd.ask("class HS", b"\x05host1\x07example\0\x00\x01\x00\x04");
    odd.ask("class ANY", b"\x05host1\x07example\0\x00\x01\x00\xff");
    odd.ask("class NONE", b"\x05host1\x07example\0\x00\x01\x00\xfe");
    odd.ask("class 0", b"\x05host1\x07example\0\x00\x01\x00\x00");
    odd.ask("class 4660", b"\x05host1\x07example\0\x00\x01\x12\x34");
}

fn types(odd: &mut Odd) {
    odd.ask("type AXFR", b"\x07example\0\x00\xfc\x00\x01");
    odd.ask("type AXFR, not held", b"\x07invalid\0\x00\xfc\x00\x01");
    odd.ask("type IXFR without SOA", b"\x07example\0\x00\xfb\x00\x01");
    odd.add("type IXFR", [0, 0], [1, 0, 1, 0], &[b"\x07example\0\x00\xfb\x00\x01", SOA_RECORD]);
    odd.ask("type MAILB", b"\x05host1\x07example\0\x00\xfd\x00\x01");
    odd.ask("type MAILA", b"\x05host1\x07example\0\x00\xfe\x00\x01");
    odd.ask("type OPT", b"\x05host1\x07example\0\x00\x29\x00\x01");
    odd.ask("type TSIG", b"\x05host1\x07example\0\x00\xfa\x00\x01");
    odd.ask("type TKEY", b"\x05host1\x07example\0\x00\xf9\x00\x01");
    odd.ask("type 0", b"\x05host1\x07example\0\x00\x00\x00\x01");
    odd.ask("type 128", b"\x05host1\x07example\0\x00\x80\x00\x01");
    odd.ask("type RRSIG", b"\x05host1\x07example\0\x00\x2e\x00\x01");
    odd.ask("type NSEC", b"\x05host1\x07example\0\x00\x2f\x00\x01");
    odd.ask("type DNSKEY", b"\x07example\0\x00\x30\x00\x01");
    odd.ask("type NSEC3PARAM", b"\x07example\0\x00\x33\x00\x01");
    odd.ask("type CDS", b"\x07example\0\x00\x3b\x00\x01");
}

fn edns(odd: &mut Odd) {
    for (what, opt) in [
        ("EDNS version 1", &b"\0\x00\x29\x04\xd0\0\x01\0\0\0\0"[..]),
        ("EDNS version 255", b"\0\x00\x29\x04\xd0\0\xff\x80\0\0\0"),
        ("EDNS with an extended RCODE", b"\0\x00\x29\x04\xd0\x05\0\0\0\0\0"),
        ("EDNS with unknown flags", b"\0\x00\x29\x04\xd0\0\0\x7f\xff\0\0"),
        ("EDNS size 0", b"\0\x00\x29\0\0\0\0\0\0\0\0"),
        ("EDNS size 100", b"\0\x00\x29\0\x64\0\0\0\0\0\0"),
        ("EDNS size 65535", b"\0\x00\x29\xff\xff\0\0\0\0\0\0"),
        ("an unknown EDNS option", b"\0\x00\x29\x04\xd0\0\0\0\0\0\x07\xfd\xe9\0\x03abc"),
        ("NSID", b"\0\x00\x29\x04\xd0\0\0\0\0\0\x04\0\x03\0\0"),
        ("a client's cookie", b"\0\x00\x29\x04\xd0\0\0\0\0\0\x0c\0\x0a\0\x0812345678"),
        ("padding", b"\0\x00\x29\x04\xd0\0\0\0\0\0\x08\0\x0c\0\x04\0\0\0\0"),
        ("TCP keepalive", b"\0\x00\x29\x04\xd0\0\0\0\0\0\x04\0\x0b\0\0"),
        ("an EDNS option cut off", b"\0\x00\x29\x04\xd0\0\0\0\0\0\x05\xfd\xe9\0\x03a"),
        ("an OPT record not at the root", b"\x01a\0\x00\x29\x04\xd0\0\0\0\0\0\0"),
    ] {
        odd.add(what, [0, 0], [1, 0, 0, 1], &[QUESTION, opt]);
    }
    for len in [0, 1, 7, 9, 15, 16, 24, 40, 41] {
        let what = if (16..=40).contains(&len) { "a server's cookie" } else { "a cookie of a bad length" };
        let cookie = [b"\0\x0a\0", &[len][..], &vec![7; len.into()]].concat();
        let opt = [b"\0\x00\x29\x04\xd0\0\0\0\0\0", &[len + 4][..], &cookie].concat();
        odd.add(what, [0, 0], [1, 0, 0, 1], &[QUESTION, &opt]);
    }
    let cookie = b"\0\x00\x29\x04\xd0\0\0\0\0\0\x0c\0\x0a\0\x0812345678";
    odd.add("no question but a cookie", [0, 0], [0, 0, 0, 1], &[cookie]);
    odd.add("two OPT records", [0, 0], [1, 0, 0, 2], &[QUESTION, OPT, OPT]);
    odd.add("OPT before another record", [0, 0], [1, 0, 0, 2], &[QUESTION, OPT, RECORD]);
    odd.add("OPT in the answer section", [0, 0], [1, 1, 0, 0], &[QUESTION, OPT]);
}

fn malformed(odd: &mut Odd) {
    odd.add("octets after the message", [0, 0], [1, 0, 0, 0], &[QUESTION, b"junk"]);
    odd.add("octets after the message", [0, 0], [1, 0, 0, 1], &[QUESTION, OPT, b"junk"]);
    odd.add("a question cut off", [0, 0], [1, 0, 0, 0], &[&QUESTION[..QUESTION.len() - 2]]);
    odd.add("a record missing", [0, 0], [1, 0, 0, 1], &[QUESTION]);
    odd.add("a compressed question", [0, 0], [1, 0, 0, 0], &[b"\xc0\x0c\x00\x01\x00\x01"]);
    odd.add("a label of type 01", [0, 0], [1, 0, 0, 0], &[b"\x41\x01\0\x00\x01\x00\x01"]);
    odd.add("a name of 256 octets", [0, 0], [1, 0, 0, 0], &[&[1; 256], b"\0\x00\x01\x00\x01"]);
}
