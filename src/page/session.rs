//! Authorization of changes: a browser that followed a one-time link has a session for some hours, and needs a token for each
//! form.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How long a link and a session are valid.
const LINK_LIFETIME: Duration = Duration::from_secs(10 * 60);
const SESSION_LIFETIME: Duration = Duration::from_secs(8 * 3600);
/// Maximum unused links, and maximum sessions; the oldest one is dropped for a new one.
const MOST: usize = 16;

/// Links and sessions; lost when the process ends.
pub(super) struct Sessions {
    /// The key that tokens of forms are made with.
    key: Hmac<Sha256>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    links: Vec<(String, Instant)>,
    sessions: Vec<(String, Instant)>,
}

/// A session, by the value of its cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session(String);

impl Sessions {
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        let key = Hmac::new_from_slice(&secret).expect("an HMAC takes keys of any length");
        Ok(Self { key, held: Mutex::default() })
    }

    /// Creates the code of a one-time link.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(super) fn link(&self) -> Result<String, getrandom::Error> {
        let code = random()?;
        add(&mut self.hold().links, code.clone(), LINK_LIFETIME);
        Ok(code)
    }

    /// Begins a session for the code of a link, which becomes invalid.
    pub(super) fn begin(&self, code: &str) -> Option<Session> {
        let mut held = self.hold();
        forget(&mut held.links, LINK_LIFETIME);
        let at = held.links.iter().position(|(known, _)| self.is_same(known, code))?;
        let session = random().ok()?;
        held.links.remove(at);
        add(&mut held.sessions, session.clone(), SESSION_LIFETIME);
        Some(Session(session))
    }

    /// The session with this cookie.
    pub(super) fn find(&self, cookie: &str) -> Option<Session> {
        let mut held = self.hold();
        forget(&mut held.sessions, SESSION_LIFETIME);
        let known = held.sessions.iter().find(|(known, _)| self.is_same(known, cookie));
        known.map(|(known, _)| Session(known.clone()))
    }

    /// The token of the form for an action in a session.
    pub(super) fn token(&self, session: &Session, action: &str) -> String {
        HEXLOWER.encode(&self.code(session, action).finalize().into_bytes())
    }

    /// Whether a token is valid for the action.
    pub(super) fn is_token(&self, session: &Session, action: &str, token: &str) -> bool {
        let token = HEXLOWER.decode(token.as_bytes()).unwrap_or_default();
        self.code(session, action).verify_slice(&token).is_ok()
    }

    fn code(&self, session: &Session, action: &str) -> Hmac<Sha256> {
        self.key.clone().chain_update(&session.0).chain_update(action)
    }

    /// Compares in constant time.
    fn is_same(&self, known: &str, shown: &str) -> bool {
        let known = self.key.clone().chain_update(known).finalize().into_bytes();
        self.key.clone().chain_update(shown).verify_slice(&known).is_ok()
    }

    fn hold(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
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

fn add(list: &mut Vec<(String, Instant)>, code: String, lifetime: Duration) {
    forget(list, lifetime);
    if list.len() >= MOST {
        list.remove(0);
    }
    list.push((code, Instant::now()));
}

fn forget(list: &mut Vec<(String, Instant)>, lifetime: Duration) {
    list.retain(|(_, since)| since.elapsed() < lifetime);
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
    fn of_too_many_links_the_oldest_counts_no_longer() {
        let sessions = Sessions::new().unwrap();
        let links: Vec<_> = (0..=MOST).map(|_| sessions.link().unwrap()).collect();
        assert!(sessions.begin(&links[0]).is_none());
        assert!(sessions.begin(&links[1]).is_some() && sessions.begin(&links[MOST]).is_some());
    }
}
