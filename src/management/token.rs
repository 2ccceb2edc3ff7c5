//! JSON Web Tokens (RFC 7519), signed with a key of this server.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// Lifetime of a token in seconds.
pub(super) const LIFETIME: u64 = 3600;
/// Maximum octets of a token.
const MAX_TOKEN: usize = 4096;
/// `{"alg":"HS256","typ":"JWT"}`
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// The key that tokens are signed with.
#[derive(Clone)]
pub(super) struct TokenKey(Hmac<Sha256>);

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey")
    }
}

impl TokenKey {
    /// Creates a key from these octets.
    pub(super) fn new(octets: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(octets).expect("an HMAC takes keys of any length"))
    }

    /// Issues a token for a client, valid from `now`, in seconds since 1970 in UTC. azurerm requires the claim `oid`.
    pub(super) fn issue(&self, issuer: &str, audience: &str, tenant: &str, client: &str, now: u64) -> String {
        let object = object_id(client);
        let claims = json!({
            "aud": audience, "iss": issuer, "iat": now, "nbf": now, "exp": now + LIFETIME,
            "appid": client, "oid": object, "sub": object, "tid": tenant, "ver": "1.0", "idtyp": "app",
        });
        let signed = format!("{HEADER}.{}", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()));
        let code = self.0.clone().chain_update(&signed).finalize().into_bytes();
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&code))
    }

    /// The client of a token; `None` if it was not issued here, or has expired.
    pub(super) fn client(&self, token: &str, now: u64) -> Option<String> {
        let (signed, code) = token.rsplit_once('.').filter(|_| token.len() <= MAX_TOKEN)?;
        let (header, claims) = signed.split_once('.')?;
        let code = BASE64URL_NOPAD.decode(code.as_bytes()).ok()?;
        self.0.clone().chain_update(signed).verify_slice(&code).ok()?;
        let claims: Value = serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?).ok()?;
        let counts = header == HEADER && claims.get("exp")?.as_u64()? > now;
        claims.get("appid")?.as_str().filter(|_| counts).map(str::to_owned)
    }
}

/// The GUID of a client's service principal, always the same.
fn object_id(client: &str) -> String {
    use sha2::Digest;
    super::guid(&Sha256::digest(client.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_counts_for_its_time_and_with_its_key_alone() {
        let key = TokenKey::new(&[7; 32]);
        let token = key.issue("https://127.0.0.1:1/t/", "https://management.azure.com/", "t", "robot", 1000);
        assert_eq!(token.split('.').count(), 3);
        assert_eq!(key.client(&token, 1000).as_deref(), Some("robot"));
        assert_eq!(key.client(&token, 1000 + LIFETIME), None);
        assert_eq!(TokenKey::new(&[8; 32]).client(&token, 1000), None);
        let (signed, _) = token.rsplit_once('.').unwrap();
        for forged in [
            signed.to_owned(),
            format!("{signed}."),
            format!("eyJhbGciOiJub25lIn0.{}.", signed.split_once('.').unwrap().1),
            token.replacen('.', "..", 1),
            "a.b.c".to_owned(),
            String::new(),
        ] {
            assert_eq!(key.client(&forged, 1000), None, "{forged}");
        }
    }
}
