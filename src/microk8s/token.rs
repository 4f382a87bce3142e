//! Join tokens: made by the seed, used once, alive for minutes.

use std::net::Ipv4Addr;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// How long a token may live, in seconds.
pub const LIFE_SECONDS: u32 = 600;

/// A token as `microk8s add-node --format json` announces it: it makes one itself where none is given, so that none is
/// an argument of a process there (canonical/microk8s `scripts/wrappers/add_token.py`).
#[derive(Debug)]
pub struct Token {
    /// What the seed knows it by.
    pub secret: SecretString,
    /// The beginning of the fingerprint of the seed's certificate.
    check: String,
}

#[derive(Deserialize)]
struct Announced {
    token: String,
}

impl Token {
    /// Reads what `add-node` printed; absent when that announces no token.
    pub fn read(add_node: &str) -> Option<Self> {
        let announced = SecretString::from(serde_json::from_str::<Announced>(add_node).ok()?.token);
        let (secret, check) = announced.expose_secret().split_once('/')?;
        let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let fits = (32..=128).contains(&secret.len()) && hex(secret) && (12..=64).contains(&check.len()) && hex(check);
        fits.then(|| Self { secret: secret.into(), check: check.to_owned() })
    }

    /// The connection string for a joining node: with the seed's address in the inventory, since the URLs printed may
    /// name a bridge, and `join` takes IPv4 addresses only.
    pub fn connection(&self, seed: Ipv4Addr) -> SecretString {
        format!("{seed}:25000/{}/{}", self.secret.expose_secret(), self.check).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "900c60f5d7053709f815571b541f73cc";

    #[test]
    fn builds_the_connection_from_the_inventory_address() {
        let printed = format!("{{\"token\": \"{SECRET}/40e2b9214b3a\", \"urls\": []}}");
        let token = Token::read(&printed).unwrap();
        let url = token.connection("10.77.0.11".parse().unwrap());
        assert_eq!(url.expose_secret(), &format!("10.77.0.11:25000/{SECRET}/40e2b9214b3a"));
        assert!(!format!("{token:?}").contains(SECRET));
    }

    #[test]
    fn what_is_no_token_never_becomes_an_argument() {
        let short = &SECRET[1..];
        for token in [format!("{SECRET}/x; reboot"), format!("{short}/40e2b9214b3a"), SECRET.into(), "/".into()] {
            assert!(Token::read(&serde_json::json!({ "token": token }).to_string()).is_none(), "{token}");
        }
        assert!(Token::read("Insufficient permissions").is_none());
        assert!(Token::read("{}").is_none());
    }
}
