//! A stream from a pod or a node into a file, hashed at both ends.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::bounded;
use crate::facts::identity::hex;
use crate::steps::{Context, Failure};

/// A stream in which nothing moves for so long is given up. A dump begins after its tables were counted, which on a large
/// site takes minutes.
pub const IDLE: Duration = Duration::from_secs(1800);
/// The mark of an exit status on standard error.
const STATUS: &str = "homeprov-status ";

/// What came of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Streamed {
    /// The bytes that arrived.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: String,
    /// The exit statuses the far end told, in order.
    pub statuses: Vec<i32>,
    /// What else was said on standard error.
    pub said: Vec<String>,
}

/// What a command prints besides its work, up to a limit; what is more is an error.
struct Short(Vec<u8>);

/// The bytes kept of it.
const SHORT_MAX: usize = 8 * 1024 * 1024;

impl AsyncWrite for Short {
    fn poll_write(self: Pin<&mut Self>, _: &mut Poller<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let kept = &mut self.get_mut().0;
        if kept.len() + bytes.len() > SHORT_MAX {
            let text = format!("the command printed more than {} MiB", SHORT_MAX >> 20);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::FileTooLarge, text)));
        }
        kept.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Poller<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Poller<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Counts and hashes what is written through it.
pub struct Hashing<W> {
    inner: W,
    digest: Sha256,
    bytes: u64,
}

impl<W: Write> Hashing<W> {
    /// Nothing was written yet.
    pub fn new(inner: W) -> Self {
        Self { inner, digest: Sha256::new(), bytes: 0 }
    }

    /// The writer behind, the number of bytes and their SHA-256.
    pub fn end(self) -> (W, u64, String) {
        (self.inner, self.bytes, hex(&self.digest.finalize()))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Files take bytes at once, or nearly: what comes over the network is slower.
impl<W: Write + Unpin> AsyncWrite for Hashing<W> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Poller<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Poller<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().flush())
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Poller<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().flush())
    }
}

/// Runs a hashed command ([`super::pod`]) on a node and writes what it prints to `file`, which is the plain bytes or what an
/// encryption makes of them. It is an error when what arrived is not what was sent, or when the command failed with another
/// status than one of `fine`.
pub async fn pull<W: Write + Send + Unpin>(
    context: &Context,
    node: &str,
    what: &str,
    argv: &[String],
    input: &str,
    to: W,
    fine: &[i32],
) -> Result<(W, Streamed), Failure> {
    let mut input: &[u8] = input.as_bytes();
    let mut to = Hashing::new(to);
    let end = context.transport.pipe(node, argv, &mut input, &mut to, IDLE).await?;
    let (to, bytes, sha256) = to.end();
    let (mut sums, mut statuses, mut said) = (Vec::new(), Vec::new(), Vec::new());
    for line in end.stderr.lines() {
        let sum = line.strip_suffix("  -").filter(|sum| sum.len() == 64);
        match (sum, line.strip_prefix(STATUS).and_then(|status| status.trim().parse().ok())) {
            (Some(sum), _) => sums.push(sum.to_owned()),
            (None, Some(status)) => statuses.push(status),
            (None, None) if line.trim().is_empty() => {}
            (None, None) => said.push(bounded::line(line)),
        }
    }
    let failed = |reason: String| Failure::Failed { reason, output: said.clone() };
    if end.status != 0 {
        return Err(failed(format!("{what}: the command ended with status {}", end.status)));
    }
    if let Some(status) = statuses.iter().find(|status| !fine.contains(status)) {
        return Err(failed(format!("{what}: the command in the pod ended with status {status}")));
    }
    match sums.as_slice() {
        [sum] if *sum == sha256 && !statuses.is_empty() => {}
        [sum] if *sum != sha256 => {
            return Err(failed(format!(
                "{what} was cut off on its way: {bytes} bytes arrived, and they are not what was sent (SHA-256 {}… here, {}… there). \
                 Nothing of it is kept, and earlier backups stay; try again",
                &sha256[..12],
                &sum[..12]
            )));
        }
        _ => return Err(failed(format!("{what}: the far end did not say what it sent, after {bytes} bytes"))),
    }
    Ok((to, Streamed { bytes, sha256, statuses, said }))
}

/// Runs a command on a node with bytes on its standard input; what it printed. Another status than 0 is an error.
pub async fn push(
    context: &Context,
    node: &str,
    what: &str,
    argv: &[String],
    input: &mut (dyn AsyncRead + Send + Unpin),
) -> Result<String, Failure> {
    let mut out = Short(Vec::new());
    let end = context.transport.pipe(node, argv, input, &mut out, IDLE).await?;
    let Short(out) = out;
    let out = String::from_utf8_lossy(&out).into_owned();
    if end.status == 0 {
        return Ok(out);
    }
    let text = format!("{out}{}", end.stderr);
    let mut output: Vec<String> = text.lines().rev().take(20).map(bounded::line).collect();
    output.reverse();
    Err(Failure::Failed { reason: format!("{what}: the command ended with status {}", end.status), output })
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn what_a_command_prints_beside_its_work_has_a_limit() {
        let mut kept = Short(Vec::new());
        kept.write_all(b"done").await.unwrap();
        let error = kept.write_all(&vec![b'x'; SHORT_MAX]).await.unwrap_err();
        assert_eq!((error.kind(), kept.0.as_slice()), (io::ErrorKind::FileTooLarge, b"done".as_slice()));
    }
}
