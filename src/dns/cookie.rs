//! DNS cookies (RFC 7873), with the interoperable server cookies of RFC 9018.
//!
//! A valid cookie shows that its sender receives what is sent to its address. The server keeps no state for it: a server cookie
//! is a signature over the client's address, which the server verifies when it comes back.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use domain::base::Serial;
use domain::base::opt::cookie::{ClientCookie, ServerCookie, StandardServerCookie};
use zeroize::Zeroizing;

/// Octets of a client cookie.
const CLIENT_LEN: usize = 8;
/// Octets of an interoperable server cookie (RFC 9018 §4).
const SERVER_LEN: usize = 16;
/// The only version of server cookies (RFC 9018 §4.1).
const VERSION: u8 = 1;
/// How far the time in a valid server cookie may lie in the past and in the future, in seconds (RFC 9018 §4.3).
const LIFETIME: i32 = 3600;
const TOO_EARLY: i32 = 300;
/// Age from which on a client is sent a new server cookie, in seconds (RFC 9018 §4.3).
const RENEWAL: i32 = 1800;

/// The data of a COOKIE option (RFC 7873 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    client: [u8; CLIENT_LEN],
    server: Option<[u8; SERVER_LEN]>,
    state: CookieState,
}

/// What the cookie of a request shows about its sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookieState {
    /// There is no cookie, or it is not interpreted.
    #[default]
    Absent,
    /// The client has no server cookie yet.
    ClientOnly,
    /// The server cookie is malformed, expired or signed for another address.
    Invalid,
    /// The server cookie is valid: the client receives what is sent to its address.
    Valid,
}

impl CookieState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Absent, Self::ClientOnly, Self::Invalid, Self::Valid];
}

/// The secrets that server cookies are signed with. Servers behind one address share them.
/// Clones share one copy in memory, which is wiped with the last of them.
#[derive(Clone, PartialEq, Eq)]
pub struct CookieSecrets(Arc<Secrets>);

#[derive(PartialEq, Eq)]
struct Secrets {
    signing: Zeroizing<[u8; 16]>,
    /// A second secret whose cookies are accepted while all servers change to a new one (RFC 9018 §5).
    other: Option<Zeroizing<[u8; 16]>>,
}

impl Cookie {
    /// Reads the data of an option: a client cookie of 8 octets, alone or with a server cookie of 8 to 32; `None` for any
    /// other length (RFC 7873 §5.2.2).
    pub fn read(data: &[u8]) -> Option<Self> {
        let (client, server) = data.split_first_chunk()?;
        let (server, state) = match server.len() {
            0 => (None, CookieState::ClientOnly),
            // A server cookie of another length is not of RFC 9018. Zeros stand for it: they have no valid version.
            8..=32 => (Some(server.try_into().unwrap_or_default()), CookieState::Invalid),
            _ => return None,
        };
        Some(Self { client: *client, server, state })
    }

    /// What the cookie shows about its sender; never `Valid` before [`CookieSecrets::answer`] has verified it.
    pub const fn state(&self) -> CookieState {
        self.state
    }

    /// The client cookie alone, without a server cookie and not interpreted.
    #[must_use]
    pub const fn echoed(self) -> Self {
        Self { server: None, state: CookieState::Absent, ..self }
    }

    /// Octets of the option's data.
    pub const fn wire_len(&self) -> usize {
        if self.server.is_some() { Self::MAX_LEN } else { CLIENT_LEN }
    }

    /// Maximum octets of a response's option.
    pub const MAX_LEN: usize = CLIENT_LEN + SERVER_LEN;

    /// Appends the option's data.
    pub fn write(&self, octets: &mut Vec<u8>) {
        octets.extend_from_slice(&self.client);
        if let Some(server) = &self.server {
            octets.extend_from_slice(server);
        }
    }
}

impl CookieSecrets {
    /// `signing` signs and verifies, `other` verifies.
    pub fn new(signing: [u8; 16], other: Option<[u8; 16]>) -> Self {
        Self(Arc::new(Secrets { signing: signing.into(), other: other.map(Zeroizing::new) }))
    }

