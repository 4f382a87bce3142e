//! The TLS front of an API server: real HTTPS before a pure [`Kubernetes`](crate::kubernetes::Kubernetes).
//!
//! Like the real one it asks every client for a certificate but lets the handshake pass without a good one: who shows
//! neither a certificate of the cluster's CA nor a known bearer token is answered 401, `/readyz` included, as a running
//! `MicroK8s` does.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::RootCertStore;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::kubernetes::{Request, Response, WatchId};

/// How often an open watch is asked for news, in real time.
const POLL: Duration = Duration::from_millis(25);

/// What stands behind the front.
pub trait Api: Send + Sync + 'static {
    /// Answers an authenticated request; none cuts the connection, as a server that is just being stopped does.
    fn request(&self, request: &Request) -> Option<Response>;
    /// New events of a watch; none when it is over.
    fn watch(&self, id: WatchId) -> Option<Vec<u8>>;
    /// The client of a watch has gone.
    fn close_watch(&self, id: WatchId);
    /// Whether a bearer token is one of the cluster's.
    fn knows_token(&self, token: &str) -> bool;
    /// What its clock shows, for the header `Date`; none is the clock of this machine.
    fn clock(&self) -> Option<jiff::Timestamp> {
        None
    }
}

/// The files a server is started with, as PEM texts.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The server's certificate, its chain behind it.
    pub certificate: String,
    /// The private key of the certificate.
    pub key: String,
    /// The CA whose client certificates are let in.
    pub client_authority: String,
}

/// Serves TLS connections for one API server.
#[derive(Clone)]
pub struct Front {
    acceptor: TlsAcceptor,
    verifier: Arc<dyn ClientCertVerifier>,
    api: Arc<dyn Api>,
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front").finish_non_exhaustive()
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

impl Front {
    /// A front with the given files; an error when one of them is no PEM or does not fit the others.
    pub fn new(identity: &Identity, api: Arc<dyn Api>) -> io::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&identity.client_authority)? {
            roots.add(certificate).map_err(io::Error::other)?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .map_err(io::Error::other)?;
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(io::Error::other)?;
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_client_cert_verifier(Arc::new(Lenient(Arc::clone(&verifier))))
            .with_single_cert(certificates(&identity.certificate)?, key)
            .map_err(io::Error::other)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), verifier, api })
    }

    /// Accepts connections until the future is dropped; each is served by a task of its own, which ends with the listener.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await?;
            // Small answers are not kept back for more.
            let _ = stream.set_nodelay(true);
            let front = self.clone();
            connections.spawn(async move { front.connection(stream).await });
            while connections.try_join_next().is_some() {}
        }
    }

    /// Serves one connection to its end; a failed handshake just ends it.
    pub async fn connection(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Ok(stream) = self.acceptor.accept(stream).await else { return };
        let trusted = self.trusts(stream.get_ref().1.peer_certificates().unwrap_or_default());
        let service = service_fn(move |request| {
            let front = self.clone();
            async move { front.answer(request, trusted).await }
        });
        let builder = auto::Builder::new(TokioExecutor::new());
        // A client that hangs up in the middle is no concern of the server's.
        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
    }

    fn trusts(&self, chain: &[CertificateDer<'_>]) -> bool {
        let Some((leaf, rest)) = chain.split_first() else { return false };
        self.verifier.verify_client_cert(leaf, rest, UnixTime::now()).is_ok()
    }

    async fn answer(&self, request: hyper::Request<Incoming>, trusted: bool) -> Result<hyper::Response<Body>, Cut> {
        let (parts, body) = request.into_parts();
        let bearer =
            header(&parts.headers, &AUTHORIZATION).and_then(|text| text.strip_prefix("Bearer ").map(str::to_owned));
        if !trusted && !bearer.is_some_and(|token| self.api.knows_token(&token)) {
            return Ok(whole(401, "application/json", UNAUTHORIZED.as_bytes().to_vec()));
        }
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes().to_vec();
        let request = Request {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            content_type: header(&parts.headers, &CONTENT_TYPE),
            accept: header(&parts.headers, &ACCEPT),
            user_agent: header(&parts.headers, &USER_AGENT),
            body,
        };
        let response = self.api.request(&request).ok_or(Cut)?;
        let mut answer = match response.watch {
            None => whole(response.status, &response.content_type, response.body),
            Some(id) => self.stream(id, &response),
        };
        if let Some(date) = self.api.clock().and_then(http_date) {
            answer.headers_mut().insert(hyper::header::DATE, date);
        }
        Ok(answer)
    }

    /// A body that goes on until the watch is over or the client gone.
    fn stream(&self, id: WatchId, response: &Response) -> hyper::Response<Body> {
        let open = OpenWatch { api: Arc::clone(&self.api), id };
        let events = futures::stream::unfold(open, |open| async move {
            loop {
                let news = open.api.watch(open.id)?;
                if !news.is_empty() {
                    return Some((news, open));
                }
                tokio::time::sleep(POLL).await;
            }
        });
        let frames = events.map(|news| Ok(Frame::data(Bytes::from(news))));
        build(response.status, &response.content_type, BodyExt::boxed_unsync(StreamBody::new(frames)))
    }
}

const UNAUTHORIZED: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;

/// Closes its watch when the client goes.
struct OpenWatch {
    api: Arc<dyn Api>,
    id: WatchId,
}

impl Drop for OpenWatch {
    fn drop(&mut self) {
        self.api.close_watch(self.id);
    }
}

/// The connection is to be cut without an answer.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server went away")
    }
}

impl std::error::Error for Cut {}

/// Lets every handshake pass; whether the certificate is worth anything is decided per connection afterwards.
#[derive(Debug)]
struct Lenient(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Lenient {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

fn certificates(pem: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(io::Error::other)
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// A moment as HTTP writes it (RFC 9110, 5.6.7).
fn http_date(at: jiff::Timestamp) -> Option<hyper::header::HeaderValue> {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string().parse().ok()
}

fn whole(status: u16, content_type: &str, body: Vec<u8>) -> hyper::Response<Body> {
    build(status, content_type, Full::new(Bytes::from(body)).boxed_unsync())
}

fn build(status: u16, content_type: &str, body: Body) -> hyper::Response<Body> {
    let mut response = hyper::Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(value) = content_type.parse() {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    response
}
