//! A connection that a test can cut and lead elsewhere: what stands between a client and its server. It looks at no byte.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// Passes connections on until it is told otherwise; ends with the test.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
    cuts: watch::Sender<u64>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// Passes connections on to `target`.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(Mutex::new(Some(target)));
        let cuts = watch::Sender::new(0);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&target), cuts.subscribe()));
        Self { address, target, cuts, _accepting: accepting }
    }

    /// Cuts all connections and accepts none until [`Proxy::lead_to`].
    pub(crate) fn cut(&self) {
        *self.target.lock().unwrap() = None;
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// New connections go to `target`.
    pub(crate) fn lead_to(&self, target: SocketAddr) {
        *self.target.lock().unwrap() = Some(target);
    }
}

async fn accept(listener: TcpListener, target: Arc<Mutex<Option<SocketAddr>>>, cuts: watch::Receiver<u64>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        // Looked at before the target: of a cut it has either not heard yet, or there is no target any more.
        let mut cuts = cuts.clone();
        cuts.mark_unchanged();
        let target = *target.lock().unwrap();
        if let Some(target) = target {
            connections.spawn(pass(client, target, cuts));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn pass(mut client: TcpStream, target: SocketAddr, mut cuts: watch::Receiver<u64>) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = cuts.changed() => {}
    }
}
