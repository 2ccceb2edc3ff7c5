//! What a secret leaves behind in the memory of the server: nothing but the state of an HMAC, after the start, after
//! reloads, and after reloads that are refused. The secret of cookies is there once, while it counts.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::time::Instant;

use hickory_proto::rr::RecordType;
use vnetdns::dns::TsigAlgorithm;

use super::key_file;
use super::message::Signer;
use crate::support::{PATIENCE, Server, query};

/// Octets of a piece that is looked for: a part of a secret is as bad as the whole of it.
const PIECE: usize = 8;

/// Octets of a page of memory, or of a part of one.
const PAGE: usize = 4096;

/// Octets that look random and are the same in every run (SplitMix64).
fn secret(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = state;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    };
    std::iter::repeat_with(|| next().to_be_bytes()).flatten().take(len).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// What is looked for in memory.
struct Needles {
    pieces: Vec<([u8; PIECE], String)>,
    /// Whether a piece begins with two octets.
    begins: Vec<bool>,
}

impl Needles {
    fn new<'a>(needles: impl IntoIterator<Item = (String, &'a [u8])>) -> Self {
        let (mut pieces, mut begins) = (Vec::new(), vec![false; 1 << 16]);
        for (name, needle) in needles {
            assert!(needle.len() >= PIECE, "{name}");
            for piece in needle.chunks_exact(PIECE) {
                begins[usize::from(u16::from_be_bytes([piece[0], piece[1]]))] = true;
                pieces.push((piece.try_into().unwrap(), name.clone()));
            }
        }
        Self { pieces, begins }
    }

    /// The names of those that are in the memory of a process.
    fn found(&self, process: u32) -> Vec<String> {
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
        let mut memory = File::open(format!("/proc/{process}/mem")).unwrap();
        let mut found = Vec::new();
        for line in maps.lines() {
            let (range, rest) = line.split_once(' ').unwrap();
            // What cannot be written holds what the program's file has.
            if !rest.starts_with("rw") {
                continue;
            }
            let (begin, end) = range.split_once('-').unwrap();
            let number = |hex| u64::from_str_radix(hex, 16).unwrap();
            let mut octets = vec![0; (number(end) - number(begin)) as usize];
            memory.seek(SeekFrom::Start(number(begin))).unwrap();
            // Memory may be gone by now.
            if memory.read_exact(&mut octets).is_err() {
                continue;
            }
            for at in (0..octets.len()).step_by(PAGE) {
                // Most of it was never written to.
                if octets[at..][..PAGE] == [0; PAGE] {
                    continue;
                }
                for window in octets[at.saturating_sub(PIECE - 1)..at + PAGE].windows(PIECE) {
                    if self.begins[usize::from(u16::from_be_bytes([window[0], window[1]]))] {
                        let here = self.pieces.iter().filter(|(piece, _)| piece == window);
                        found.extend(here.map(|(_, name)| name.clone()));
                    }
                }
            }
        }
        found.sort();
        found.dedup();
        found
    }
}

/// The texts and octets of secrets, as memory may hold them.
fn of_key(name: &str, secret: &[u8]) -> [(String, Vec<u8>); 4] {
    // HMAC takes a secret that is longer than a block as its hash.
    let padded = |pad: u8| secret.iter().map(|octet| octet ^ pad).collect::<Vec<_>>();
    [
        (format!("{name} in base64"), domain::utils::base64::encode_string(secret).into_bytes()),
        (format!("{name} raw"), secret.to_vec()),
        (format!("{name} for the inner hash"), padded(0x36)),
        (format!("{name} for the outer hash"), padded(0x5c)),
    ]
}

const WORLD: &str = r#"
[server]
listen = ["127.0.0.1:0"]
cookie_secret_file = "cookies.secret"

