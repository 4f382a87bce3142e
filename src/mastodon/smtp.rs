//! Whether the mail server answers as it should: its greeting and EHLO (RFC 5321), TLS by STARTTLS where Mastodon would
//! begin it (RFC 3207), and the login (RFC 4954). No mail is sent.

mod login;

use std::time::Duration;

use secrecy::zeroize::Zeroizing;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use login::LoginTried;

use super::finding::Finding;
use super::tls;
use super::way::Way;
use crate::bounded;
use crate::inventory::model::{Smtp, StartTls};
use crate::ssh::Stream;

const PART: &str = "mail";
/// How long the whole talk may take. Servers that keep strangers waiting do so for some seconds.
const TALK: Duration = Duration::from_secs(30);
/// More lines than any server's answer has.
const LINES: usize = 100;
/// Longer lines are none of SMTP (RFC 5321, 4.5.3.1.5: 512 bytes).
const LONGEST: u64 = 4096;

type Wire = BufReader<Box<dyn Stream>>;

/// Asks the mail server from where Mastodon would, and tries the login when there is one.
pub async fn ask(way: Way<'_>, smtp: &Smtp, domain: &str) -> Finding {
    let place = format!("{} port {}", smtp.server, smtp.port);
    let said = match timeout(TALK, talk(way, smtp, domain)).await {
        Ok(Ok(said)) => said,
        Ok(Err(why)) => {
            let why = way.why_not(&smtp.server, smtp.port).await.unwrap_or(why);
            return Finding::bad(
                PART,
                format!("{place} does not answer EHLO, asked from {}: {why}", way.name()),
                remedy(smtp),
            );
        }
        Err(_) => {
            let text = format!("{place} does not answer EHLO within {} s, asked from {}", TALK.as_secs(), way.name());
            return Finding::bad(PART, text, remedy(smtp));
        }
    };
    judge(&said, smtp, &format!("{place} answers EHLO, asked from {}", way.name()))
}

fn remedy(smtp: &Smtp) -> String {
    let how = if smtp.tls {
        "with TLS from the first byte on (`tls = true`)"
    } else {
        "without TLS at first (`tls = false`)"
    };
    format!(
        "homeprov asks {how}; compare server, port and tls in [mastodon.smtp]. Many providers close port 25, and the site \
         works without mail, but nobody can sign up or reset a password"
    )
}

/// How far the connection is kept from others' eyes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Privacy {
    /// In clear: the server offers no STARTTLS, or it is not wanted.
    Clear,
    /// TLS, with what is wrong with the certificate.
    Tls(Option<String>),
    /// STARTTLS was offered, and did not work.
    Broken(String),
}

/// What a server said of itself.
struct Said {
    /// The lines of its newest answer to EHLO, without their numbers.
    offers: Vec<String>,
    privacy: Privacy,
    login: LoginTried,
}

impl Said {
    /// The line in which it offers something, in capitals.
    fn offer(&self, name: &str) -> Option<String> {
        offer(&self.offers, name)
    }
}

fn offer(offers: &[String], name: &str) -> Option<String> {
    let line = offers.iter().find(|line| line.to_ascii_uppercase().split(' ').next() == Some(name));
    line.map(|line| line.to_ascii_uppercase())
}

