//! Whether an external PostgreSQL takes the login and is new enough.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use secrecy::zeroize::Zeroizing;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio_postgres::config::Config;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::finding::Finding;
use super::tls;
use super::way::Way;
use crate::redact;
use crate::ssh::Stream;

/// The oldest release this Mastodon works with; it ends at once on an older one (mastodon/mastodon `lib/tasks/db.rake`).
pub const OLDEST: u32 = 14;
const PART: &str = "database";
const TALK: Duration = Duration::from_secs(30);
/// The database every server has, asked when Mastodon's own is not there yet.
const ALWAYS_THERE: &str = "postgres";

/// The server, and as whom to log in.
pub struct Login<'a> {
    /// Its host name or address.
    pub host: &'a str,
    /// Its TCP port.
    pub port: u16,
    /// The database.
    pub database: &'a str,
    /// The role.
    pub user: &'a str,
    /// The file with the password.
    pub password_file: &'a Path,
}

/// Logs in from where Mastodon would and asks for the version.
pub async fn ask(way: Way<'_>, login: &Login<'_>) -> Finding {
    let place = format!("PostgreSQL at {} port {}", login.host, login.port);
    let password = match std::fs::read_to_string(login.password_file) {
        Ok(text) => Zeroizing::new(text),
        Err(error) => {
            let text = format!("{}: {error}", login.password_file.display());
            return Finding::bad(PART, text, "write the role's password into that file");
        }
    };
    let password = password.trim_end_matches(['\r', '\n']);
    redact::learn(&password.into());
    let mut asked = try_login(way, login, login.database, password).await;
    let mut note = String::new();
    if matches!(&asked, Err(Refusal::Server(code, _)) if *code == SqlState::INVALID_CATALOG_NAME) {
        note = format!("; the database {} is not there yet and is made by Mastodon if the role may", login.database);
        asked = try_login(way, login, ALWAYS_THERE, password).await;
    }
    match asked {
        Ok(version) => judge(&place, login.user, version, &note),
        Err(Refusal::Server(_, said)) => Finding::bad(
            PART,
            format!("{place} refuses {}: {said}", login.user),
            "check user, database and password_file in [mastodon.postgresql], and pg_hba.conf for the nodes' addresses",
        ),
        Err(Refusal::Unreachable(why)) => {
            let why = way.why_not(login.host, login.port).await.unwrap_or(why);
            Finding::bad(
                PART,
                format!("{place} does not answer, asked from {}: {why}", way.name()),
                "check host and port in [mastodon.postgresql], listen_addresses of the server and the firewall before it",
            )
        }
    }
}

fn judge(place: &str, user: &str, version: u32, note: &str) -> Finding {
    if version < OLDEST {
        return Finding::bad(
            PART,
            format!("{place} is version {version}; this Mastodon needs {OLDEST} or newer"),
            "upgrade the server first",
        );
    }
    Finding::good(PART, format!("{place} is version {version} and lets {user} in{note}"))
}

enum Refusal {
    /// The server said no: its code and its words.
    Server(SqlState, String),
    /// It could not be talked to.
    Unreachable(String),
}

/// The major version.
async fn try_login(way: Way<'_>, login: &Login<'_>, database: &str, password: &str) -> Result<u32, Refusal> {
    let mut config = Config::new();
    config.user(login.user).dbname(database).password(password).application_name("homeprov");
    let begin = Begin { host: login.host.to_owned() };
    let stream = way.connect(login.host, login.port).await.map_err(Refusal::Unreachable)?;
    let limit = || Err(Refusal::Unreachable(format!("no answer within {} s", TALK.as_secs())));
    timeout(TALK, version(Wire(stream), config, begin)).await.unwrap_or_else(|_| limit())
}

async fn version(stream: Wire, config: Config, begin: Begin) -> Result<u32, Refusal> {
    let (client, connection) = config.connect_raw(stream, begin).await.map_err(|error| refusal(&error))?;
    let connection = tokio::spawn(connection);
    let rows = client.simple_query("SHOW server_version_num").await;
    connection.abort();
    let rows = rows.map_err(|error| refusal(&error))?;
    let number = rows.iter().find_map(|row| match row {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0)?.parse::<u32>().ok(),
        _ => None,
    });
    let number = number.ok_or_else(|| Refusal::Unreachable("it does not tell its version".to_owned()))?;
    Ok(number / 10_000)
}

