//! What listens at the addresses of the pool: the simulated site, over TLS as homeprov asks for it, without a socket.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;

use homeprov::ssh::Stream;
use homeprov_lab::world::Site;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncWrite, duplex};
use tokio_rustls::TlsAcceptor;

use super::homelab::Homelab;

/// A connection to the ingress controller behind an address of the pool; none where there is no such thing.
pub fn dial(lab: &Homelab, host: &str, port: u16) -> Option<Box<dyn Stream>> {
    let address: Ipv4Addr = host.parse().ok()?;
    let mut open = lab.with(|world| world.load_balanced()).into_iter();
    let site = open.find(|open| open.address == address && open.port == port)?.site?;
    let (here, there) = duplex(64 * 1024);
    let lab = lab.clone();
    tokio::spawn(async move {
        if site.port.https {
            // Who does not like the certificate hangs up.
            let Ok(stream) = acceptor().accept(there).await else { return };
            serve(lab, site, stream).await;
        } else {
            serve(lab, site, there).await;
        }
    });
    Some(Box::new(here))
}

/// With a certificate that the controller made for itself.
fn acceptor() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(vec!["ingress.local".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("its key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a pair");
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(lab: Homelab, site: Site, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let service = service_fn(move |request: Request<Incoming>| {
        let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
        let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let answer = lab.with(|world| world.answer(site, host, path)).expect("the cluster is there");
        let mut response = Response::builder().status(answer.status);
        for (name, value) in &answer.headers {
            response = response.header(name.as_str(), value.as_str());
        }
        let response = response.body(Full::new(Bytes::from(answer.body))).expect("an answer");
        async move { Ok::<_, Infallible>(response) }
    });
    // A client that hangs up in the middle is no concern of the server's.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