    /// The signing secret, for the process that replaces this one.
    pub fn signing(&self) -> Zeroizing<[u8; 16]> {
        self.0.signing.clone()
    }

    /// The cookie of the response to a request with `cookie`: the server cookie as received if it is valid and recent, else a new
    /// one. `now` is in seconds since 1970 in UTC.
    #[must_use]
    pub fn answer(&self, cookie: Cookie, client: IpAddr, now: u64) -> Cookie {
        // The time in a cookie is a serial number (RFC 1982), which wraps.
        let now = now as u32;
        let client = client.to_canonical();
        let client_cookie = ClientCookie::from(cookie.client);
        let received = cookie.server.and_then(|server| ServerCookie::from_octets(&server).try_to_standard());
        let age = |server: StandardServerCookie| now.wrapping_sub(server.timestamp().into_int()).cast_signed();
        let signed_by = |secret: &[u8; 16]| {
            received.is_some_and(|server| {
                server.version() == VERSION
                    && (-TOO_EARLY..=LIFETIME).contains(&age(server))
                    && server.check_hash(client_cookie, client, secret)
            })
        };
        let Secrets { signing, other } = &*self.0;
        let is_ours = signed_by(signing);
        if is_ours && received.is_some_and(|server| age(server) <= RENEWAL) {
            return Cookie { state: CookieState::Valid, ..cookie };
        }
        let is_valid = is_ours || other.as_ref().is_some_and(|other| signed_by(other));
        let new = StandardServerCookie::calculate(client_cookie, Serial(now), client, signing);
        let mut server = [0; SERVER_LEN];
        server.copy_from_slice(ServerCookie::from(new).as_ref());
        let state = if is_valid { CookieState::Valid } else { cookie.state };
        Cookie { server: Some(server), state, ..cookie }
    }
}

