//! The gRPC port under peers that do not behave: silent, stuck, too many, too large, and the way out in spite of them.

use std::time::Duration;

use hotplate_daemon::{Running, config::Settings, start};
use hotplate_engine::clock::Clock;
use hotplate_proto::v1::{self, cache_service_client::CacheServiceClient};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, timeout},
};
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;

/// Far beyond what a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a peer may not need for longer: less than [`PATIENCE`], and more than a busy machine needs for one that behaves.
const SHORT: Duration = Duration::from_secs(3);

async fn server(change: impl FnOnce(&mut Settings)) -> Running {
    let mut settings = Settings::default();
    settings.grpc.listen.set_port(0);
    settings.http.listen.set_port(0);
    settings.shutdown.deadline = Duration::from_secs(1);
    change(&mut settings);
    start(settings, Clock::system()).await.expect("the server starts")
}

async fn client(server: &Running) -> CacheServiceClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.grpc_addr())).expect("an address");
    CacheServiceClient::new(endpoint.connect().await.expect("the server accepts"))
}

fn put(key: &str, bytes: usize) -> v1::PutRequest {
    let payload = Some(v1::put_request::Payload::Value(vec![1; bytes].into()));
    v1::PutRequest { key: key.to_owned(), payload, ..Default::default() }
}

fn get(key: &str) -> v1::GetRequest {
    v1::GetRequest { key: key.to_owned(), ..Default::default() }
}

fn reason(status: &tonic::Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

async fn ends_in_time(server: Running) {
    timeout(PATIENCE, server.shutdown()).await.expect("the shutdown ends within its deadline");
}

#[tokio::test]
async fn a_value_comes_back() {
    let server = server(|_| {}).await;
    let mut client = client(&server).await;
    client.put(put("k", 100_000)).await.unwrap();
    let found = client.get(get("k")).await.unwrap().into_inner();
    assert_eq!(found.outcome(), v1::GetOutcome::Hit);
    ends_in_time(server).await;
}

#[tokio::test]
async fn a_connection_that_never_speaks_is_closed() {
    let server = server(|settings| settings.limits.handshake_timeout = SHORT).await;
    let mut silent = TcpStream::connect(server.grpc_addr()).await.unwrap();
    let mut speaking = client(&server).await;
    speaking.put(put("k", 1)).await.unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, silent.read_to_end(&mut rest)).await.expect("the server closes it").unwrap_or_default();
    speaking.get(get("k")).await.expect("a connection that has spoken stays");
}

#[tokio::test]
async fn a_connection_without_calls_is_told_to_go_but_not_one_with_a_watch() {
    let server = server(|settings| {
        settings.limits.idle_timeout = SHORT;
        settings.limits.handshake_timeout = SHORT;
    })
    .await;
    let mut following = client(&server).await;
    let mut watch = following.watch(v1::WatchRequest::default()).await.unwrap().into_inner();
    let stream = TcpStream::connect(server.grpc_addr()).await.unwrap();
    let (_send, connection) = h2::client::handshake(stream).await.unwrap();
    timeout(PATIENCE, connection).await.expect("the server closes it").expect("in order");
    client(&server).await.put(put("k", 1)).await.unwrap();
    while !matches!(watch.message().await.unwrap().unwrap().message, Some(v1::watch_response::Message::Events(_))) {}
}

#[tokio::test]
async fn a_silent_peer_holds_no_shutdown() {
    let server = server(|settings| settings.shutdown.deadline = Duration::from_secs(600)).await;
    let _silent = TcpStream::connect(server.grpc_addr()).await.unwrap();
    client(&server).await.put(put("k", 1)).await.unwrap();
    ends_in_time(server).await;
}

#[tokio::test]
async fn a_stuck_watch_holds_no_shutdown() {
    let server = server(|_| {}).await;
    let mut client = client(&server).await;
    let request = v1::WatchRequest { content: v1::WatchContent::Values.into(), ..Default::default() };
    let _stuck = client.watch(request).await.unwrap();
    for n in 0..20 {
        client.put(put(&format!("k{n}"), 1 << 19)).await.unwrap();
    }
    ends_in_time(server).await;
}

#[tokio::test]
async fn a_call_that_never_ends_holds_no_shutdown() {
    let server = server(|_| {}).await;
    let stream = TcpStream::connect(server.grpc_addr()).await.unwrap();
    let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let request = http::Request::post("http://test/hotplate.v1.CacheService/Get").body(()).unwrap();
    let _open = send.send_request(request, false).unwrap();
    ends_in_time(server).await;
}

#[tokio::test]
async fn connections_beyond_the_cap_are_closed_at_once() {
    let server = server(|settings| settings.limits.connections_max = 1).await;
    let mut first = client(&server).await;
    first.put(put("k", 1)).await.unwrap();
    let mut second = TcpStream::connect(server.grpc_addr()).await.unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, second.read_to_end(&mut rest)).await.expect("the server closes it").unwrap_or_default();
    first.get(get("k")).await.unwrap();
}

