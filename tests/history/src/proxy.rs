//! A connection that can be broken: a TCP proxy that cuts, falls silent in one direction, or delays when it is told to.
//! When that happens is decided by the driver; what is transported is not known here.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// How what the server sends gets through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// At once.
    #[default]
    Open,
    /// Not at all, and nobody is told.
    Silent,
    /// After so long.
    Late(Duration),
}

/// How connections are, and how often they have been cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    mode: Mode,
    cuts: u64,
}

/// What tells the connections of one proxy how to be.
#[derive(Debug)]
pub struct Line(watch::Sender<State>);

impl Line {
    /// Cuts every connection there is.
    pub fn cut(&self) {
        self.0.send_modify(|state| state.cuts += 1);
    }

    /// How things are from now on.
    pub fn set(&self, mode: Mode) {
        self.0.send_modify(|state| state.mode = mode);
    }
}

/// A proxy to a server: what breaks it, and what runs it. It ends when its line is dropped.
pub fn proxy(listener: TcpListener, server: SocketAddr) -> (Line, impl Future<Output = ()> + Send) {
    let (line, state) = watch::channel(State::default());
    (Line(line), accept(listener, server, state))
}

async fn accept(listener: TcpListener, server: SocketAddr, mut state: watch::Receiver<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((client, _)) = accepted {
                connections.spawn(connect(client, server, state.clone()));
            },
            changed = state.changed() => if changed.is_err() { return },
        }
        while connections.try_join_next().is_some() {}
    }
}

/// A server that is away ends the connection, as it would without a proxy.
async fn connect(client: TcpStream, server: SocketAddr, mut state: watch::Receiver<State>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
        return;
    }
    let cuts = state.borrow().cuts;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        _ended = pass(from_client, to_server, None) => {}
        _ended = pass(from_server, to_client, Some(state.clone())) => {}
        _cut = state.wait_for(|state| state.cuts != cuts) => {}
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut state: Option<watch::Receiver<State>>,
) -> std::io::Result<()> {
    let mut chunk = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        if let Some(state) = &mut state {
            let mode = state.wait_for(|state| state.mode != Mode::Silent).await.map(|state| state.mode);
            if let Ok(Mode::Late(by)) = mode {
                tokio::time::sleep(by).await;
            }
        }
        to.write_all(&chunk[..read]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a byte and waits for it to come back.
    async fn echo(stream: &mut TcpStream) -> std::io::Result<u8> {
        stream.write_all(b"x").await?;
        stream.read_u8().await
    }

    async fn serve_echo(listener: TcpListener) {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    }

    #[tokio::test]
    async fn it_passes_falls_silent_and_cuts() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (behind, address) = (server.local_addr().unwrap(), listener.local_addr().unwrap());
        let (line, runs) = proxy(listener, behind);
        let test = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            assert_eq!(echo(&mut stream).await.unwrap(), b'x');
            line.set(Mode::Late(Duration::from_millis(1)));
            assert_eq!(echo(&mut stream).await.unwrap(), b'x');
            line.set(Mode::Silent);
            let silent = tokio::time::timeout(Duration::from_millis(50), echo(&mut stream)).await;
            assert!(silent.is_err(), "nothing comes back, and no error either");
            line.set(Mode::Open);
            assert_eq!(stream.read_u8().await.unwrap(), b'x', "it was only held");
            line.cut();
            assert!(echo(&mut stream).await.is_err());
            let mut stream = TcpStream::connect(address).await.unwrap();
            assert_eq!(echo(&mut stream).await.unwrap(), b'x');
        };
        tokio::select! {
            () = runs => panic!("the proxy ended"),
            () = serve_echo(server) => panic!("the server ended"),
            () = test => {}
        }
    }
}
