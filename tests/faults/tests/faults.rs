//! What the proxy does to connections, as both ends of one see it.

#![expect(clippy::unwrap_used, reason = "a test that cannot set its ground up has failed")]

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use hotplate_faultproxy::{End, Faults, Proxy, Way};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, timeout},
};

const SHORT: Duration = Duration::from_millis(60);
/// So late that a machine which does something else for a while is not taken for the proxy.
const LATE: Duration = Duration::from_secs(1);

/// A server that sends back what it gets, and the proxy in front of it.
struct Ground {
    proxy: Proxy,
    server: SocketAddr,
    _runs: JoinSet<()>,
}

impl Ground {
    async fn new(seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        let mut runs = JoinSet::new();
        runs.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(send_back(stream));
            }
        });
        Self { proxy: Proxy::start(server, seed).await.unwrap(), server, _runs: runs }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.proxy.address()).await.unwrap()
    }
}

async fn send_back(mut stream: TcpStream) {
    let (mut read, mut write) = stream.split();
    let _ended = tokio::io::copy(&mut read, &mut write).await;
}

/// Sends a byte and waits for it to come back.
async fn echo(stream: &mut TcpStream) -> std::io::Result<u8> {
    stream.write_all(b"x").await?;
    stream.read_u8().await
}

#[expect(clippy::disallowed_methods, reason = "these tests measure how long it took")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test]
async fn it_passes_everything_in_order_and_counts_it() {
    let ground = Ground::new(1).await;
    let mut stream = ground.connect().await;
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let (mut read, mut write) = stream.split();
    let mut got = vec![0; sent.len()];
    let (written, read) = tokio::join!(write.write_all(&sent), read.read_exact(&mut got));
    written.and(read.map(drop)).unwrap();
    assert!(got == sent);
    let seen = ground.proxy.seen();
    assert_eq!((seen.connections, seen.open, seen.up_bytes, seen.down_bytes), (1, 1, 3_000_000, 3_000_000));
}

#[tokio::test]
async fn an_end_of_one_direction_passes_and_the_other_goes_on() {
    let ground = Ground::new(1).await;
    let mut stream = ground.connect().await;
    stream.write_all(b"last words").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "last words");
    while ground.proxy.seen().open != 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_late_is_late_in_order_and_does_not_hold_up_the_rest() {
    let ground = Ground::new(1).await;
    let mut stream = ground.connect().await;
    ground.proxy.set(Faults::late(LATE, LATE));
    let began = now();
    for byte in 0..20 {
        stream.write_u8(byte).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut got = [0; 20];
    stream.read_exact(&mut got).await.unwrap();
    let took = began.elapsed();
    assert_eq!(got, std::array::from_fn(|n| u8::try_from(n).unwrap()));
    assert!(took >= LATE && took < LATE * 20, "all of it once late, and not one after the other: {took:?}");
}

#[tokio::test]
async fn a_narrow_way_takes_its_time() {
    let ground = Ground::new(1).await;
    let mut stream = ground.connect().await;
    let narrow = Way { bytes_per_second: Some(1_000_000), ..Way::default() };
    ground.proxy.set(Faults { up: narrow, ..Faults::default() });
    let began = now();
    let (mut read, mut write) = stream.split();
    let sent = vec![7; 100_000];
    let mut got = vec![0; sent.len()];
    let (written, read) = tokio::join!(write.write_all(&sent), read.read_exact(&mut got));
    written.and(read.map(drop)).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(80), "{:?}", began.elapsed());
}

#[tokio::test]
async fn silence_holds_one_direction_and_tells_nobody() {
    let ground = Ground::new(1).await;
    let mut stream = ground.connect().await;
    assert_eq!(echo(&mut stream).await.unwrap(), b'x');
    let silent = Way { silent: true, ..Way::default() };
    ground.proxy.set(Faults { down: silent, ..Faults::default() });
    assert!(timeout(SHORT, echo(&mut stream)).await.is_err(), "nothing comes back, and no error either");
    while ground.proxy.seen().up_bytes != 2 {
        // The server got it, or gets it now.
        tokio::task::yield_now().await;
    }
    ground.proxy.heal();
    assert_eq!(stream.read_u8().await.unwrap(), b'x', "it was only held");
    ground.proxy.set(Faults::silent());
    assert!(timeout(SHORT, echo(&mut stream)).await.is_err());
    assert_eq!(ground.proxy.seen().up_bytes, 2, "the server got nothing");
    let mut fresh = ground.connect().await;
    assert!(timeout(SHORT, echo(&mut fresh)).await.is_err(), "new connections fare the same");
}

#[tokio::test]
async fn connections_are_cut_and_reset_and_can_be_made_again() {
    let ground = Ground::new(1).await;
    let mut stream = ground.connect().await;
    assert_eq!(echo(&mut stream).await.unwrap(), b'x');
    ground.proxy.cut(End::Closed);
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0, "an end in order");
    let mut stream = ground.connect().await;
    assert_eq!(echo(&mut stream).await.unwrap(), b'x');
    ground.proxy.cut(End::Reset);
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(echo(&mut ground.connect().await).await.unwrap(), b'x');
}

#[tokio::test]
async fn a_connection_ends_after_exactly_so_many_bytes() {
    let ground = Ground::new(1).await;
    let ends = Way { ends_after: Some((5, End::Closed)), ..Way::default() };
    ground.proxy.set(Faults { down: ends, ..Faults::default() });
    for _ in 0..2 {
        let mut stream = ground.connect().await;
        stream.write_all(b"half a reply").await.unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"half ", "each connection");
    }
}

#[tokio::test]
async fn bits_are_changed_as_often_as_asked_for_and_by_the_seed() {
    let mut changed = Vec::new();
    for seed in [7, 7, 8] {
        let ground = Ground::new(seed).await;
        ground.proxy.set(Faults::flipping(100));
        let mut stream = ground.connect().await;
        let (mut read, mut write) = stream.split();
        let (sent, mut got) = (vec![0_u8; 50_000], vec![0_u8; 50_000]);
        let (written, read) = tokio::join!(write.write_all(&sent), read.read_exact(&mut got));
        written.and(read.map(drop)).unwrap();
        let flipped = ground.proxy.seen().flipped;
        assert!((300..700).contains(&flipped), "about one in a hundred: {flipped}");
        assert_eq!(got.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>(), flipped);
        changed.push(got);
    }
    assert!(changed[0] == changed[1] && changed[0] != changed[2]);
}

/// Connections that come before it was told are accepted, or reset.
async fn until_refused(address: SocketAddr) {
    let refused = |error: std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
    while !TcpStream::connect(address).await.is_err_and(refused) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn it_refuses_and_listens_again_at_the_same_place() {
    let ground = Ground::new(1).await;
    let mut before = ground.connect().await;
    assert_eq!(echo(&mut before).await.unwrap(), b'x');
    for _ in 0..3 {
        ground.proxy.set(Faults::refusing());
        timeout(Duration::from_secs(60), until_refused(ground.proxy.address())).await.unwrap();
        assert_eq!(echo(&mut before).await.unwrap(), b'x', "who is connected stays so");
        ground.proxy.heal();
        while TcpStream::connect(ground.proxy.address()).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_away_behind_it_too_until_it_is_elsewhere() {
    let ground = Ground::new(1).await;
    // The port is held, so that nobody else listens there.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    ground.proxy.redirect(nobody.local_addr().unwrap());
    let mut stream = ground.connect().await;
    assert!(echo(&mut stream).await.is_err());
    ground.proxy.redirect(ground.server);
    assert_eq!(echo(&mut ground.connect().await).await.unwrap(), b'x');
}
