//! Certificates that work with real TLS, yet are the same for the same seed: Ed25519 keys made from seeded bytes, whose
//! signatures are deterministic.

use std::net::{IpAddr, Ipv4Addr};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use sha2::{Digest as _, Sha256};

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
    /// The certificate's DER, for fingerprints.
    pub(super) der: Vec<u8>,
}

fn check(der: &[u8]) -> String {
    Sha256::digest(der).iter().take(6).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The check of the first certificate in a PEM text.
pub(super) fn check_of_pem(pem: &str) -> Option<String> {
    use base64::Engine as _;
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::engine::general_purpose::STANDARD.decode(body).ok().map(|der| check(&der))
}

/// A cluster's certificate authority.
#[derive(Debug, Clone)]
pub(super) struct Authority {
    seed: [u8; 32],
    days: (i32, u8, u8),
    pub(super) pair: Pair,
}

/// Who a certificate is for.
pub(super) struct Subject<'a> {
    pub(super) common_name: &'a str,
    pub(super) organization: Option<&'a str>,
    pub(super) addresses: &'a [Ipv4Addr],
    pub(super) names: &'a [&'a str],
}

impl Subject<'static> {
    /// Who administers a cluster.
    pub(super) fn admin() -> Self {
        Self { common_name: "admin", organization: Some("system:masters"), addresses: &[], names: &[] }
    }
}

fn key_pair(seed: [u8; 32]) -> KeyPair {
    // RFC 8410: PrivateKeyInfo of an Ed25519 key is this prefix and the 32 bytes of the key.
    let mut der = vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    der.extend_from_slice(&seed);
    KeyPair::try_from(der.as_slice()).expect("an Ed25519 key of 32 bytes is always valid")
}

fn params(subject: &Subject<'_>, (year, month, day): (i32, u8, u8)) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, subject.common_name);
    if let Some(organization) = subject.organization {
        name.push(DnType::OrganizationName, organization);
    }
    params.distinguished_name = name;
    // One day before the world's first, so that a machine whose clock is a little behind accepts it.
    params.not_before = rcgen::date_time_ymd(year, month, day);
    params.not_after = rcgen::date_time_ymd(year + 10, month, day.min(28));
    params.subject_alt_names = subject.addresses.iter().map(|ip| SanType::IpAddress(IpAddr::V4(*ip))).collect();
    for name in subject.names {
        params.subject_alt_names.push(SanType::DnsName((*name).try_into().expect("our names are ASCII")));
    }
    params
}

fn authority_params(days: (i32, u8, u8)) -> CertificateParams {
    let subject = Subject { common_name: "10.152.183.1", organization: None, addresses: &[], names: &[] };
    let mut params = params(&subject, days);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params
}

impl Authority {
    /// A new authority for a cluster set up at `when`.
    pub(super) fn new(seed: [u8; 32], when: jiff::Timestamp) -> Self {
        let date = (when - jiff::SignedDuration::from_hours(24)).to_zoned(jiff::tz::TimeZone::UTC).date();
        let days =
            (i32::from(date.year()), u8::try_from(date.month()).unwrap_or(1), u8::try_from(date.day()).unwrap_or(1));
        let key = key_pair(seed);
        let certificate = authority_params(days).self_signed(&key).expect("a CA certificate can be signed");
        let pair = Pair { certificate: certificate.pem(), key: key.serialize_pem(), der: certificate.der().to_vec() };
        Self { seed, days, pair }
    }

    /// A certificate for `subject`, good for servers and clients.
    pub(super) fn issue(&self, seed: [u8; 32], subject: &Subject<'_>) -> Pair {
        let key = key_pair(seed);
        let mut params = params(subject, self.days);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::new(authority_params(self.days), key_pair(self.seed));
        let certificate = params.signed_by(&key, &issuer).expect("a certificate can be signed");
        Pair { certificate: certificate.pem(), key: key.serialize_pem(), der: certificate.der().to_vec() }
    }
}

/// A self-signed pair, as dqlite's members share one.
pub(super) fn self_signed(seed: [u8; 32], when: jiff::Timestamp, name: &str) -> Pair {
    let authority = Authority::new(seed, when);
    let key = key_pair(seed);
    let subject = Subject { common_name: name, organization: None, addresses: &[], names: &[name] };
    let certificate = params(&subject, authority.days).self_signed(&key).expect("a certificate can be signed");
    Pair { certificate: certificate.pem(), key: key.serialize_pem(), der: certificate.der().to_vec() }
}

#[cfg(test)]
mod tests {
    use super::{Authority, Subject, check_of_pem};

    #[test]
    fn the_same_seed_gives_the_same_certificates() {
        let when: jiff::Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let subject = Subject { common_name: "127.0.0.1", organization: None, addresses: &[], names: &["kubernetes"] };
        let one = Authority::new([1; 32], when).issue([2; 32], &subject);
        let two = Authority::new([1; 32], when).issue([2; 32], &subject);
        assert_eq!(one, two);
        assert_eq!(check_of_pem(&one.certificate).unwrap(), super::check(&one.der));
        assert_ne!(one.der, Authority::new([3; 32], when).issue([2; 32], &subject).der);
    }
}
