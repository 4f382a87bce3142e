//! The key pair that push services know the site by (RFC 8292).

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE};
use p256::SecretKey;
use p256::elliptic_curve::sec1::ToSec1Point;
use secrecy::{ExposeSecret, SecretString};

use super::{MASTODON, SecretSet};

pub(super) const PRIVATE: &str = "VAPID_PRIVATE_KEY";
pub(super) const PUBLIC: &str = "VAPID_PUBLIC_KEY";

/// The gem writes padding and older versions did not: both are read.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A fresh pair, private and public: the 32 bytes of the scalar, and the 65 of the point with both coordinates.
pub(super) fn pair() -> (SecretString, SecretString) {
    loop {
        // Nearly every number of 32 bytes is a key; the others are tried again.
        if let Ok(key) = SecretKey::from_slice(&rand::random::<[u8; 32]>()) {
            return (URL_SAFE.encode(key.to_bytes()).into(), public(&key).into());
        }
    }
}

fn public(key: &SecretKey) -> String {
    URL_SAFE.encode(key.public_key().to_sec1_point(false).as_bytes())
}

/// Whether the keys in the set, if there are any, belong together; what is wrong with them otherwise.
pub(super) fn check(set: &SecretSet) -> Result<(), &'static str> {
    let (Some(private), Some(claimed)) = (set.get(MASTODON, PRIVATE), set.get(MASTODON, PUBLIC)) else { return Ok(()) };
    let scalar = LENIENT.decode(private.expose_secret().trim()).map_err(|_| "the private key is not Base64")?;
    // Leading zeros are lost where a number is written in as few bytes as it needs.
    let mut padded = vec![0; 32_usize.saturating_sub(scalar.len())];
    padded.extend(scalar);
    let key = SecretKey::from_slice(&padded).map_err(|_| "the private key is none of P-256")?;
    let claimed = LENIENT.decode(claimed.expose_secret().trim()).map_err(|_| "the public key is not Base64")?;
    let right = key.public_key().to_sec1_point(false).as_bytes() == claimed;
    right.then_some(()).ok_or("the public key belongs to another private key")
}