/// Secrets are not printed.
impl fmt::Debug for CookieSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookieSecrets").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 16] = 0xe5e9_73e5_a6b2_a43f_48e7_dc84_9e37_bfcf_u128.to_be_bytes();

    fn octets(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// The cookie of a response and what the request's showed.
    fn answer(secrets: &CookieSecrets, cookie: &str, client: &str, now: u64) -> (String, CookieState) {
        let answer = secrets.answer(Cookie::read(&octets(cookie)).unwrap(), client.parse().unwrap(), now);
        let mut data = Vec::new();
        answer.write(&mut data);
        assert_eq!(data.len(), answer.wire_len());
        (data.iter().map(|octet| format!("{octet:02x}")).collect(), answer.state())
    }

    #[track_caller]
    fn check(secrets: &CookieSecrets, cookie: &str, client: &str, now: u64, expected: (&str, CookieState)) {
        let (data, state) = answer(secrets, cookie, client, now);
        assert_eq!((data.as_str(), state), expected);
    }

    #[test]
    fn the_examples_of_rfc_9018() {
        let secrets = CookieSecrets::new(SECRET, None);
        let first = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
        check(&secrets, "2464c4abcf10c957", "198.51.100.100", 1_559_731_985, (first, CookieState::ClientOnly));
        let renewed = "2464c4abcf10c957010000005cf7a871d4a564a1442aca77";
        check(&secrets, first, "198.51.100.100", 1_559_734_385, (renewed, CookieState::Valid));
        // With reserved octets that are set, in a cookie of nearly two hours: here that is too old.
        let other = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5";
        let renewed = "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e";
        check(&secrets, other, "203.0.113.203", 1_559_734_700, (renewed, CookieState::Invalid));
        assert_eq!(answer(&secrets, other, "203.0.113.203", 1_559_728_000).1, CookieState::Valid);
        // A new secret.
        let old = 0xdd3b_df93_44b6_78b1_85a6_f5cb_60fc_a715_u128.to_be_bytes();
        let new = 0x4455_36bc_d251_3298_075a_5d37_9663_c962_u128.to_be_bytes();
        let client = "2001:db8:220:1:59de:d0f4:8769:82b8";
        let of_old = "22681ab97d52c298010000005cf7c57926556bd0934c72f8";
        let of_new = "22681ab97d52c298010000005cf7c609a6bb79d16625507a";
        check(&CookieSecrets::new(new, Some(old)), of_old, client, 1_559_741_961, (of_new, CookieState::Valid));
        check(&CookieSecrets::new(new, None), of_old, client, 1_559_741_961, (of_new, CookieState::Invalid));
        // While not all servers have the new one.
        check(&CookieSecrets::new(old, Some(new)), of_old, client, 1_559_741_961, (of_old, CookieState::Valid));
        assert_eq!(answer(&CookieSecrets::new(old, Some(new)), of_new, client, 1_559_741_961).1, CookieState::Valid);
    }

    #[test]
    fn a_server_cookie_holds_for_an_hour_and_is_renewed_after_half_of_it() {
        let secrets = CookieSecrets::new(SECRET, None);
        // The clock of RFC 1982 goes round in 2106.
        for made in [1_600_000_000, u64::from(u32::MAX) - 10, u64::from(u32::MAX) + 400] {
            let (cookie, _) = answer(&secrets, "0123456789abcdef", "192.0.2.1", made);
            for (now, is_valid, is_renewed) in [
                (made - 301, false, true),
                (made - 300, true, false),
                (made, true, false),
                (made + 1800, true, false),
                (made + 1801, true, true),
                (made + 3600, true, true),
                (made + 3601, false, true),
                (made + (1 << 31), false, true),
            ] {
                let (next, state) = answer(&secrets, &cookie, "192.0.2.1", now);
                let expected = if is_valid { CookieState::Valid } else { CookieState::Invalid };
                assert_eq!((state, next != cookie), (expected, is_renewed), "{now} for one of {made}");
            }
        }
    }

    #[test]
    fn a_server_cookie_is_of_one_client_and_one_secret() {
        let secrets = CookieSecrets::new(SECRET, None);
        let (cookie, _) = answer(&secrets, "0123456789abcdef", "192.0.2.1", 1000);
        let state = |secrets: &CookieSecrets, cookie: &str, client: &str| answer(secrets, cookie, client, 1000).1;
        assert_eq!(state(&secrets, &cookie, "192.0.2.1"), CookieState::Valid);
        assert_eq!(state(&secrets, &cookie, "::ffff:192.0.2.1"), CookieState::Valid);
        assert_eq!(state(&secrets, &cookie, "192.0.2.2"), CookieState::Invalid);
        assert_eq!(state(&CookieSecrets::new([7; 16], None), &cookie, "192.0.2.1"), CookieState::Invalid);
        // Every bit counts.
        let whole = octets(&cookie);
        for bit in 0..whole.len() * 8 {
            let mut bent = whole.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            let bent = Cookie::read(&bent).unwrap();
            let state = secrets.answer(bent, "192.0.2.1".parse().unwrap(), 1000).state();
            assert_eq!(state, CookieState::Invalid, "bit {bit}");
        }
    }

    #[test]
    fn lengths_are_those_of_rfc_7873() {
        for len in 0..=50 {
            let cookie = Cookie::read(&vec![1; len]);
            assert_eq!(cookie.is_some(), len == 8 || (16..=40).contains(&len), "{len}");
            let Some(cookie) = cookie else { continue };
            let expected = if len == 8 { CookieState::ClientOnly } else { CookieState::Invalid };
            let answer = CookieSecrets::new(SECRET, None).answer(cookie, "192.0.2.1".parse().unwrap(), 1000);
            assert_eq!((answer.state(), answer.wire_len()), (expected, 24), "{len}");
            assert_eq!(answer.echoed().wire_len(), 8);
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let secrets = CookieSecrets::new(*b"not to be shown!", Some(*b"not to be shown!"));
        assert_eq!(format!("{secrets:?}"), "CookieSecrets { .. }");
    }
}
