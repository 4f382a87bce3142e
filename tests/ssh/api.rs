//! A small API server over TLS on loopback: it tells its version, and what it was asked.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const VERSION: &str = r#"{"major":"1","minor":"35","gitVersion":"v1.35.0","gitCommit":"","gitTreeState":"clean","buildDate":"","goVersion":"","compiler":"gc","platform":"linux/amd64"}"#;

/// The server; it ends with the runtime.
pub struct Api {
    pub port: u16,
    pub kubeconfig: String,
    /// `VERSION PATH AUTHORIZATION` of each request.
    pub requests: UnboundedReceiver<String>,
    connections: Arc<AtomicUsize>,
}

impl Api {
    /// Starts it, offering these protocols by ALPN.
    pub async fn start(protocols: &[&str]) -> Self {
        let authority = authority();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(tls(&authority, protocols)));
        let connections = Arc::new(AtomicUsize::new(0));
        let (sink, requests) = unbounded_channel();
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), stream, Arc::clone(&count), sink.clone()));
            }
        });
        Self { port, kubeconfig: kubeconfig(&authority, port), requests, connections }
    }

    /// TLS connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn tls(authority: &CertifiedIssuer<'static, KeyPair>, protocols: &[&str]) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

async fn serve(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    connections: Arc<AtomicUsize>,
    requests: UnboundedSender<String>,
) {
    stream.set_nodelay(true).unwrap();
    let Ok(stream) = acceptor.accept(stream).await else { return };
    connections.fetch_add(1, Ordering::SeqCst);
    let two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request| answer(request, requests.clone()));
    // A client that goes away ends its connection with an error; that is no fault of the test.
    let _ = if two {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        server.serve_connection(TokioIo::new(stream), service).await
    } else {
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
    };
}

async fn answer(
    request: Request<Incoming>,
    requests: UnboundedSender<String>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let authorization = request.headers()["authorization"].to_str().unwrap();
    let _ = requests.send(format!("{:?} {} {authorization}", request.version(), request.uri().path()));
    // Long enough for requests made together to be under way together.
    tokio::time::sleep(Duration::from_millis(20)).await;
    Ok(Response::new(Full::new(Bytes::from(VERSION))))
}

/// An authority for certificates.
pub fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A kubeconfig for the API server on a port, which trusts an authority.
pub fn kubeconfig(authority: &CertifiedIssuer<'static, KeyPair>, port: u16) -> String {
    let encoded = base64(&authority.pem());
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: microk8s\nclusters:\n- name: microk8s-cluster\n  cluster:\n    \
         certificate-authority-data: {encoded}\n    server: https://127.0.0.1:{port}\ncontexts:\n- name: microk8s\n  \
         context:\n    cluster: microk8s-cluster\n    user: admin\nusers:\n- name: admin\n  user:\n    token: s3cret\n"
    )
}

fn base64(text: &str) -> String {
    let mut child = Command::new("base64").arg("-w0").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}
