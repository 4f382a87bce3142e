//! The services outside of the cluster that an inventory may name, at the controller's address: a mail server on 465
//! (implicit TLS) and 587 (in clear, `STARTTLS` offered), and an S3-like store on 9000 (HTTPS).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body_util::Full;
use hyper::body::Bytes;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::homelab::Homelab;
use super::{CONTROLLER, http as pages, tls};
use crate::world::FaultKind;

/// The port with implicit TLS.
pub const SMTPS: u16 = 465;
/// The port for submission in clear.
pub const SUBMISSION: u16 = 587;
/// The store's port.
pub const STORE: u16 = 9000;
/// The name the servers give themselves.
const NAME: &str = "services.lab";
/// How often the faults are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Serves until the lab ends; the mail server's ports are closed while the fault `smtp-closed` is there.
///
/// # Errors
/// When no certificate can be made.
pub fn serve(lab: &Arc<Homelab>) -> io::Result<()> {
    let own = Arc::new(tls::self_signed(NAME, None, &[NAME, CONTROLLER])?);
    let mail = tls::acceptor(Arc::new(tls::Always(Arc::clone(&own))), &[])?;
    let store = tls::acceptor(Arc::new(tls::Always(own)), &["http/1.1"])?;
    tokio::spawn(keep(Arc::clone(lab), mail));
    tokio::spawn(async move {
        match TcpListener::bind((CONTROLLER, STORE)).await {
            Ok(listener) => serve_store(listener, store).await,
            Err(error) => eprintln!("homeprov-lab: the store's port {STORE}: {error}"),
        }
    });
    Ok(())
}

async fn keep(lab: Arc<Homelab>, acceptor: TlsAcceptor) {
    let mut open: Vec<(u16, JoinHandle<()>)> = Vec::new();
    loop {
        if lab.world().has_fault(FaultKind::SmtpClosed) {
            open.drain(..).for_each(|(_, task)| task.abort());
        } else {
            for port in [SMTPS, SUBMISSION] {
                if open.iter().any(|(known, _)| *known == port) {
                    continue;
                }
                // A port that was just closed is free again a moment later.
                let Ok(listener) = TcpListener::bind((CONTROLLER, port)).await else { continue };
                open.push((port, tokio::spawn(accept(listener, acceptor.clone(), port == SMTPS))));
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, implicit: bool) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that goes away in the middle of its session is no concern of the server's.
            let _ = session(stream, &acceptor, implicit).await;
        });
    }
}

async fn session(stream: TcpStream, acceptor: &TlsAcceptor, implicit: bool) -> io::Result<()> {
    if implicit {
        talk(acceptor.accept(stream).await?, false, true).await?;
        return Ok(());
    }
    if let Some(stream) = talk(stream, true, true).await? {
        talk(acceptor.accept(stream).await?, false, false).await?;
    }
    Ok(())
}

/// One SMTP session (RFC 5321) up to QUIT; the stream is handed back when it is to go on with TLS (RFC 3207).
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: S, starttls: bool, greet: bool) -> io::Result<Option<S>> {
    let mut stream = BufReader::new(stream);
    if greet {
        stream.write_all(format!("220 {NAME} ESMTP\r\n").as_bytes()).await?;
        stream.flush().await?;
    }
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let verb = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        let said = reply(&verb, line.split_whitespace().nth(1), starttls);
        stream.write_all(said.as_bytes()).await?;
        stream.flush().await?;
        match verb.as_str() {
            "QUIT" => return Ok(None),
            "STARTTLS" if starttls => return Ok(Some(stream.into_inner())),
            _ => {}
        }
    }
}

/// The answer to a command; before TLS there is no login.
fn reply(verb: &str, argument: Option<&str>, starttls: bool) -> String {
    match verb {
        "EHLO" if argument.is_some() => {
            let more = if starttls { "STARTTLS" } else { "AUTH PLAIN LOGIN" };
            format!("250-{NAME}\r\n250-SIZE 10485760\r\n250-8BITMIME\r\n250 {more}\r\n")
        }
        "HELO" if argument.is_some() => format!("250 {NAME}\r\n"),
        "EHLO" | "HELO" => "501 5.5.4 Syntax: hostname required\r\n".to_owned(),
        "NOOP" | "RSET" => "250 2.0.0 Ok\r\n".to_owned(),
        "QUIT" => "221 2.0.0 Bye\r\n".to_owned(),
        "STARTTLS" if starttls => "220 2.0.0 Ready to start TLS\r\n".to_owned(),
        "AUTH" | "MAIL" | "RCPT" | "DATA" if starttls => "530 5.7.0 Must issue a STARTTLS command first\r\n".to_owned(),
        "AUTH" => "535 5.7.8 Authentication credentials invalid\r\n".to_owned(),
        "MAIL" | "RCPT" | "DATA" => "530 5.7.0 Authentication required\r\n".to_owned(),
        _ => "502 5.5.2 Command not recognized\r\n".to_owned(),
    }
}

async fn serve_store(listener: TcpListener, acceptor: TlsAcceptor) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                pages::connection(stream, |_| denied()).await;
            }
        });
    }
}

/// What a store says to who does not sign the request.
fn denied() -> pages::Response {
    let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied.</Message>\
                <Resource>/</Resource></Error>";
    let mut response = pages::status(StatusCode::FORBIDDEN);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    *response.body_mut() = Full::new(Bytes::from_static(text.as_bytes()));
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::{reply, talk};

    async fn session(starttls: bool, lines: &str) -> (String, bool) {
        let (mut client, server) = tokio::io::duplex(4096);
        let talking = tokio::spawn(async move { talk(server, starttls, true).await });
        client.write_all(lines.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let upgraded = talking.await.unwrap().unwrap().is_some();
        let mut said = String::new();
        client.read_to_string(&mut said).await.unwrap();
        (said, upgraded)
    }

    #[tokio::test]
    async fn a_session_greets_and_says_what_it_can() {
        let (said, upgraded) = session(false, "EHLO nuc1\r\nNOOP\r\nQUIT\r\n").await;
        assert!(said.starts_with("220 services.lab ESMTP\r\n250-services.lab\r\n"), "{said}");
        assert!(said.contains("250 AUTH PLAIN LOGIN\r\n") && said.ends_with("221 2.0.0 Bye\r\n"), "{said}");
        assert!(!upgraded);
    }

    #[tokio::test]
    async fn tls_begins_only_where_it_was_offered() {
        assert!(session(true, "EHLO nuc1\r\nSTARTTLS\r\n").await.1);
        assert!(!session(false, "STARTTLS\r\nQUIT\r\n").await.1);
        assert!(reply("MAIL", None, true).starts_with("530"));
        assert!(reply("EHLO", None, true).starts_with("501"));
    }
}
