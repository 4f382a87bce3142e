//! TLS of the servers that are no API server: who shows which certificate.

use std::io;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

/// Accepts TLS connections with the certificates of a resolver; `protocols` for ALPN.
pub fn acceptor(certificates: Arc<dyn ResolvesServerCert>, protocols: &[&str]) -> io::Result<TlsAcceptor> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A certificate with its chain and its key, both PEM.
///
/// # Errors
/// When one of them is no PEM, or the key is of a kind that TLS does not know.
pub fn from_pem(certificate: &str, key: &str) -> io::Result<CertifiedKey> {
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(io::Error::other)?;
    if chain.is_empty() {
        return Err(io::Error::other("no certificate"));
    }
    certified(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(io::Error::other)?)
}

/// A certificate that nobody signed but itself, made anew at each call.
///
/// # Errors
/// When a name is no DNS name.
pub fn self_signed(common_name: &str, organization: Option<&str>, names: &[&str]) -> io::Result<CertifiedKey> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    if let Some(organization) = organization {
        params.distinguished_name.push(DnType::OrganizationName, organization);
    }
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let certificate = params.self_signed(&key).map_err(io::Error::other)?;
    certified(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
}

fn certified(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> io::Result<CertifiedKey> {
    let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(io::Error::other)?;
    Ok(CertifiedKey::new(chain, key))
}

/// Shows one certificate to everybody.
#[derive(Debug)]
pub struct Always(pub Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::{from_pem, self_signed};

    #[test]
    fn a_certificate_of_its_own_and_none() {
        assert_eq!(self_signed("mail.lab", Some("Lab"), &["mail.lab", "10.77.0.1"]).unwrap().cert.len(), 1);
        assert!(from_pem("", "").is_err());
        assert!(from_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "nonsense").is_err());
    }
}
