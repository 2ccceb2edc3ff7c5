//! Authorization of changes: a browser that followed a one-time link has a session for some hours, and needs a token for each
//! form.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

/// How long a link and a session are valid.
const LINK_LIFETIME: Duration = Duration::from_secs(10 * 60);
const SESSION_LIFETIME: Duration = Duration::from_secs(8 * 3600);
/// Maximum unused links, and maximum sessions; the oldest one is dropped for a new one.
const MOST: usize = 16;

/// Links and sessions; handed over to a process that replaces this one, and lost when the last one ends.
pub(super) struct Sessions {
    held: Mutex<Held>,
}

struct Held {
    secret: Zeroizing<[u8; 32]>,
    /// The key that tokens of forms are made with.
    key: Hmac<Sha256>,
    links: Vec<Known>,
    sessions: Vec<Known>,
}

/// A code that is valid until some moment.
struct Known {
    code: String,
    end: Instant,
}

/// A session, by the value of its cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session(String);

/// Links and sessions handed over to the process that replaces this one: valid there, and no longer here.
#[derive(Serialize, Deserialize)]
pub struct HandedSessions {
    /// Hexadecimal.
    secret: String,
    links: Vec<Handed>,
    sessions: Vec<Handed>,
}

/// A code, and how many seconds it is still valid for.
#[derive(Serialize, Deserialize)]
struct Handed {
    code: String,
    seconds: u64,
}

impl fmt::Debug for HandedSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandedSessions").finish_non_exhaustive()
    }
}

impl Sessions {
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret)?;
        Ok(Self { held: Mutex::new(Held::of(secret)) })
    }

    /// Creates the code of a one-time link.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(super) fn link(&self) -> Result<String, getrandom::Error> {
        let code = random()?;
        add(&mut self.hold().links, code.clone(), Instant::now(), LINK_LIFETIME);
        Ok(code)
    }

    /// Begins a session for the code of a link, which becomes invalid.
    pub(super) fn begin(&self, code: &str) -> Option<Session> {
        self.begin_at(code, Instant::now())
    }

    fn begin_at(&self, code: &str, now: Instant) -> Option<Session> {
        let mut held = self.hold();
        forget(&mut held.links, now);
        let at = held.links.iter().position(|known| held.is_same(&known.code, code))?;
        let session = random().ok()?;
        held.links.remove(at);
        add(&mut held.sessions, session.clone(), now, SESSION_LIFETIME);
        Some(Session(session))
    }

    /// The session with this cookie.
    pub(super) fn find(&self, cookie: &str) -> Option<Session> {
        self.find_at(cookie, Instant::now())
    }

    fn find_at(&self, cookie: &str, now: Instant) -> Option<Session> {
        let mut held = self.hold();
        forget(&mut held.sessions, now);
        let known = held.sessions.iter().find(|known| held.is_same(&known.code, cookie));
        known.map(|known| Session(known.code.clone()))
    }

    /// The token of the form for an action in a session.
    pub(super) fn token(&self, session: &Session, action: &str) -> String {
        HEXLOWER.encode(&self.hold().code(session, action).finalize().into_bytes())
    }

    /// Whether a token is valid for the action.
    pub(super) fn is_token(&self, session: &Session, action: &str, token: &str) -> bool {
        let token = HEXLOWER.decode(token.as_bytes()).unwrap_or_default();
        self.hold().code(session, action).verify_slice(&token).is_ok()
    }

    /// Hands over all of it: nothing is valid here from then on.
    pub(super) fn hand_over(&self) -> HandedSessions {
        let (mut held, now) = (self.hold(), Instant::now());
        let hand = |list: Vec<Known>| -> Vec<_> {
            let left = |known: &Known| known.end.saturating_duration_since(now).as_secs();
            list.into_iter().map(|known| Handed { seconds: left(&known), code: known.code }).collect()
        };
        let secret = HEXLOWER.encode(&*held.secret);
        let (links, sessions) = (std::mem::take(&mut held.links), std::mem::take(&mut held.sessions));
        HandedSessions { secret, links: hand(links), sessions: hand(sessions) }
    }

    /// Continues with what another process had.
    pub(super) fn take_over(&self, handed: HandedSessions) {
        let secret = HEXLOWER.decode(handed.secret.as_bytes()).ok().map(Zeroizing::new);
        let Some(secret) = secret.and_then(|secret| <[u8; 32]>::try_from(&**secret).ok()) else { return };
        let (mut held, now) = (Held::of(Zeroizing::new(secret)), Instant::now());
        for (list, handed, longest) in
            [(&mut held.links, handed.links, LINK_LIFETIME), (&mut held.sessions, handed.sessions, SESSION_LIFETIME)]
        {
            for Handed { code, seconds } in handed {
                add(list, code, now, Duration::from_secs(seconds).min(longest));
            }
        }
        *self.hold() = held;
    }

    fn hold(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn of(secret: Zeroizing<[u8; 32]>) -> Self {
        let key = Hmac::new_from_slice(&*secret).expect("an HMAC takes keys of any length");
        Self { secret, key, links: Vec::new(), sessions: Vec::new() }
    }

    fn code(&self, session: &Session, action: &str) -> Hmac<Sha256> {
        self.key.clone().chain_update(&session.0).chain_update(action)
    }

    /// Compares in constant time.
    fn is_same(&self, known: &str, shown: &str) -> bool {
        let known = self.key.clone().chain_update(known).finalize().into_bytes();
        self.key.clone().chain_update(shown).verify_slice(&known).is_ok()
    }
}

