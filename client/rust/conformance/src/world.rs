//! What a driver holds: clients and watches by their names, gates, who computed how often, and what is under way. What is
//! done with them is in `ops`.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hotplate::{Client, Namespace};
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;

use crate::{
    answer::{Outcome, Refusal},
    arguments::Arguments,
    codec::Named,
    ops::watch::Watching,
};

/// Everything with a name.
#[derive(Default)]
pub(crate) struct World {
    clients: Mutex<HashMap<String, Client>>,
    watches: Mutex<HashMap<String, Arc<AsyncMutex<Watching>>>>,
    gates: Mutex<HashMap<String, CancellationToken>>,
    computations: Mutex<HashMap<String, Arc<Counts>>>,
    under_way: Mutex<HashMap<u64, CancellationToken>>,
}

/// How often a function ran.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) started: AtomicU64,
    pub(crate) finished: AtomicU64,
}

impl Counts {
    pub(crate) fn begin(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn finish(&self) {
        self.finished.fetch_add(1, Ordering::Relaxed);
    }
}

impl World {
    /// Notes a request; the token tells when it is given up.
    pub(crate) fn begins(&self, id: u64) -> CancellationToken {
        self.under_way.lock().entry(id).or_default().clone()
    }

    /// Forgets a request.
    pub(crate) fn ended(&self, id: u64) {
        self.under_way.lock().remove(&id);
    }

    /// Gives a request up. One that has ended, or was never made, is none.
    pub(crate) fn cancel(&self, id: u64) {
        if let Some(token) = self.under_way.lock().get(&id) {
            token.cancel();
        }
    }

    /// Gives all requests up.
    pub(crate) fn cancel_all(&self) {
        self.under_way.lock().values().for_each(CancellationToken::cancel);
    }

    /// Keeps a client under a name, also when it was closed.
    pub(crate) fn open(&self, name: String, client: Client) -> Outcome<()> {
        match self.clients.lock().entry(name) {
            Entry::Vacant(place) => {
                place.insert(client);
                Ok(())
            }
            Entry::Occupied(_) => Err(Refusal::fault("there is, or was, a client of this name")),
        }
    }

    /// Closes all clients.
    pub(crate) async fn close_all(&self) {
        self.watches.lock().clear();
        let clients: Vec<Client> = self.clients.lock().drain().map(|(_, client)| client).collect();
        for client in clients {
            client.close().await;
        }
    }

    /// The client that a request names.
    pub(crate) fn client(&self, arguments: &mut Arguments) -> Outcome<Client> {
        let name: String = arguments.need("client")?;
        self.clients.lock().get(&name).cloned().ok_or_else(|| no_client(&name))
    }

    /// The namespace that a request names, with the codec it names.
    pub(crate) fn space(&self, arguments: &mut Arguments) -> Outcome<Namespace<Named>> {
        let client = self.client(arguments)?;
        let codec: Option<String> = arguments.take("codec")?;
        let space = match arguments.take::<String>("namespace")? {
            Some(name) => client.namespace(name),
            None => client.default_namespace(),
        };
        Ok(space.codec(Named::of(codec.as_deref())?))
    }

    /// Keeps a watch under a name.
    pub(crate) fn watch(&self, name: String, watching: Watching) {
        self.watches.lock().insert(name, Arc::new(AsyncMutex::new(watching)));
    }

    /// The watch of a name.
    pub(crate) fn watching(&self, name: &str) -> Outcome<Arc<AsyncMutex<Watching>>> {
        self.watches.lock().get(name).cloned().ok_or_else(|| Refusal::fault(format!("there is no watch `{name}`")))
    }

    /// Ends the watch of a name.
    pub(crate) fn unwatch(&self, name: &str) {
        self.watches.lock().remove(name);
    }

    /// The gate of a name, open or not.
    pub(crate) fn gate(&self, name: String) -> CancellationToken {
        self.gates.lock().entry(name).or_default().clone()
    }

    /// How often the function of a name ran.
    pub(crate) fn counts(&self, name: String) -> Arc<Counts> {
        Arc::clone(self.computations.lock().entry(name).or_default())
    }
}

fn no_client(name: &str) -> Refusal {
    Refusal::fault(format!("there is no client `{name}`"))
}
