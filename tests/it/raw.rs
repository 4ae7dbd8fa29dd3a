//! HTTP/2 by hand: calls that never finish their request, and the frames a client library hides.

use std::{net::SocketAddr, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use h2::{
    RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::HeaderMap;
use prost::Message;
use tokio::{net::TcpStream, task::JoinSet};
use tonic::{Code, Status};

use crate::wire::within;

/// One connection.
pub(crate) struct Raw {
    send: SendRequest<Bytes>,
    driver: JoinSet<Result<(), h2::Error>>,
}

/// One call whose request may still be open.
pub(crate) struct RawCall {
    response: ResponseFuture,
    pub(crate) body: SendStream<Bytes>,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::over(stream, &h2::client::Builder::new()).await
    }

    /// A connection that takes nothing of any answer.
    pub(crate) async fn silent(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::over(stream, h2::client::Builder::new().initial_window_size(0)).await
    }

    /// A connection that takes so many bytes of each answer before its reader takes them, and of all together as many as come.
    pub(crate) async fn narrow(address: SocketAddr, window: u32) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut builder = h2::client::Builder::new();
        Self::over(stream, builder.initial_window_size(window).initial_connection_window_size(1 << 30)).await
    }

    async fn over(stream: TcpStream, builder: &h2::client::Builder) -> Self {
        let (send, connection) = builder.handshake(stream).await.unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Self { send, driver }
    }

    /// Sends the head of a call of the service and leaves its request open.
    pub(crate) async fn open(&mut self, rpc: &str, headers: &[(&'static str, &str)]) -> RawCall {
        self.open_at(&format!("hotplate.v1.CacheService/{rpc}"), headers).await
    }

    /// The same of a call at this path.
    pub(crate) async fn open_at(&mut self, path: &str, headers: &[(&'static str, &str)]) -> RawCall {
        let mut request = http::Request::post(format!("http://test/{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut ready = self.send.clone().ready().await.expect("the connection is open");
        let (response, body) = ready.send_request(request.body(()).unwrap(), false).unwrap();
        RawCall { response, body }
    }

    /// Waits until the server has looked at all that was sent over it before.
    pub(crate) async fn looked_at(&mut self) {
        let mut nothing = self.open("Nothing", &[]).await;
        nothing.body.send_data(Bytes::new(), true).unwrap();
        assert_eq!(nothing.status().await.code(), Code::Unimplemented);
    }

    /// Waits until the server ends the connection; whether it did so in order.
    pub(crate) async fn ended(mut self, patience: Duration) -> Option<Result<(), h2::Error>> {
        drop(self.send);
        let ended = tokio::time::timeout(patience, self.driver.join_next()).await.ok()?;
        ended.map(|joined| joined.expect("the driver does not panic"))
    }
}

/// One call whose answer has begun.
pub(crate) struct Begun(RecvStream);

impl Begun {
    /// Takes the answer, or only what comes without that: how much came, and why it ended early; `None`: it is whole. What
    /// came is told as it comes.
    pub(crate) async fn cut(mut self, takes: bool, came: impl Fn(usize)) -> (usize, Option<h2::Reason>) {
        let mut bytes = 0;
        while let Some(chunk) = self.0.data().await {
            match chunk {
                Ok(chunk) => {
                    came(chunk.len());
                    bytes += chunk.len();
                    let taken = chunk.len() * usize::from(takes);
                    self.0.flow_control().release_capacity(taken).unwrap();
                }
                Err(broken) => return (bytes, broken.reason()),
            }
        }
        (bytes, None)
    }
}

impl RawCall {
    /// Waits until its answer begins.
    pub(crate) async fn begun(self) -> Begun {
        Begun(self.response.await.expect("a response").into_body())
    }

    /// Sends the request's message and its end.
    pub(crate) fn finish(&mut self, message: &impl Message) {
        self.body.send_data(framed(message), true).unwrap();
    }

    /// The status the call ends with.
    pub(crate) async fn status(self) -> Status {
        let response = within("a response", self.response).await.expect("a response");
        if let Some(status) = status_in(response.headers()) {
            return status;
        }
        let mut body = response.into_body();
        while let Some(chunk) = within("the body", body.data()).await {
            let length = chunk.expect("a chunk").len();
            body.flow_control().release_capacity(length).unwrap();
        }
        let trailers = within("trailers", body.trailers()).await.unwrap().expect("trailers");
        status_in(&trailers).expect("a status in the trailers")
    }
}

fn status_in(headers: &HeaderMap) -> Option<Status> {
    Status::from_header_map(headers)
}

/// A message as gRPC frames it.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.encoded_len()).unwrap());
    message.encode(&mut frame).unwrap();
    frame.freeze()
}
