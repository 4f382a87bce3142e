//! The Kubernetes API of a node, over its SSH connection.
//!
//! ssh listens on a unix socket in the private directory, which no other user of this machine can reach, and connects
//! to the API server's port on the node's own loopback. TLS is spoken end to end: the certificate is checked for
//! 127.0.0.1, a name every `MicroK8s` API server's certificate has (canonical/microk8s, `csr.conf.template`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderValue;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use openssh::{ForwardType, Session, Socket};
use secrecy::{ExposeSecret, SecretString};
use tower::BoxError;
use tower::util::option_layer;

use super::body::Bounded;
use super::connector::{Connector, in_time};

/// The node itself, where its API server listens.
pub(super) const HERE: &str = "127.0.0.1";
/// The API server's port (canonical/microk8s, `args/kube-apiserver`).
const API_PORT: u16 = 16443;
/// Until the ssh master on this machine listens on the socket.
const OPEN: Duration = Duration::from_secs(20);
/// Until the head of an answer is there; what follows has limits of its own ([`Bounded`]).
const ANSWER: Duration = Duration::from_secs(30);
/// A connection in use that says nothing for so long is asked whether it lives, and has as long to answer.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Reads a node's own admin configuration, and turns it to the loopback the forward leads to.
pub(super) async fn configuration(kubeconfig: &SecretString) -> Result<kube::Config, &'static str> {
    // Never with the parser's own words: they quote the text, and with it the credentials.
    let parsed = Kubeconfig::from_yaml(kubeconfig.expose_secret()).map_err(|_| "its kubeconfig is none")?;
    if parsed.auth_infos.iter().filter_map(|user| user.auth_info.as_ref()).any(reaches_out)
        || parsed.clusters.iter().filter_map(|it| it.cluster.as_ref()).any(|it| it.certificate_authority.is_some())
    {
        return Err("its kubeconfig names programs or files, which would be those of this machine");
    }
    let options = KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(parsed, &options)
        .await
        .map_err(|_| "its kubeconfig names no usable cluster and user")?;
    config.cluster_url =
        format!("https://127.0.0.1:{}", port(&config)).parse().map_err(|_| "its kubeconfig names no server")?;
    config.proxy_url = None;
    // The client would panic.
    let token = config.auth_info.token.as_ref().map(ExposeSecret::expose_secret);
    if token.is_some_and(|token| HeaderValue::from_str(token).is_err()) {
        return Err("its kubeconfig's token cannot be sent");
    }
    Ok(config)
}

/// Whether a user's credentials come from a program that would be run here, or a file that would be read here: a node
/// could have either sent to itself.
fn reaches_out(user: &AuthInfo) -> bool {
    let files = [&user.token_file, &user.client_certificate, &user.client_key];
    user.exec.is_some() || user.auth_provider.is_some() || files.iter().any(|file| file.is_some())
}

/// The API server's port on the node.
pub(super) fn port(config: &kube::Config) -> u16 {
    config.cluster_url.port_u16().unwrap_or(API_PORT)
}

/// Opens a forward: `socket` here to a port of a host as the node sees it.
pub(super) async fn open(session: &Session, socket: &Path, host: &str, port: u16) -> Result<(), openssh::Error> {
    let there = Socket::new(host, port);
    let asked = session.request_port_forward(ForwardType::Local, Socket::from(socket), there);
    tokio::time::timeout(OPEN, asked).await.unwrap_or(Err(openssh::Error::Disconnected))
}

/// A client whose every connection goes through the forward's socket, and whether the API server answered: a client
/// made while it did not knows nothing of HTTP/2.
pub(super) async fn client(config: &kube::Config, socket: PathBuf) -> Result<(kube::Client, bool), BoxError> {
    let connector = Connector::new(config, socket).await?;
    let answered = connector.answered;
    let http: Client<_, Body> = Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_only(connector.http2)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .http2_keep_alive_timeout(KEEP_ALIVE)
        .build(connector);
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let answer = http.request(request);
        async move { Ok::<_, BoxError>(in_time(ANSWER, answer).await?.map(Bounded::new)) }
    });
    let builder = ClientBuilder::new(service, config.default_namespace.clone())
        .with_layer(&config.extra_headers_layer()?)
        .with_layer(&option_layer(config.auth_layer()?))
        .with_layer(&config.base_uri_layer());
    Ok((builder.build(), answered))
}
