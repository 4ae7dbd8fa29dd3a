//! The way of the calls that are made most: their one message is taken from the connection as it came and answered at once,
//! without what streams need. Whatever this does not know goes the general way, with the same answer.

pub(crate) mod deframe;
pub(crate) mod prefix;
pub(crate) mod read;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod unary;
pub(crate) mod wire;

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Frame, SizeHint};
use tonic::{Status, body::Body};

use self::reply::{Framed, Reply};
use super::{ending::Ending, pipeline::Pipeline};

/// The body of any response.
pub(crate) enum Outgoing {
    /// One message, all of it here.
    Reply(Reply),
    /// Answers of many operations.
    Pipeline(Box<Pipeline>),
    /// What another way answered.
    Ending(Box<Ending>),
    /// Nothing but a status.
    Other(Body),
}

impl http_body::Body for Outgoing {
    type Data = Framed;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Framed>, Status>>> {
        match &mut *self {
            Self::Reply(reply) => {
                Pin::new(reply).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(|never| match never {})))
            }
            Self::Pipeline(pipeline) => Pin::new(pipeline).poll_frame(cx),
            Self::Ending(ending) => Pin::new(ending).poll_frame(cx),
            Self::Other(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(Framed::whole)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Reply(reply) => reply.is_end_stream(),
            Self::Pipeline(pipeline) => pipeline.is_end_stream(),
            Self::Ending(ending) => ending.is_end_stream(),
            Self::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Reply(reply) => reply.size_hint(),
            Self::Pipeline(pipeline) => pipeline.size_hint(),
            Self::Ending(ending) => ending.size_hint(),
            Self::Other(body) => body.size_hint(),
        }
    }
}
