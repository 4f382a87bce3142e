//! The Kubernetes API of a node, over its SSH connection.
//!
//! ssh listens on a unix socket in the private directory, which no other user of this machine can reach, and connects
//! to the API server's port on the node's own loopback. TLS is spoken end to end: the certificate is checked for
//! 127.0.0.1, a name every `MicroK8s` API server's certificate has (canonical/microk8s, `csr.conf.template`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use openssh::{ForwardType, Session, Socket};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::UnixStream;
use tower::BoxError;
use tower::util::option_layer;

/// The API server's port (canonical/microk8s, `args/kube-apiserver`).
const API_PORT: u16 = 16443;
/// Until the TLS connection stands.
const CONNECT: Duration = Duration::from_secs(5);
/// Until the head of an answer is there; a watch may then go on for as long as it likes.
const ANSWER: Duration = Duration::from_secs(30);

/// Reads a node's own admin configuration, and turns it to the loopback the forward leads to.
pub(super) async fn configuration(kubeconfig: &SecretString) -> Result<kube::Config, String> {
    let parsed = Kubeconfig::from_yaml(kubeconfig.expose_secret())
        .map_err(|error| format!("its kubeconfig cannot be read: {error}"))?;
    let options = KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(parsed, &options)
        .await
        .map_err(|error| format!("its kubeconfig cannot be used: {error}"))?;
    let port = config.cluster_url.port_u16().unwrap_or(API_PORT);
    config.cluster_url = format!("https://127.0.0.1:{port}")
        .parse()
        .map_err(|error| format!("its kubeconfig names no server: {error}"))?;
    config.proxy_url = None;
    Ok(config)
}

/// Opens the forward: `socket` here to the API server's port there.
pub(super) async fn open(session: &Session, socket: &Path, config: &kube::Config) -> Result<(), openssh::Error> {
    let port = config.cluster_url.port_u16().unwrap_or(API_PORT);
    session.request_port_forward(ForwardType::Local, Socket::from(socket), Socket::new("127.0.0.1", port)).await
}

/// A client whose every connection goes through the forward's socket.
pub(super) fn client(config: &kube::Config, socket: PathBuf) -> Result<kube::Client, kube::Error> {
    let dial = tower::service_fn(move |_: http::Uri| {
        let socket = socket.clone();
        async move { UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    let tls = config.rustls_https_connector_with_connector(dial)?;
    let connector = tower::service_fn(move |uri: http::Uri| {
        let mut tls = tls.clone();
        Box::pin(async move { in_time(CONNECT, tower::Service::call(&mut tls, uri)).await })
    });
    let http: Client<_, Body> = Client::builder(TokioExecutor::new()).build(connector);
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let answer = http.request(request);
        async move { in_time(ANSWER, answer).await }
    });
    let builder = ClientBuilder::new(service, config.default_namespace.clone())
        .with_layer(&config.extra_headers_layer()?)
        .with_layer(&option_layer(config.auth_layer()?))
        .with_layer(&config.base_uri_layer());
    Ok(builder.build())
}

async fn in_time<T, E: Into<BoxError>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, BoxError> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(format!("the API server did not answer within {} s", limit.as_secs()).into()),
    }
}