impl Session {
    /// The value of its cookie.
    pub(super) fn cookie(&self) -> &str {
        &self.0
    }

    /// The lifetime of a session in seconds.
    pub(super) const fn lifetime() -> u64 {
        SESSION_LIFETIME.as_secs()
    }
}

fn random() -> Result<String, getrandom::Error> {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets)?;
    Ok(HEXLOWER.encode(&octets))
}

fn add(list: &mut Vec<Known>, code: String, now: Instant, lifetime: Duration) {
    forget(list, now);
    if list.len() >= MOST {
        list.remove(0);
    }
    list.push(Known { code, end: now + lifetime });
}

fn forget(list: &mut Vec<Known>, now: Instant) {
    list.retain(|known| now < known.end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_counts_once_and_a_token_for_its_session_and_form() {
        let sessions = Sessions::new().unwrap();
        let link = sessions.link().unwrap();
        assert!(sessions.begin("").is_none() && sessions.begin(&link[1..]).is_none());
        let session = sessions.begin(&link).unwrap();
        assert!(sessions.begin(&link).is_none(), "it counts once");
        assert_eq!(sessions.find(session.cookie()), Some(session.clone()));
        assert!(sessions.find(&link).is_none() && sessions.find("").is_none());
        let token = sessions.token(&session, "approve a");
        assert!(sessions.is_token(&session, "approve a", &token));
        let other = sessions.begin(&sessions.link().unwrap()).unwrap();
        for (session, action, token) in [
            (&session, "approve b", &*token),
            (&session, "reject a", &token),
            (&other, "approve a", &token),
            (&session, "approve a", ""),
            (&session, "approve a", &token[2..]),
        ] {
            assert!(!sessions.is_token(session, action, token), "{action} {token}");
        }
    }

    #[test]
    fn a_link_counts_for_ten_minutes_and_a_session_for_eight_hours() {
        let (sessions, minute) = (Sessions::new().unwrap(), Duration::from_secs(60));
        let (one, other) = (sessions.link().unwrap(), sessions.link().unwrap());
        let now = Instant::now();
        let session = sessions.begin_at(&one, now + 9 * minute).unwrap();
        assert!(sessions.begin_at(&other, now + 10 * minute).is_none());
        let ends = now + 9 * minute + 8 * 60 * minute;
        assert_eq!(sessions.find_at(session.cookie(), ends - minute), Some(session.clone()));
        assert_eq!(sessions.find_at(session.cookie(), ends), None);
    }

    #[test]
    fn another_process_goes_on_with_what_one_hands_over_and_that_one_has_nothing_left() {
        let (old, new) = (Sessions::new().unwrap(), Sessions::new().unwrap());
        let (used, unused) = (old.link().unwrap(), old.link().unwrap());
        let session = old.begin(&used).unwrap();
        let token = old.token(&session, "approve a");
        let handed = serde_json::to_string(&old.hand_over()).unwrap();
        new.take_over(serde_json::from_str(&handed).unwrap());
        assert_eq!(new.find(session.cookie()), Some(session.clone()));
        assert!(new.is_token(&session, "approve a", &token) && !new.is_token(&session, "approve b", &token));
        assert!(old.find(session.cookie()).is_none() && old.begin(&unused).is_none());
        assert!(new.begin(&used).is_none() && new.begin(&unused).is_some() && new.begin(&unused).is_none());
        // Nothing counts for longer than it would have.
        assert!(new.find_at(session.cookie(), Instant::now() + SESSION_LIFETIME).is_none());
    }

    #[test]
    fn of_too_many_links_the_oldest_counts_no_longer() {
        let sessions = Sessions::new().unwrap();
        let links: Vec<_> = (0..=MOST).map(|_| sessions.link().unwrap()).collect();
        assert!(sessions.begin(&links[0]).is_none());
        assert!(sessions.begin(&links[1]).is_some() && sessions.begin(&links[MOST]).is_some());
    }
}