async fn talk(way: Way<'_>, smtp: &Smtp, domain: &str) -> Result<Said, String> {
    let stream = way.connect(&smtp.server, smtp.port).await?;
    let (mut stream, mut privacy) = if smtp.tls {
        let (stream, seen) = tls::begin(stream, &smtp.server).await?;
        let stream: Box<dyn Stream> = Box::new(stream);
        (BufReader::new(stream), Privacy::Tls(seen.problem))
    } else {
        (BufReader::new(stream), Privacy::Clear)
    };
    answer(&mut stream, "220").await?;
    let mut offers = ehlo(&mut stream, domain).await?;
    if !smtp.tls && smtp.starttls != StartTls::Never && offer(&offers, "STARTTLS").is_some() {
        match starttls(stream, &smtp.server).await {
            Ok((under_tls, problem)) => {
                stream = under_tls;
                privacy = Privacy::Tls(problem);
                // What it said before TLS does not count (RFC 3207).
                offers = ehlo(&mut stream, domain).await?;
            }
            Err(why) => return Ok(Said { offers, privacy: Privacy::Broken(why), login: LoginTried::None }),
        }
    }
    let login = login::try_out(&mut stream, smtp, &privacy, &offers).await;
    // The server has said all there is to know; whether it hears the good-bye does not matter.
    let _ = say(&mut stream, "QUIT").await;
    Ok(Said { offers, privacy, login })
}

async fn ehlo(stream: &mut Wire, domain: &str) -> Result<Vec<String>, String> {
    say(stream, &format!("EHLO {domain}")).await?;
    answer(stream, "250").await
}

async fn starttls(mut stream: Wire, server: &str) -> Result<(Wire, Option<String>), String> {
    say(&mut stream, "STARTTLS").await?;
    answer(&mut stream, "220").await?;
    if !stream.buffer().is_empty() {
        return Err("it says more in clear after STARTTLS, which somebody in between may have put in".to_owned());
    }
    let (stream, seen) = tls::begin(stream.into_inner(), server).await?;
    let stream: Box<dyn Stream> = Box::new(stream);
    Ok((BufReader::new(stream), seen.problem))
}

async fn say(stream: &mut Wire, line: &str) -> Result<(), String> {
    let line = Zeroizing::new(format!("{line}\r\n"));
    stream.write_all(line.as_bytes()).await.map_err(|error| error.to_string())?;
    stream.flush().await.map_err(|error| error.to_string())
}

/// Reads an answer of one or more lines; another number than the one expected is an error in the server's words.
async fn answer(stream: &mut Wire, expected: &str) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    while lines.len() < LINES {
        let mut line = String::new();
        let read =
            AsyncReadExt::take(&mut *stream, LONGEST).read_line(&mut line).await.map_err(|error| error.to_string())?;
        if read == 0 {
            return Err("it ended the connection".to_owned());
        }
        if !line.ends_with('\n') {
            return Err(format!("it says `{}`, a line without end", bounded::word(&line, 60)));
        }
        let line = line.trim_end();
        let Some(rest) = line.strip_prefix(expected) else { return Err(format!("it says `{line}`")) };
        lines.push(rest.get(1..).unwrap_or_default().to_owned());
        if !rest.starts_with('-') {
            return Ok(lines);
        }
    }
    Err("its answer does not end".to_owned())
}

