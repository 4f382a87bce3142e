//! TLS that looks closely and goes on: what is wrong with a certificate is told, and not in the way of the question.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::ssh::Stream;

/// What the certificates look like that ingress controllers make for themselves (kubernetes/ingress-nginx
/// `internal/net/ssl/ssl.go`, traefik/traefik `pkg/tls/generate`).
const OWN: [&str; 2] = ["Kubernetes Ingress Controller Fake Certificate", "TRAEFIK DEFAULT CERT"];

/// What was seen of a server's certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificate {
    /// What is wrong with it, for this name, with the certificate authorities this machine trusts.
    pub problem: Option<String>,
    /// Whether an ingress controller made it for itself, because it was given none.
    pub controllers_own: bool,
}

/// Begins TLS for a name, whatever the certificate, and tells what it was like.
pub async fn begin(stream: Box<dyn Stream>, name: &str) -> Result<(TlsStream<Box<dyn Stream>>, Certificate), String> {
    let looking = Arc::new(Looking::new());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&looking) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    config.alpn_protocols = Vec::new();
    let server = ServerName::try_from(name.to_owned()).map_err(|_| format!("{name} is no name for TLS"))?;
    let stream = TlsConnector::from(Arc::new(config)).connect(server, stream).await;
    let stream = stream.map_err(|error| error.to_string())?;
    Ok((stream, looking.seen()))
}

/// Checks a certificate as the system would, and lets it pass.
#[derive(Debug)]
struct Looking {
    provider: Arc<CryptoProvider>,
    system: Result<Verifier, String>,
    seen: Mutex<Certificate>,
}

impl Looking {
    fn new() -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let system = Verifier::new(Arc::clone(&provider)).map_err(|error| error.to_string());
        Self { provider, system, seen: Mutex::default() }
    }

    fn seen(&self) -> Certificate {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Looking {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let problem = match &self.system {
            Ok(system) => system
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .err()
                .map(|error| error.to_string()),
            Err(problem) => Some(problem.clone()),
        };
        let controllers_own = OWN.iter().any(|text| contains(end_entity, text.as_bytes()));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Certificate { problem, controllers_own };
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