fn refusal(error: &tokio_postgres::Error) -> Refusal {
    if let Some(said) = error.as_db_error() {
        return Refusal::Server(said.code().clone(), said.message().to_owned());
    }
    let cause = std::error::Error::source(error).map(ToString::to_string);
    Refusal::Unreachable(cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")))
}

/// Begins TLS where the server offers it, as libpq does by default (`sslmode=prefer`): any certificate will do.
struct Begin {
    host: String,
}

impl TlsConnect<Wire> for Begin {
    type Stream = Wire;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Wire>> + Send>>;

    fn connect(self, stream: Wire) -> Self::Future {
        Box::pin(async move {
            let begun = tls::begin(stream.0, &self.host).await;
            begun.map(|(stream, _)| Wire(Box::new(stream))).map_err(io::Error::other)
        })
    }
}

/// A connection as the PostgreSQL client takes it, with TLS or without.
struct Wire(Box<dyn Stream>);

impl TlsStream for Wire {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind], length.as_slice(), body].concat()
    }

    async fn startup(stream: &mut TcpStream) -> Vec<u8> {
        let length = stream.read_u32().await.unwrap();
        let mut body = vec![0; length as usize - 4];
        stream.read_exact(&mut body).await.unwrap();
        body
    }

    /// A server that knows no TLS, asks for no password, and either refuses or tells its version.
    async fn server(answer: Result<&'static str, (&'static str, &'static str)>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // `SSLRequest`, then the real start.
            startup(&mut stream).await;
            stream.write_all(b"N").await.unwrap();
            let start = startup(&mut stream).await;
            assert!(start.windows(8).any(|bytes| bytes == b"mastodon"));
            let reply = match answer {
                Err((code, said)) => message(b'E', format!("SFATAL\0VFATAL\0C{code}\0M{said}\0\0").as_bytes()),
                Ok(_) => [message(b'R', &0u32.to_be_bytes()), message(b'Z', b"I")].concat(),
            };
            stream.write_all(&reply).await.unwrap();
            let Ok(version) = answer else { return };
            let mut asked = [0; 64];
            let _ = stream.read(&mut asked).await.unwrap();
            let column = [b"server_version_num\0".as_slice(), &[0; 18]].concat();
            let length = u32::try_from(version.len()).unwrap().to_be_bytes();
            let row = [&1u16.to_be_bytes(), length.as_slice(), version.as_bytes()].concat();
            let reply = [
                message(b'T', &[&1u16.to_be_bytes(), column.as_slice()].concat()),
                message(b'D', &row),
                message(b'C', b"SHOW\0"),
                message(b'Z', b"I"),
            ];
            stream.write_all(&reply.concat()).await.unwrap();
            let _ = stream.read(&mut asked).await;
        });
        port
    }

    async fn asked(answer: Result<&'static str, (&'static str, &'static str)>) -> Finding {
        let port = server(answer).await;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"hunter2\n").unwrap();
        let login =
            Login { host: "127.0.0.1", port, database: "mastodon", user: "mastodon", password_file: file.path() };
        let mut finding = ask(Way::Here, &login).await;
        finding.text = finding.text.replace(&port.to_string(), "PORT");
        finding
    }

    #[tokio::test]
    async fn a_server_that_is_new_enough_is_good() {
        let finding = asked(Ok("160002")).await;
        let text = "PostgreSQL at 127.0.0.1 port PORT is version 16 and lets mastodon in";
        assert_eq!(finding, Finding::good(PART, text));
    }

    #[tokio::test]
    async fn an_old_server_and_one_that_refuses_are_told_apart() {
        let old = asked(Ok("130014")).await;
        assert!(old.wrong() && old.text.contains("is version 13; this Mastodon needs 14 or newer"), "{}", old.text);
        let refused = asked(Err(("28P01", "password authentication failed for user \"mastodon\""))).await;
        assert!(
            refused.wrong() && refused.text.contains("refuses mastodon: password authentication failed"),
            "{}",
            refused.text
        );
        assert!(!refused.line().contains("hunter2"));
    }
}