fn judge(said: &Said, smtp: &Smtp, text: &str) -> Finding {
    match &said.privacy {
        Privacy::Tls(Some(problem)) if smtp.verify => {
            return Finding::bad(
                PART,
                format!("{text}, but this machine does not trust its certificate: {problem}"),
                "Mastodon would refuse it too, unless its image knows the authority; `verify = false` in [mastodon.smtp] takes any",
            );
        }
        Privacy::Broken(why) => {
            return Finding::bad(
                PART,
                format!("{text}, offers STARTTLS and does not begin TLS: {why}"),
                "Mastodon would send no mail either: mend the server, or use port 465 with `tls = true`",
            );
        }
        Privacy::Clear if smtp.starttls == StartTls::Always => {
            return Finding::bad(
                PART,
                format!("{text}, but offers no STARTTLS, without which `starttls = \"always\"` sends no mail"),
                "use the provider's port for submission (587), or port 465 with `tls = true`",
            );
        }
        _ => {}
    }
    let method = login::method(smtp);
    let offered = said.offer("AUTH");
    if smtp.login.is_some() && !offered.as_ref().is_some_and(|line| line.split(' ').any(|word| word == method)) {
        let takes = offered
            .map_or_else(|| "no login at all".to_owned(), |line| format!("only {}", line.replacen("AUTH ", "", 1)));
        let remedy = format!("`auth_method` in [mastodon.smtp] is {}; take one that is offered", smtp.auth_method);
        return Finding::bad(PART, format!("{text}, but takes {takes}"), remedy);
    }
    let tls = if smtp.tls || said.privacy == Privacy::Clear { "" } else { ", begins TLS by STARTTLS" };
    let login = smtp.login.as_deref().unwrap_or_default();
    match &said.login {
        LoginTried::None => Finding::good(PART, format!("{text}{tls}; the login was not tried")),
        LoginTried::Taken => Finding::good(PART, format!("{text}{tls} and lets {login} in")),
        LoginTried::Not(why) => Finding::good(PART, format!("{text}{tls}; the login was not tried: {why}")),
        LoginTried::Refused(why) => Finding::bad(
            PART,
            format!("{text}{tls}, but refuses the login {login}: {why}"),
            "check login, password_file and auth_method in [mastodon.smtp]; `up` asks again once the password file has changed",
        ),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use tokio::net::TcpListener;

    use super::*;

    fn smtp(port: u16) -> Smtp {
        Smtp {
            server: "127.0.0.1".to_owned(),
            port,
            tls: false,
            starttls: StartTls::Auto,
            auth_method: "plain".to_owned(),
            login: Some("alice".to_owned()),
            password_file: None,
            from_address: "notifications@example.org".to_owned(),
            domain: None,
            verify: true,
        }
    }

    /// A server for one client that greets and answers EHLO like this.
    async fn server(greeting: &'static str, ehlo: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(greeting.as_bytes()).await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap() > 0 {
                assert_eq!(line, "EHLO social.example.org\r\n");
                stream.write_all(ehlo.as_bytes()).await.unwrap();
                line.clear();
                let _ = stream.read_line(&mut line).await;
            }
        });
        port
    }

    async fn asked(greeting: &'static str, ehlo: &'static str, change: fn(&mut Smtp)) -> Finding {
        let mut smtp = smtp(server(greeting, ehlo).await);
        change(&mut smtp);
        let mut finding = ask(Way::Here, &smtp, "social.example.org").await;
        finding.text = finding.text.replace(&smtp.port.to_string(), "PORT");
        finding
    }

    const OFFERS: &str = "250-mail.example.org\r\n250-SIZE 100\r\n250 AUTH LOGIN PLAIN\r\n";

    #[tokio::test]
    async fn a_server_that_answers_is_good() {
        let finding = asked("220-mail\r\n220 ready\r\n", OFFERS, |_| {}).await;
        assert_eq!(
            finding,
            Finding::good(PART, "127.0.0.1 port PORT answers EHLO, asked from this machine; the login was not tried")
        );
    }

    #[tokio::test]
    async fn what_it_does_not_offer_is_told() {
        let text = |finding: Finding| finding.text;
        let always = asked("220 ready\r\n", OFFERS, |smtp| smtp.starttls = StartTls::Always).await;
        assert!(text(always).contains("offers no STARTTLS"));
        let method = asked("220 ready\r\n", OFFERS, |smtp| smtp.auth_method = "cram_md5".into()).await;
        assert!(text(method).ends_with("but takes only LOGIN PLAIN"));
        let broken = asked("220 ready\r\n", "250-mail\r\n250 STARTTLS\r\n", |_| {}).await;
        assert!(text(broken).contains("offers STARTTLS and does not begin TLS"));
    }

    /// A server that begins TLS by STARTTLS and then lets in who knows the password; returns its port.
    async fn with_tls(method: &'static str) -> u16 {
        let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key.into()).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            stream.write_all(b"220 ready\r\n").await.unwrap();
            stream.read_line(&mut line).await.unwrap();
            stream.write_all(b"250-mail\r\n250 STARTTLS\r\n").await.unwrap();
            line.clear();
            stream.read_line(&mut line).await.unwrap();
            assert_eq!(line, "STARTTLS\r\n");
            stream.write_all(b"220 go ahead\r\n").await.unwrap();
            let mut stream = BufReader::new(acceptor.accept(stream.into_inner()).await.unwrap());
            let mut sent = Vec::new();
            loop {
                line.clear();
                if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                    return;
                }
                sent.push(line.trim_end().to_owned());
                let decoded = |text: &str| {
                    STANDARD.decode(text).map(|bytes| String::from_utf8(bytes).unwrap()).unwrap_or_default()
                };
                let words: Vec<&str> = line.split_whitespace().collect();
                let before: Vec<&str> = sent.iter().rev().skip(1).take(2).map(String::as_str).collect();
                let reply = match (words.as_slice(), before.as_slice()) {
                    (["EHLO", _], _) => format!("250-mail\r\n250 AUTH {method}\r\n"),
                    (["AUTH", "PLAIN", both], _) if decoded(both) == "\0alice\0s3cret" => "235 ok\r\n".to_owned(),
                    (["AUTH", "LOGIN"], _) => "334 VXNlcm5hbWU6\r\n".to_owned(),
                    ([name], ["AUTH LOGIN", ..]) if decoded(name) == "alice" => "334 UGFzc3dvcmQ6\r\n".to_owned(),
                    ([word], [_, "AUTH LOGIN"]) if decoded(word) == "s3cret" => "235 ok\r\n".to_owned(),
                    (["QUIT"], _) => "221 bye\r\n".to_owned(),
                    _ => "535 5.7.8 authentication failed\r\n".to_owned(),
                };
                if stream.write_all(reply.as_bytes()).await.is_err() || stream.flush().await.is_err() {
                    return;
                }
            }
        });
        port
    }

    async fn logged_in(method: &'static str, password: &str, verify: bool) -> Finding {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, format!("{password}\n").as_bytes()).unwrap();
        let mut smtp = smtp(with_tls(method).await);
        smtp.server = "localhost".to_owned();
        smtp.auth_method = method.to_lowercase();
        smtp.password_file = Some(file.path().to_owned());
        smtp.verify = verify;
        ask(Way::Here, &smtp, "social.example.org").await
    }

    #[tokio::test]
    async fn the_login_is_tried_under_tls() {
        for method in ["PLAIN", "LOGIN"] {
            let finding = logged_in(method, "s3cret", false).await;
            assert!(
                !finding.wrong() && finding.text.ends_with("begins TLS by STARTTLS and lets alice in"),
                "{}",
                finding.line()
            );
            let finding = logged_in(method, "hunter2", false).await;
            assert!(
                finding.wrong() && finding.text.contains("refuses the login alice: it says `535"),
                "{}",
                finding.line()
            );
            assert!(!finding.line().contains("hunter2"), "{}", finding.line());
        }
    }

    #[tokio::test]
    async fn no_password_goes_where_mastodon_would_not_send_it() {
        let untrusted = logged_in("PLAIN", "s3cret", true).await;
        assert!(untrusted.wrong() && untrusted.text.contains("does not trust its certificate"), "{}", untrusted.line());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, b"s3cret\n").unwrap();
        let mut clear = smtp(server("220 ready\r\n", OFFERS).await);
        clear.password_file = Some(file.path().to_owned());
        let finding = ask(Way::Here, &clear, "social.example.org").await;
        assert!(finding.text.ends_with("the login was not tried: the connection is in clear"), "{}", finding.line());
    }

    #[tokio::test]
    async fn a_server_that_refuses_is_quoted() {
        let finding = asked("554 no service for you\r\n", "", |_| {}).await;
        assert!(finding.wrong() && finding.text.ends_with("it says `554 no service for you`"), "{}", finding.text);
        let closed = asked("", "", |smtp| smtp.port = 1).await;
        assert!(closed.wrong() && closed.text.contains("Connection refused"), "{}", closed.text);
    }
}
