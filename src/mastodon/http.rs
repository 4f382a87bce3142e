//! One HTTP question at a time, over whatever connection there is.
//!
//! A client that opens its own connections cannot ask from a node; over a stream the same question is asked here and there.

use std::time::Duration;

use http::header::{HOST, LOCATION, USER_AGENT};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::tls::{self, Certificate};
use super::way::Way;
use crate::error::chain;
use crate::ssh::Stream;

/// How long an answer may take, all of it.
const ANSWER: Duration = Duration::from_secs(30);
/// More of a body is not read.
const LARGEST: usize = 8 << 20;

/// Where and how to ask.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// Where connections are made.
    pub way: Way<'a>,
    /// The host or address to connect to.
    pub connect: &'a str,
    /// The TCP port.
    pub port: u16,
    /// The host to name, in TLS and in the request.
    pub host: &'a str,
    /// Whether over TLS.
    pub tls: bool,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The certificate, over TLS.
    pub certificate: Option<Certificate>,
}

impl Answer {
    /// The body as text, invalid UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Where it redirects to.
    pub fn location(&self) -> Option<&str> {
        self.status.is_redirection().then(|| self.headers.get(LOCATION)?.to_str().ok())?
    }
}

/// Asks for a path; a failure in the words of what failed.
pub async fn get(origin: &Origin<'_>, path: &str) -> Result<Answer, String> {
    match timeout(ANSWER, asked(origin, path)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(why)) => Err(origin.way.why_not(origin.connect, origin.port).await.unwrap_or(why)),
        Err(_) => Err(format!("no answer within {} s", ANSWER.as_secs())),
    }
}

async fn asked(origin: &Origin<'_>, path: &str) -> Result<Answer, String> {
    let stream = origin.way.connect(origin.connect, origin.port).await?;
    if !origin.tls {
        return exchange(stream, origin.host, path).await;
    }
    let (stream, certificate) = tls::begin(stream, origin.host).await?;
    let answer = exchange(Box::new(stream), origin.host, path).await?;
    Ok(Answer { certificate: Some(certificate), ..answer })
}

async fn exchange(stream: Box<dyn Stream>, host: &str, path: &str) -> Result<Answer, String> {
    let (mut sender, connection) =
        http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.map_err(|error| chain(&error))?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header(HOST, host)
        .header(USER_AGENT, concat!("homeprov/", env!("CARGO_PKG_VERSION")))
        .body(Empty::new())
        .map_err(|error| error.to_string())?;
    let answered = async {
        let response = sender.send_request(request).await.map_err(|error| chain(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LARGEST).collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body, certificate: None })
    };
    let answer = answered.await;
    connection.abort();
    answer
}
