//! How the API client gets its connections: TLS over the forward's unix socket, HTTP/2 where the server speaks it.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::Uri;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::Connection as _;
use hyper_util::rt::TokioIo;
use kube::client::ConfigExt as _;
use tokio::net::UnixStream;
use tower::{BoxError, Service};

/// Until the TLS connection stands.
const CONNECT: Duration = Duration::from_secs(5);
/// A first connection older than this may have been closed by the server, and a failure may be over.
const FRESH: Duration = Duration::from_secs(5);

type Stream = MaybeHttpsStream<TokioIo<UnixStream>>;
/// When it was made, and how it went.
type Attempt = (Instant, Result<Stream, BoxError>);
type Connecting<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Connects to a unix socket, whatever the address.
#[derive(Clone)]
struct Dial {
    socket: PathBuf,
}

/// A connector that has made its first connection beforehand: a client that knows that HTTP/2 is spoken sends
/// everything over one connection, while one that has yet to find out opens one for each request of a burst.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<Dial>,
    /// That attempt, for the first request to find.
    first: Arc<Mutex<Option<Attempt>>>,
    /// Whether the server answered.
    pub answered: bool,
    /// Whether it speaks HTTP/2, as it said by ALPN.
    pub http2: bool,
}

impl Connector {
    /// Connects through `socket`, for the certificate the configuration wants.
    pub(super) async fn new(config: &kube::Config, socket: PathBuf) -> Result<Self, BoxError> {
        let mut builder = HttpsConnectorBuilder::new().with_tls_config(config.rustls_client_config()?).https_only();
        if let Some(name) = &config.tls_server_name {
            builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name.clone().try_into()?));
        }
        let mut https = builder.enable_http1().enable_http2().wrap_connector(Dial { socket });
        let first = in_time(CONNECT, https.call(config.cluster_url.clone())).await;
        Ok(Self {
            https,
            answered: first.is_ok(),
            http2: first.as_ref().is_ok_and(|stream| stream.connected().is_negotiated_h2()),
            first: Arc::new(Mutex::new(Some((Instant::now(), first)))),
        })
    }
}

impl Service<Uri> for Dial {
    type Response = TokioIo<UnixStream>;
    type Error = std::io::Error;
    type Future = Connecting<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let socket = self.socket.clone();
        Box::pin(async move { UnixStream::connect(socket).await.map(TokioIo::new) })
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting<Stream, BoxError>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        match first {
            Some((made, first)) if made.elapsed() < FRESH => Box::pin(std::future::ready(first)),
            _ => Box::pin(in_time(CONNECT, self.https.call(uri))),
        }
    }
}

/// Work with the API server, given up after `limit`.
pub(super) async fn in_time<T, E: Into<BoxError>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, BoxError> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(format!("the API server did not answer within {} s", limit.as_secs()).into()),
    }
}