[[virtual_network]]
name = "needle-that-is-there"
client_prefixes = ["127.1.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "needle-that-is-there" }]
record_set = [{ name = "host", type = "A", records = ["10.255.0.1"] }]
"#;

/// The keys of one generation: name, algorithm, secret.
fn keys(seed: u64) -> Vec<(String, TsigAlgorithm, Vec<u8>)> {
    use TsigAlgorithm::{HmacSha256, HmacSha384, HmacSha512};
    let of = [(HmacSha256, 32), (HmacSha256, 16), (HmacSha384, 48), (HmacSha512, 64), (HmacSha512, 300)];
    of.into_iter()
        .enumerate()
        .map(|(at, (algorithm, len))| (format!("key-{at}"), algorithm, secret(seed + at as u64 * 1_000_003, len)))
        .collect()
}

#[test]
fn a_secret_leaves_its_file_as_the_state_of_an_hmac_alone() {
    let config: String = WORLD.to_owned()
        + &(0..5)
            .map(|at| {
                format!("[[tsig_key]]\nname = \"key-{at}\"\nfile = \"{at}.key\"\nvirtual_network = \"needle-that-is-there\"\n")
            })
            .collect::<String>();
    let [first, second] = [keys(1), keys(2)];
    let [old, new] = [secret(3, 16), secret(4, 16)];
    let text = |at: usize, keys: &[(String, TsigAlgorithm, Vec<u8>)]| {
        let (name, algorithm, secret) = &keys[at];
        key_file(name, &algorithm.to_string(), secret)
    };
    let files: Vec<_> = (0..5).map(|at| (format!("{at}.key"), text(at, &first))).collect();
    let cookies = hex(&old) + "\n";
    let mut files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    files.push(("cookies.secret", &cookies));
    let server = Server::configured_with(&config, &files);

    let mut wanted: Vec<(String, Vec<u8>)> = Vec::new();
    for (generation, keys) in [("first", &first), ("second", &second)] {
        wanted.extend(keys.iter().flat_map(|(name, _, secret)| of_key(&format!("{generation} {name}"), secret)));
    }
    wanted.extend(
        [("old", &old), ("new", &new)].map(|(name, secret)| (format!("{name} cookie's digits"), hex(secret).into())),
    );
    let secrets = Needles::new(wanted.iter().map(|(name, octets)| (name.clone(), &octets[..])));
    // What shows that the search finds what is there.
    let there = Needles::new([
        ("network".to_owned(), &b"needle-that-is-there"[..]),
        ("old cookie".to_owned(), &old[..]),
        ("new cookie".to_owned(), &new[..]),
    ]);
    let search = |when: &str, expected: &[&str]| {
        let start = Instant::now();
        loop {
            let (bad, good) = (secrets.found(server.process()), there.found(server.process()));
            if bad.is_empty() && good == expected {
                return;
            }
            // A snapshot that is replaced is dropped by a thread of its own.
            assert!(start.elapsed() < PATIENCE, "{when}: {bad:?} must not be there, {good:?} must be {expected:?}");
        }
    };
    let sign = |keys: &[(String, TsigAlgorithm, Vec<u8>)]| {
        for (name, algorithm, secret) in keys {
            let signer = Signer::with_secret(name, *algorithm, secret);
            let signed = signer.sign(&query("host.corp.test", RecordType::A).to_vec().unwrap());
            let response = server.exchange("127.0.0.1", &signed.octets);
            assert_eq!(signer.signature(&signed, &response).unwrap().is_right, Some(true), "{name}");
        }
    };
    let mut generation = 1;
    let mut reload = || {
        generation += 1;
        server.signal("HUP");
        server.wait_for_log(&format!("reloaded generation={generation} "));
    };

    search("at the start", &["network", "old cookie"]);
    sign(&first);
    search("after signatures", &["network", "old cookie"]);
    // Nothing has changed: the secrets are read for that to be known.
    reload();
    search("after a reload without a change", &["network", "old cookie"]);
    server.configure(&format!("{config}\n# another text\n"));
    reload();
    sign(&first);
    search("after a reload of the same secrets", &["network", "old cookie"]);
    for at in 0..5 {
        server.write(&format!("{at}.key"), &text(at, &second));
    }
    server.write("cookies.secret", &format!("{}\n{}\n", hex(&new), hex(&old)));
    reload();
    sign(&second);
    search("with new secrets", &["network", "new cookie", "old cookie"]);
    server.write("cookies.secret", &format!("\u{feff}{}\n", hex(&new).to_uppercase()));
    reload();
    search("without the old secret", &["network", "new cookie"]);

    // Files that are refused, each read to another point.
    let whole = text(0, &second);
    let named_otherwise = whole.replace("key-0", "key-9");
    let cut = whole.replace("};\n", "");
    let followed = format!("{whole}more");
    let unknown = whole.replace("hmac-sha256", "hmac-md5");
    let bare = domain::utils::base64::encode_string(&second[0].2);
    let too_long = format!("{whole}{}", "#".repeat(70_000));
    let mut refused = 0;
    for broken in [&named_otherwise, &cut, &followed, &unknown, &bare, &too_long] {
        server.write("0.key", broken);
        server.write("cookies.secret", &format!("{}\n{}0\n", hex(&new), hex(&old)));
        refused += 1;
        server.signal("HUP");
        let start = Instant::now();
        while server.log().matches("the reload is refused").count() < refused {
            assert!(start.elapsed() < PATIENCE, "{broken}\n{}", server.log());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        search("after a reload that is refused", &["network", "new cookie"]);
    }
    // A file that is taken for another one.
    server.write("0.key", &whole);
    server.write("cookies.secret", &hex(&new));
    let zone = "[[private_dns_zone]]\nname = \"wrong.test\"\nfile = \"";
    let including = "$INCLUDE 0.key\nwww 60 A 10.0.0.1\n";
    server.write("including.zone", including);
    server.write("changed.zone", "www 60 A 10.0.0.1\n");
    server.configure(&format!("{config}{zone}changed.zone\"\n"));
    reload();
    server.write("changed.zone", &whole);
    for broken in [
        format!("{config}{zone}changed.zone\"\n"),
        format!("{config}{zone}0.key\"\n"),
        format!("{config}{zone}including.zone\"\n"),
        format!("{config}{zone}cookies.secret\"\n"),
        whole,
    ] {
        server.configure(&broken);
        refused += 1;
        server.signal("HUP");
        let start = Instant::now();
        while server.log().matches("the reload is refused").count() < refused {
            assert!(start.elapsed() < PATIENCE, "{broken}\n{}", server.log());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        search(&format!("after a reload of a key as something else: {broken}"), &["network", "new cookie"]);
    }
    let log = server.log();
    for (name, octets) in &wanted {
        let shown = std::str::from_utf8(octets).is_ok_and(|text| log.contains(&text[..PIECE]));
        assert!(!shown, "{name} is in the log:\n{log}");
    }
}
