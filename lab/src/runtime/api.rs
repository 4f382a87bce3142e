//! The TLS front of a node's API server.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::homelab::Homelab;
use crate::kubernetes;
use crate::world::ApiCertificates;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Serves the API of a node on a listener until the task is ended.
pub fn serve(lab: &Arc<Homelab>, node: &str, listener: TcpListener) -> JoinHandle<()> {
    let certificates = lab.world().api_certificates(node);
    let (lab, node) = (Arc::clone(lab), node.to_owned());
    tokio::spawn(async move {
        let Some(acceptor) = certificates.and_then(|certificates| acceptor(&certificates).ok()) else { return };
        // Connections end with their listener: a control plane that goes down hangs up.
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            while connections.try_join_next().is_some() {}
            let (lab, node, acceptor) = (Arc::clone(&lab), node.clone(), acceptor.clone());
            connections.spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let known = stream.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty());
                let service = service_fn(move |request| answer(Arc::clone(&lab), node.clone(), known, request));
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    })
}

fn acceptor(certificates: &ApiCertificates) -> Result<TlsAcceptor> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(certificates.authority.as_bytes()) {
        roots.add(authority?)?;
    }
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()?;
    let chain = CertificateDer::pem_slice_iter(certificates.certificate.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(certificates.key.as_bytes()).context("the server's key")?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn answer(
    lab: Arc<Homelab>,
    node: String,
    known: bool,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    if !known {
        let text = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
        return Ok(plain(401, "application/json", text.as_bytes().to_vec()));
    }
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let request = kubernetes::Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        content_type: header("content-type"),
        accept: header("accept"),
        user_agent: header("user-agent"),
        body: body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default(),
    };
    let response = lab.world().api(&node, &request);
    let Some(id) = response.watch else { return Ok(plain(response.status, &response.content_type, response.body)) };
    let first = Bytes::from(response.body);
    let events = futures::stream::unfold((lab, node, Some(first)), move |(lab, node, first)| async move {
        if let Some(bytes) = first.filter(|bytes| !bytes.is_empty()) {
            return Some((Ok(Frame::data(bytes)), (lab, node, None)));
        }
        loop {
            let news = lab.world().api_watch(&node, id)?;
            if !news.is_empty() {
                return Some((Ok(Frame::data(Bytes::from(news))), (lab, node, None)));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    Ok(built(response.status, &response.content_type, StreamBody::new(Box::pin(events)).boxed_unsync()))
}

fn plain(status: u16, content_type: &str, body: Vec<u8>) -> Response<Body> {
    built(status, content_type, Full::new(Bytes::from(body)).boxed_unsync())
}

fn built(status: u16, content_type: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(value) = content_type.parse() {
        response.headers_mut().insert("content-type", value);
    }
    response
}
