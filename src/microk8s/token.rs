//! Join tokens: made here, announced to the seed, used once, alive for minutes.

use std::net::Ipv4Addr;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// How long a token may live, in seconds.
pub const LIFE_SECONDS: u32 = 600;

/// A fresh token: 32 hex digits from the operating system's randomness.
pub fn fresh() -> SecretString {
    // 80 random bits in each: the last 64 of both.
    let half = || ulid::Ulid::generate().random() & u128::from(u64::MAX);
    SecretString::from(format!("{:016x}{:016x}", half(), half()))
}

#[derive(Deserialize)]
struct Announced {
    token: String,
}

/// The connection string for a joining node, from what `microk8s add-node --format json` printed and the seed's
/// address in the inventory: the URLs printed there may name a bridge, and `join` takes IPv4 addresses only.
pub fn connection(add_node: &str, token: &SecretString, seed: Ipv4Addr) -> Option<SecretString> {
    let announced: Announced = serde_json::from_str(add_node).ok()?;
    let check = announced.token.strip_prefix(token.expose_secret())?.strip_prefix('/')?;
    (check.len() >= 12 && check.chars().all(|c| c.is_ascii_hexdigit()))
        .then(|| SecretString::from(format!("{seed}:25000/{}/{check}", token.expose_secret())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_the_connection_from_the_inventory_address() {
        let token = fresh();
        assert_eq!(token.expose_secret().len(), 32);
        assert_ne!(token.expose_secret(), fresh().expose_secret());
        let printed = format!("{{\"token\": \"{}/40e2b9214b3a\", \"urls\": []}}", token.expose_secret());
        let url = connection(&printed, &token, "10.77.0.11".parse().unwrap()).unwrap();
        assert_eq!(url.expose_secret(), &format!("10.77.0.11:25000/{}/40e2b9214b3a", token.expose_secret()));
        assert!(connection("Insufficient permissions", &token, "10.77.0.11".parse().unwrap()).is_none());
    }
}
