//! Whether an external Redis takes the password and commands (redis/redis-doc `docs/reference/protocol-spec.md`, RESP2).

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use secrecy::zeroize::Zeroizing;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use super::finding::Finding;
use super::way::Way;
use crate::ssh::Stream;

const PART: &str = "redis";
const TALK: Duration = Duration::from_secs(15);
/// More than any answer asked for here has, in bytes.
const LONGEST: u64 = 4096;

/// What came of asking.
enum Refusal {
    /// The server said no, in its words.
    Server(String),
    /// It could not be talked to.
    Unreachable(String),
}

/// Logs in from where Mastodon would and sends PING.
pub async fn ask(way: Way<'_>, host: &str, port: u16, password_file: Option<&Path>) -> Finding {
    let place = format!("Redis at {host} port {port}");
    let password = match password_file.map(std::fs::read_to_string).transpose() {
        Ok(text) => text.map(Zeroizing::new),
        Err(error) => {
            let file = password_file.map(|file| file.display().to_string()).unwrap_or_default();
            return Finding::bad(PART, format!("{file}: {error}"), "write the password of Redis into that file");
        }
    };
    let password = password.as_deref().map(|text| text.trim_end_matches(['\r', '\n']));
    let answered = timeout(TALK, talk(way, host, port, password)).await;
    match answered.unwrap_or_else(|_| Err(Refusal::Unreachable(format!("no answer within {} s", TALK.as_secs())))) {
        Ok(()) => Finding::good(PART, format!("{place} answers PING")),
        Err(Refusal::Server(said)) => Finding::bad(PART, format!("{place} refuses: {said}"), remedy(&said)),
        Err(Refusal::Unreachable(why)) => {
            let why = way.why_not(host, port).await.unwrap_or(why);
            Finding::bad(
                PART,
                format!("{place} does not answer, asked from {}: {why}", way.name()),
                "check host and port in [mastodon.redis], `bind` and `protected-mode` of the server and the firewall before it",
            )
        }
    }
}

fn remedy(said: &str) -> &'static str {
    if said.starts_with("NOAUTH") {
        "the server wants a password: name a file with it by `password_file` in [mastodon.redis]"
    } else if said.contains("without any password configured") {
        "the server has no password: leave `password_file` out of [mastodon.redis], or set `requirepass` there"
    } else if said.starts_with("WRONGPASS") {
        "check `password_file` in [mastodon.redis] against `requirepass` of the server"
    } else if said.starts_with("DENIED") {
        "the server takes connections from itself alone (`protected-mode`): set a password or `protected-mode no`"
    } else {
        "look into the server's log"
    }
}

async fn talk(way: Way<'_>, host: &str, port: u16, password: Option<&str>) -> Result<(), Refusal> {
    let stream = way.connect(host, port).await.map_err(Refusal::Unreachable)?;
    let mut stream = BufReader::new(stream);
    if let Some(password) = password {
        command(&mut stream, &["AUTH", password]).await?;
    }
    let answer = command(&mut stream, &["PING"]).await?;
    if answer == "PONG" { Ok(()) } else { Err(Refusal::Unreachable(format!("it answers PING with `{answer}`"))) }
}

/// Sends a command and reads a simple answer.
async fn command(stream: &mut BufReader<Box<dyn Stream>>, words: &[&str]) -> Result<String, Refusal> {
    let unreachable = |error: std::io::Error| Refusal::Unreachable(error.to_string());
    let mut sent = Zeroizing::new(format!("*{}\r\n", words.len()));
    for word in words {
        let _ = write!(sent, "${}\r\n{word}\r\n", word.len());
    }
    stream.write_all(sent.as_bytes()).await.map_err(unreachable)?;
    stream.flush().await.map_err(unreachable)?;
    let mut line = String::new();
    let mut limited = tokio::io::AsyncReadExt::take(stream, LONGEST);
    limited.read_line(&mut line).await.map_err(unreachable)?;
    let line = line.trim_end();
    match line.split_at_checked(1) {
        Some(("+", rest)) => Ok(rest.to_owned()),
        // A server that does not know the command shows what came with it.
        Some(("-", rest)) => {
            Err(Refusal::Server(words[1..].iter().fold(rest.to_owned(), |rest, word| rest.replace(word, "…"))))
        }
        None => Err(Refusal::Unreachable("it ended the connection".to_owned())),
        Some(_) => Err(Refusal::Unreachable("it does not speak as Redis does (is there TLS before it?)".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    /// A Redis with this password, or none.
    async fn server(password: Option<&'static str>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut open = password.is_none();
            let mut asked = [0; 512];
            while let Ok(length @ 1..) = stream.read(&mut asked).await {
                let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
                let words: Vec<&str> = asked.split("\r\n").skip(2).step_by(2).collect();
                let answer = match (words.as_slice(), password) {
                    (["AUTH", ..], None) => {
                        "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"
                    }
                    (["AUTH", given, ..], Some(right)) if *given == right => {
                        open = true;
                        "+OK"
                    }
                    (["AUTH", ..], Some(_)) => "-WRONGPASS invalid username-password pair or user is disabled.",
                    (["PING", ..], _) if open => "+PONG",
                    _ => "-NOAUTH Authentication required.",
                };
                stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
            }
        });
        port
    }

    async fn asked(password: Option<&'static str>, given: Option<&str>) -> Finding {
        let port = server(password).await;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(given.unwrap_or_default().as_bytes()).unwrap();
        ask(Way::Here, "127.0.0.1", port, given.map(|_| file.path())).await
    }

    #[tokio::test]
    async fn a_password_that_fits_is_good_and_others_are_told_with_a_remedy() {
        let good = asked(Some("s3cret"), Some("s3cret\n")).await;
        assert!(!good.wrong() && good.text.ends_with("answers PING"), "{}", good.line());
        assert!(!asked(None, None).await.wrong());
        for (password, given, told) in [
            (Some("s3cret"), Some("hunter2\n"), "check `password_file`"),
            (Some("s3cret"), None, "wants a password"),
            (None, Some("hunter2\n"), "leave `password_file` out"),
        ] {
            let finding = asked(password, given).await;
            assert!(finding.wrong() && finding.line().contains(told), "{}", finding.line());
            assert!(!finding.line().contains("hunter2") && !finding.line().contains("s3cret"), "{}", finding.line());
        }
    }

    #[tokio::test]
    async fn nobody_there_is_told() {
        let finding = ask(Way::Here, "127.0.0.1", 1, None).await;
        assert!(finding.wrong() && finding.text.contains("Connection refused"), "{}", finding.text);
    }
}
