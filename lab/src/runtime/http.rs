//! The ingress controllers' ports as real HTTP and HTTPS servers; what they answer is the world's.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, OnceLock};

use http::header::{ALLOW, CONTENT_LENGTH, HOST, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use super::homelab::Homelab;
use super::tls;
use crate::kubernetes::{HttpAnswer, IngressController};
use crate::world::Site;

/// The answer of a server here: everything at once.
pub type Response = hyper::Response<Full<Bytes>>;

/// Serves a site on a listener until the task is ended; its connections end with it.
pub fn serve(lab: &Arc<Homelab>, site: Site, listener: TcpListener) -> JoinHandle<()> {
    let lab = Arc::clone(lab);
    tokio::spawn(async move {
        let certificates = Arc::new(Certificates { lab: Arc::clone(&lab), site });
        let acceptor = match tls::acceptor(certificates, &["h2", "http/1.1"]) {
            Ok(acceptor) => acceptor,
            Err(error) => return eprintln!("homeprov-lab: the ingress controller's TLS: {error}"),
        };
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let (lab, acceptor) = (Arc::clone(&lab), acceptor.clone());
            connections.spawn(async move {
                let answer = move |request: &hyper::Request<Incoming>| answer(&lab, site, request);
                if site.port.https {
                    // A client that does not like the certificate hangs up.
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    connection(stream, answer).await;
                } else {
                    connection(stream, answer).await;
                }
            });
            while connections.try_join_next().is_some() {}
        }
    })
}

/// Serves one connection to its end: HTTP/1.1 with keep-alive, or HTTP/2.
pub async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    answer: impl Fn(&hyper::Request<Incoming>) -> Response + Clone + Send + 'static,
) {
    let service = service_fn(move |request| {
        let answered = answer(&request);
        async move { Ok::<_, Infallible>(answered) }
    });
    // A client that hangs up in the middle is no concern of the server's.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

fn answer(lab: &Homelab, site: Site, request: &hyper::Request<Incoming>) -> Response {
    let head = request.method() == Method::HEAD;
    if !head && request.method() != Method::GET {
        let mut refused = hyper::Response::new(Full::default());
        *refused.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    let named = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = named.or(request.uri().authority().map(http::uri::Authority::as_str)).unwrap_or_default();
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    match lab.world().answer(site, host, path) {
        Some(answered) => whole(answered, head),
        None => status(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// An answer without a body.
pub fn status(status: StatusCode) -> Response {
    let mut response = hyper::Response::new(Full::default());
    *response.status_mut() = status;
    response
}

fn whole(answered: HttpAnswer, head: bool) -> Response {
    let length = answered.body.len();
    let mut response = hyper::Response::new(if head { Full::default() } else { Full::new(Bytes::from(answered.body)) });
    *response.status_mut() = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answered.headers {
        let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::try_from(value)) else { continue };
        if name != CONTENT_LENGTH {
            response.headers_mut().append(name, value);
        }
    }
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

/// The certificates of a site: those of Secrets for the hosts that have one, the controller's own for the rest.
struct Certificates {
    lab: Arc<Homelab>,
    site: Site,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("site", &self.site).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pair = self.lab.world().site_certificate(self.site, hello.server_name().unwrap_or_default());
        // A Secret that holds no certificate is passed over, as the controllers do.
        let given = pair.and_then(|(certificate, key)| tls::from_pem(&certificate, &key).ok()).map(Arc::new);
        given.or_else(|| own_certificate(self.site.port.controller))
    }
}

/// The certificate a controller makes for itself when it starts.
fn own_certificate(controller: IngressController) -> Option<Arc<CertifiedKey>> {
    static NGINX: OnceLock<Option<Arc<CertifiedKey>>> = OnceLock::new();
    static TRAEFIK: OnceLock<Option<Arc<CertifiedKey>>> = OnceLock::new();
    let made = |name: &str, organization: Option<&str>, host: &str| {
        tls::self_signed(name, organization, &[host]).ok().map(Arc::new)
    };
    match controller {
        IngressController::Nginx => NGINX
            .get_or_init(|| made("Kubernetes Ingress Controller Fake Certificate", Some("Acme Co"), "ingress.local"))
            .clone(),
        IngressController::Traefik => {
            let host = "5e1f3a9c0b7d2468ace013579bdf2468.9c0b7d2468ace013579bdf24685e1f3a.traefik.default";
            TRAEFIK.get_or_init(|| made("TRAEFIK DEFAULT CERT", None, host)).clone()
        }
    }
}
