//! The body of an answer of an API server, read no longer and no further than a well-behaved one needs.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tower::BoxError;

/// Most bytes of one answer. The largest that is asked for is the list of a whole cluster's pods.
pub const ANSWER_MAX: usize = 32 * 1024 * 1024;
/// Until the end of an answer, from its head on.
pub const ANSWER_END: Duration = Duration::from_secs(60);

/// A body with both limits.
pub struct Bounded<B> {
    body: Pin<Box<B>>,
    left: usize,
    end: Pin<Box<Sleep>>,
}

impl<B> Bounded<B> {
    /// From now on [`ANSWER_END`] and [`ANSWER_MAX`] count.
    pub fn new(body: B) -> Self {
        Self { body: Box::pin(body), left: ANSWER_MAX, end: Box::pin(sleep(ANSWER_END)) }
    }
}

impl<B: Body<Data = Bytes>> Body for Bounded<B>
where
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.end.as_mut().poll(context).is_ready() {
            let text = format!("the API server's answer had no end within {} s", ANSWER_END.as_secs());
            return Poll::Ready(Some(Err(text.into())));
        }
        let Some(frame) = ready!(self.body.as_mut().poll_frame(context)) else { return Poll::Ready(None) };
        let frame = frame.map_err(Into::into)?;
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(left) = self.left.checked_sub(length) else {
            let text = format!("the API server's answer is longer than {} MiB", ANSWER_MAX / 1024 / 1024);
            return Poll::Ready(Some(Err(text.into())));
        };
        self.left = left;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::{BodyExt, Full, StreamBody};

    use super::*;

    #[tokio::test]
    async fn an_answer_of_a_common_size_is_read() {
        let body = Bounded::new(Full::new(Bytes::from_static(b"{}")));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "{}");
    }

    #[tokio::test]
    async fn one_without_end_is_cut_off_at_its_size() {
        let piece = Bytes::from(vec![b' '; 1024 * 1024]);
        let pieces = futures::stream::repeat_with(move || Ok::<_, Infallible>(Frame::data(piece.clone())));
        let error = Bounded::new(StreamBody::new(pieces)).collect().await.unwrap_err();
        assert_eq!(error.to_string(), "the API server's answer is longer than 32 MiB");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_trickles_is_cut_off_at_its_time() {
        let pieces = futures::stream::unfold((), |()| async {
            sleep(Duration::from_secs(7)).await;
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(b" "))), ()))
        });
        let error = Bounded::new(StreamBody::new(pieces)).collect().await.unwrap_err();
        assert_eq!(error.to_string(), "the API server's answer had no end within 60 s");
    }
}
