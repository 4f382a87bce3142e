//! Whether the mail server answers as it should: its greeting and EHLO (RFC 5321), no login and no mail.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

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

/// Asks the mail server from where Mastodon would.
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

/// What a server said of itself.
struct Said {
    /// The lines of its answer to EHLO, without their numbers.
    offers: Vec<String>,
    /// What is wrong with its certificate.
    certificate: Option<String>,
}

async fn talk(way: Way<'_>, smtp: &Smtp, domain: &str) -> Result<Said, String> {
    let stream = way.connect(&smtp.server, smtp.port).await?;
    if smtp.tls {
        let (stream, seen) = tls::begin(stream, &smtp.server).await?;
        let offers = ehlo(Box::new(stream), domain).await?;
        return Ok(Said { offers, certificate: seen.problem });
    }
    Ok(Said { offers: ehlo(stream, domain).await?, certificate: None })
}

async fn ehlo(stream: Box<dyn Stream>, domain: &str) -> Result<Vec<String>, String> {
    let mut stream = BufReader::new(stream);
    answer(&mut stream, "220").await?;
    say(&mut stream, &format!("EHLO {domain}")).await?;
    let offers = answer(&mut stream, "250").await?;
    // The server has said all there is to know; whether it hears the good-bye does not matter.
    let _ = say(&mut stream, "QUIT").await;
    Ok(offers)
}

async fn say(stream: &mut BufReader<Box<dyn Stream>>, line: &str) -> Result<(), String> {
    let line = format!("{line}\r\n");
    stream.write_all(line.as_bytes()).await.map_err(|error| error.to_string())?;
    stream.flush().await.map_err(|error| error.to_string())
}

/// Reads an answer of one or more lines; another number than the one expected is an error in the server's words.
async fn answer(stream: &mut BufReader<Box<dyn Stream>>, expected: &str) -> Result<Vec<String>, String> {
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
    let offer = |name: &str| {
        let line = said.offers.iter().find(|line| line.to_ascii_uppercase().split(' ').next() == Some(name));
        line.map(|line| line.to_ascii_uppercase())
    };
    if let Some(problem) = said.certificate.as_ref().filter(|_| smtp.verify) {
        return Finding::bad(
            PART,
            format!("{text}, but this machine does not trust its certificate: {problem}"),
            "Mastodon would refuse it too, unless its image knows the authority; `verify = false` in [mastodon.smtp] takes any",
        );
    }
    if !smtp.tls && smtp.starttls == StartTls::Always && offer("STARTTLS").is_none() {
        return Finding::bad(
            PART,
            format!("{text}, but offers no STARTTLS, without which `starttls = \"always\"` sends no mail"),
            "use the provider's port for submission (587), or port 465 with `tls = true`",
        );
    }
    let starts_later = !smtp.tls && offer("STARTTLS").is_some() && smtp.starttls != StartTls::Never;
    let method = smtp.auth_method.to_ascii_uppercase().replace('_', "-");
    let offered = offer("AUTH");
    // What a server takes for a login is often told only after STARTTLS.
    if smtp.login.is_some()
        && !starts_later
        && !offered.as_ref().is_some_and(|line| line.split(' ').any(|word| word == method))
    {
        let takes = offered
            .map_or_else(|| "no login at all".to_owned(), |line| format!("only {}", line.replacen("AUTH ", "", 1)));
        let remedy = format!("`auth_method` in [mastodon.smtp] is {}; take one that is offered", smtp.auth_method);
        return Finding::bad(PART, format!("{text}, but takes {takes}"), remedy);
    }
    Finding::good(PART, format!("{text}; the login was not tried"))
}

#[cfg(test)]
mod tests {
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
        let later = asked("220 ready\r\n", "250-mail\r\n250 STARTTLS\r\n", |_| {}).await;
        assert!(!later.wrong());
    }

    #[tokio::test]
    async fn a_server_that_refuses_is_quoted() {
        let finding = asked("554 no service for you\r\n", "", |_| {}).await;
        assert!(finding.wrong() && finding.text.ends_with("it says `554 no service for you`"), "{}", finding.text);
        let closed = asked("", "", |smtp| smtp.port = 1).await;
        assert!(closed.wrong() && closed.text.contains("Connection refused"), "{}", closed.text);
    }
}
