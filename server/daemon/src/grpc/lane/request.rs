//! Takes the body of a request that is all here already, or gives back what it took. What requests say is not known here.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

/// What became of looking whether a request is all here.
pub(crate) enum Taken<B: Body> {
    /// All of its bytes.
    Whole(Bytes),
    /// It is not, or is too long, or broke: the same body as it would have been.
    Not(Untaken<B>),
}

/// A body of which the beginning was taken and is given back.
pub(crate) struct Untaken<B: Body> {
    first: Option<Bytes>,
    broken: Option<B::Error>,
    rest: B,
}

/// Takes a body of at most so many bytes, if it has all come. Trailers of a request say nothing to any handler.
pub(crate) fn take<B>(mut body: B, most: usize, cx: &mut Context<'_>) -> Taken<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut taken = Gathered::default();
    let broken = loop {
        if body.is_end_stream() {
            return Taken::Whole(taken.bytes());
        }
        match Pin::new(&mut body).poll_frame(cx) {
            Poll::Ready(None) => return Taken::Whole(taken.bytes()),
            Poll::Ready(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    taken.add(data);
                }
                if taken.length() > most {
                    break None;
                }
            }
            Poll::Ready(Some(Err(broken))) => break Some(broken),
            Poll::Pending => break None,
        }
    };
    Taken::Not(Untaken { first: Some(taken.bytes()).filter(|first| !first.is_empty()), broken, rest: body })
}

/// Bytes as they come: one piece stays as it is.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    more: BytesMut,
}

impl Gathered {
    fn add(&mut self, data: Bytes) {
        if self.length() == 0 {
            self.first = data;
            return;
        }
        if self.more.is_empty() {
            self.more.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.more.extend_from_slice(&data);
    }

    fn length(&self) -> usize {
        self.first.len() + self.more.len()
    }

    fn bytes(self) -> Bytes {
        if self.more.is_empty() { self.first } else { self.more.freeze() }
    }
}

impl<B> Body for Untaken<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if let Some(broken) = self.broken.take() {
            return Poll::Ready(Some(Err(broken)));
        }
        Poll::Ready(ready!(Pin::new(&mut self.rest).poll_frame(cx)))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.broken.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use futures::{FutureExt, StreamExt, stream::poll_fn};
    use http::HeaderMap;

    use super::*;

    /// A body that is not there yet where it says `None`, and breaks where it says so.
    #[derive(Debug)]
    struct Script(VecDeque<Option<Result<Frame<Bytes>, &'static str>>>);

    impl Body for Script {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            match self.0.pop_front() {
                None => Poll::Ready(None),
                Some(None) => Poll::Pending,
                Some(frame) => Poll::Ready(frame),
            }
        }
    }

    fn data(text: &'static str) -> Option<Result<Frame<Bytes>, &'static str>> {
        Some(Ok(Frame::data(Bytes::from_static(text.as_bytes()))))
    }

    fn taken(script: Vec<Option<Result<Frame<Bytes>, &'static str>>>) -> Taken<Script> {
        poll_fn(|cx| Poll::Ready(Some(take(Script(script.iter().map(again).collect()), 8, cx))))
            .next()
            .now_or_never()
            .flatten()
            .unwrap()
    }

    fn again(step: &Option<Result<Frame<Bytes>, &'static str>>) -> Option<Result<Frame<Bytes>, &'static str>> {
        step.as_ref().map(|frame| match frame {
            Ok(frame) => {
                Ok(frame.data_ref().map_or_else(|| Frame::trailers(HeaderMap::new()), |data| Frame::data(data.clone())))
            }
            Err(broken) => Err(*broken),
        })
    }

    #[test]
    fn what_has_all_come_is_taken_in_one_piece() {
        for script in [
            vec![data("abcd")],
            vec![data("a"), data(""), data("bc"), data("d")],
            vec![data("abcd"), Some(Ok(Frame::trailers(HeaderMap::new())))],
        ] {
            let Taken::Whole(bytes) = taken(script) else { panic!("it is all there") };
            assert_eq!(bytes, "abcd");
        }
        assert!(matches!(taken(vec![]), Taken::Whole(bytes) if bytes.is_empty()));
    }

    #[test]
    fn what_has_not_is_given_back_as_it_was() {
        let scripts = [
            (vec![data("ab"), None, data("cd")], vec![Ok("ab"), Ok("cd")]),
            (vec![data("abcd"), data("efghi"), data("j")], vec![Ok("abcdefghi"), Ok("j")]),
            (vec![data("ab"), Some(Err("broken")), data("cd")], vec![Ok("ab"), Err("broken"), Ok("cd")]),
            (vec![None, data("cd")], vec![Ok("cd")]),
        ];
        for (script, expected) in scripts {
            let Taken::Not(mut body) = taken(script) else { panic!("it is not all there") };
            let frames = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).collect::<Vec<_>>().now_or_never().unwrap();
            let frames: Vec<Result<Bytes, _>> =
                frames.into_iter().map(|frame| frame.map(|frame| frame.into_data().unwrap())).collect();
            let expected: Vec<Result<Bytes, &str>> = expected.into_iter().map(|step| step.map(Bytes::from)).collect();
            assert_eq!(frames, expected);
        }
    }
}
