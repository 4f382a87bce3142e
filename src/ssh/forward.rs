//! A Kubernetes client through the SSH connection: a unix socket here, the API server's port on the node.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::config::{KubeConfigOptions, Kubeconfig};
use openssh::{ForwardType, Socket};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::UnixStream;
use tower::timeout::Timeout;
use tower::{Service, ServiceBuilder, ServiceExt as _};

use super::TransportError;
use super::link::Link;
use super::session::Master;
use crate::engine::event::Event;

/// Until TLS is up.
const CONNECT: Duration = Duration::from_secs(5);

/// Until an answer begins; a watch begins at once and may then go on.
const ANSWER: Duration = Duration::from_secs(30);

/// A dead connection is found by asking whether it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The port of `MicroK8s`' API server, for a kubeconfig that does not say.
const API_PORT: u16 = 16443;

/// A forward and the client that uses it.
pub(super) struct Forward {
    master: Arc<Master>,
    kubeconfig: SecretString,
    client: kube::Client,
}

/// The node's client; the one made before as long as kubeconfig and connection are the same.
pub(super) async fn client(link: &Link, kubeconfig: &SecretString) -> Result<kube::Client, TransportError> {
    let mut forward = link.forward.lock().await;
    let master = link.master().await?;
    let mut forwarded = false;
    if let Some(forward) = &*forward
        && Arc::ptr_eq(&forward.master, &master)
    {
        if forward.kubeconfig.expose_secret() == kubeconfig.expose_secret() {
            return Ok(forward.client.clone());
        }
        forwarded = true;
    }
    let config = config(&link.node, kubeconfig).await?;
    let socket = link.beside("kube");
    if !forwarded {
        // A forward of a connection that is gone leaves its socket behind.
        let _ = std::fs::remove_file(&socket);
        let port = config.cluster_url.port_u16().unwrap_or(API_PORT);
        let host = config.cluster_url.host().unwrap_or("127.0.0.1").to_owned();
        master
            .session
            .request_port_forward(ForwardType::Local, socket.as_path(), Socket::new(host, port))
            .await
            .map_err(|error| link.lost(format!("no forward to the API server: {error}")))?;
        link.emit(Event::Forwarded { node: link.node.clone() });
    }
    let client = build(config, socket).map_err(|error| TransportError::BadAnswer {
        host: link.node.clone(),
        detail: format!("its kubeconfig makes no client: {error}"),
    })?;
    *forward = Some(Forward { master, kubeconfig: kubeconfig.clone(), client: client.clone() });
    Ok(client)
}

async fn config(node: &str, kubeconfig: &SecretString) -> Result<kube::Config, TransportError> {
    let unreadable =
        |what: &str| TransportError::BadAnswer { host: node.to_owned(), detail: format!("its kubeconfig {what}") };
    // The parser's message could quote the credentials.
    let parsed = Kubeconfig::from_yaml(kubeconfig.expose_secret()).map_err(|_| unreadable("is not a kubeconfig"))?;
    kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default())
        .await
        .map_err(|_| unreadable("names no usable cluster and user"))
}

fn build(config: kube::Config, socket: PathBuf) -> Result<kube::Client, kube::Error> {
    // HTTP/2, so that requests made at the same time share one TLS connection.
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config.rustls_client_config()?)
        .https_only()
        .enable_http1()
        .enable_http2()
        .wrap_connector(UnixConnector { socket });
    let http: Http<_, Body> = Http::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(KEEP_ALIVE)
        .http2_keep_alive_timeout(KEEP_ALIVE)
        .build(Timeout::new(connector, CONNECT).map_future(Box::pin));
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .service(Timeout::new(http, ANSWER));
    Ok(ClientBuilder::new(service, config.default_namespace).build())
}

/// Connects to the forward's socket, whatever the address.
#[derive(Clone)]
struct UnixConnector {
    socket: PathBuf,
}

impl Service<Uri> for UnixConnector {
    type Response = TokioIo<UnixStream>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let socket = self.socket.clone();
        Box::pin(async move { UnixStream::connect(socket).await.map(TokioIo::new) })
    }
}
