//! From where something is asked: from this machine, or from a node.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ssh::{Program, Purpose, Script, Stream, Transport};

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(8);

/// Where connections are made.
#[derive(Clone, Copy)]
pub enum Way<'a> {
    /// On this machine.
    Here,
    /// On a node, by its name, over its SSH connection.
    Node(&'a dyn Transport, &'a str),
}

impl Way<'_> {
    /// Connects; a failure in the words of the system that tried.
    pub async fn connect(self, host: &str, port: u16) -> Result<Box<dyn Stream>, String> {
        match self {
            Self::Here => match timeout(CONNECT, TcpStream::connect((host.to_owned(), port))).await {
                Ok(Ok(stream)) => Ok(Box::new(stream)),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("no answer within {} s", CONNECT.as_secs())),
            },
            Self::Node(transport, node) => transport.dial(node, host, port).await.map_err(|error| error.to_string()),
        }
    }

    /// Why a connection that was made over a node gave nothing: a forward does not say whether the host refused, so the
    /// node's own shell is asked. None when it can connect.
    pub async fn why_not(self, host: &str, port: u16) -> Option<String> {
        let Self::Node(transport, node) = self else { return None };
        // The name and the port are arguments: nothing in them is read by a shell.
        let argv = ["bash", "-c", "exec 3<>\"/dev/tcp/$1/$2\"", "bash", host, &port.to_string()].map(str::to_owned);
        let script = Script::single(Purpose::Probe, "dial", Program::command(argv), CONNECT);
        match transport.run(node, &script).await {
            Ok(mut answer) => {
                let answer = answer.sections.remove("dial")?;
                match (answer.succeeded(), answer.timed_out || answer.status == 124) {
                    (true, _) => None,
                    (_, true) => Some(format!("no answer within {} s", CONNECT.as_secs())),
                    _ => Some(reason(&answer.stderr)),
                }
            }
            Err(error) => Some(error.to_string()),
        }
    }

    /// From where, for a sentence: `this machine`, `nuc1`.
    pub fn name(self) -> String {
        match self {
            Self::Here => "this machine".to_owned(),
            Self::Node(_, node) => (*node).to_owned(),
        }
    }
}

/// The reason in what bash prints: `bash: connect: Connection refused`, then a line about `/dev/tcp/…`.
fn reason(stderr: &str) -> String {
    let first = stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or("it cannot be reached");
    first.rsplit(": ").next().unwrap_or(first).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_told_without_the_shells_frame() {
        let refused = "bash: connect: Connection refused\nbash: line 1: /dev/tcp/10.0.0.1/25: Connection refused\n";
        assert_eq!(reason(refused), "Connection refused");
        assert_eq!(reason("bash: nowhere.invalid: Name or service not known\n"), "Name or service not known");
        assert_eq!(reason(""), "it cannot be reached");
    }
}