#[tokio::test]
async fn a_message_beyond_its_limit_is_told_from_a_value_beyond_its_own() {
    let server = server(|settings| settings.limits.message_bytes_max = 128 << 10).await;
    let mut client = client(&server).await;
    let refused = client.put(put("k", 200 << 10)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
    client.put(put("k", 1)).await.expect("the connection goes on");
}

#[tokio::test]
async fn deadlines_end_calls_and_streams() {
    let server = server(|settings| settings.limits.deadline_max = SHORT).await;
    let mut client = client(&server).await;
    let mut request = tonic::Request::new(v1::WatchRequest::default());
    request.metadata_mut().insert("grpc-timeout", "4S".parse().unwrap());
    let mut stream = client.watch(request).await.unwrap().into_inner();
    let ended = async {
        while let Some(_told) = stream.message().await? {}
        Ok::<_, tonic::Status>(())
    };
    let status = timeout(PATIENCE, ended).await.expect("the stream ends").unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
}

#[tokio::test]
async fn what_is_no_rpc_or_no_message_says_so() {
    let server = server(|_| {}).await;
    let endpoint = Endpoint::from_shared(format!("http://{}", server.grpc_addr())).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let call = async |path: &'static str, request: v1::Negative| {
        let mut grpc = tonic::client::Grpc::new(channel.clone());
        grpc.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<v1::Negative, v1::Negative>::default();
        let path = http::uri::PathAndQuery::from_static(path);
        grpc.unary(tonic::Request::new(request), path, codec).await.unwrap_err()
    };
    let unknown = call("/hotplate.v1.CacheService/Nothing", v1::Negative::default()).await;
    assert_eq!((unknown.code(), reason(&unknown).as_str()), (Code::Unimplemented, "NO_SUCH_RPC"));
    // Field 2 of a BatchGet is a message, which this text is not.
    let wrong = v1::Negative { reason: String::new(), message: "no message".to_owned() };
    let undecodable = call("/hotplate.v1.CacheService/BatchGet", wrong).await;
    assert_eq!((undecodable.code(), reason(&undecodable).as_str()), (Code::InvalidArgument, "BAD_MESSAGE"));
}

/// The head of a frame: its length, type, flags and stream.
fn frame(length: u8, kind: u8, flags: u8, stream: u32) -> Vec<u8> {
    [&[0, 0, length, kind, flags][..], &stream.to_be_bytes()].concat()
}

/// The next frame: its type and its payload.
async fn next_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 9];
    timeout(PATIENCE, stream.read_exact(&mut head)).await.expect("a frame comes").expect("the connection is open");
    let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
    stream.read_exact(&mut payload).await.expect("the frame is whole");
    (head[3], payload)
}

/// Time in which a server reads on when a connection is closed.
const LINGER: Duration = Duration::from_secs(1);

#[tokio::test]
async fn calls_that_begin_while_their_connection_closes_meet_an_end_and_no_reset() {
    let mut tries = 0;
    while !Box::pin(comes_too_late()).await {
        tries += 1;
        assert!(tries < 50, "this machine is never as fast as that");
    }
}

/// Calls that come too late are not reset; `false`: they came later than any server reads on.
#[expect(clippy::disallowed_methods, reason = "whether this machine was held up is what is measured")]
async fn comes_too_late() -> bool {
    const PING: u8 = 6;
    let server = server(|settings| settings.shutdown.deadline = Duration::from_secs(600)).await;
    let mut stream = TcpStream::connect(server.grpc_addr()).await.expect("it listens");
    let hello = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame(0, 4, 0, 0).as_slice()].concat();
    stream.write_all(&hello).await.expect("the server reads");
    let mut ending = JoinSet::new();
    // The server answers the settings first: from then on it knows this connection.
    next_frame(&mut stream).await;
    ending.spawn(server.shutdown());
    let ping = loop {
        if let (PING, payload) = next_frame(&mut stream).await {
            break payload;
        }
    };
    // Its answer says that everything before it was sent; what comes after it is too late.
    let began = Instant::now();
    stream.write_all(&[frame(8, PING, 1, 0), ping].concat()).await.expect("the server reads");
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the server ends").expect("in order");
    let late = (0..100).flat_map(|call| [frame(3, 1, 5, 2 * call + 1), vec![0x83, 0x86, 0x84]].concat());
    let mut sent = Ok(());
    for call in late.collect::<Vec<u8>>().chunks(12) {
        sent = sent.and(stream.write_all(call).await);
    }
    let sent = sent.and(stream.shutdown().await);
    if sent.is_err() && began.elapsed() >= LINGER {
        return false;
    }
    sent.expect("the server still reads, and nothing is reset");
    timeout(PATIENCE, ending.join_all()).await.expect("the shutdown ends");
    true
}

/// Puts until it is refused; answers how it ended.
async fn put_until_refused(mut client: CacheServiceClient<Channel>, key: String) -> tonic::Status {
    loop {
        if let Err(status) = client.put(put(&key, 2000)).await {
            return status;
        }
    }
}

#[tokio::test]
async fn callers_who_go_on_calling_are_refused_and_not_cut_off() {
    let server = server(|settings| settings.shutdown.deadline = Duration::from_secs(600)).await;
    let (mut load, mut counting) = (JoinSet::new(), client(&server).await);
    for connection in 0..4 {
        let client = client(&server).await;
        for caller in 0..8 {
            load.spawn(put_until_refused(client.clone(), format!("{connection}:{caller}")));
        }
    }
    let busy = async {
        while counting.stats(v1::StatsRequest::default()).await.unwrap().into_inner().total.unwrap().entry_count < 32 {}
    };
    timeout(PATIENCE, busy).await.expect("the load is under way");
    let (ended, ()) = tokio::join!(timeout(PATIENCE, load.join_all()), ends_in_time(server));
    for status in ended.expect("every caller is refused") {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "DRAINING"), "{status:?}");
    }
}
