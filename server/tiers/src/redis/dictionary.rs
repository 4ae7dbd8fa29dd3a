//! The codec's dictionaries, in Redis beside the values that need them: whoever reads a value can read its dictionary. What
//! a dictionary is, and when there is a new one, is the codec's business.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use hotplate_engine::{position::LogId, tier::TierError};
use redis::Value;
use tokio::time;

use super::{Core, fail::Fail, route::Request};
use crate::codec::{DICTIONARY_BYTES_MAX, DictionaryStore, dictionary_id};

/// How often it is looked whether Redis still has those that values are written with: it may have been flushed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Where the codec finds them; without a tier, nowhere.
pub(super) struct Dictionaries {
    core: Weak<Core>,
}

impl Dictionaries {
    pub(super) fn of(core: &Arc<Core>) -> Self {
        Self { core: Arc::downgrade(core) }
    }

    fn core(&self) -> Result<Arc<Core>, Fail> {
        self.core.upgrade().ok_or_else(|| Fail::unreachable("the server stops"))
    }

    /// Puts those that are missing there again, now and then. Never ends by itself.
    pub(super) async fn keep_there(self) {
        loop {
            time::sleep(LOOK_EVERY).await;
            let Ok(core) = self.core() else { return };
            for (namespace, dictionary) in core.codec.in_use() {
                // What cannot be put there now is tried again at the next look.
                let _kept = core.put_again(&namespace, &dictionary).await;
            }
        }
    }
}

impl DictionaryStore for Dictionaries {
    fn load(&self, id: u64) -> BoxFuture<'_, Result<Option<Bytes>, TierError>> {
        Box::pin(async move { Ok(self.core()?.dictionary(id).await?) })
    }

    fn current<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, TierError>> {
        Box::pin(async move { Ok(self.core()?.current_dictionary(namespace).await?) })
    }

    fn save<'a>(&'a self, namespace: &'a str, _id: u64, dictionary: Bytes) -> BoxFuture<'a, Result<(), TierError>> {
        Box::pin(async move {
            let core = self.core()?;
            core.keep_dictionary(namespace, &dictionary).await?;
            core.name_dictionary(namespace, dictionary_id(&dictionary)).await?;
            Ok(())
        })
    }
}

impl Core {
    /// The bytes under a dictionary's name. Whether they are that one, the codec finds out.
    pub(super) async fn dictionary(&self, id: u64) -> Result<Option<Bytes>, Fail> {
        let mut get = redis::cmd("GETRANGE");
        // One byte more than there may be: what is longer is none.
        get.arg(self.keyspace.dictionary(id)).arg(0).arg(DICTIONARY_BYTES_MAX);
        let (answer, _link) = self.route.ask(LogId::SELECTOR, &Request::one(get)).await?.one()?;
        Ok(match answer {
            Value::BulkString(bytes) if !bytes.is_empty() => Some(bytes.into()),
            _ => None,
        })
    }

    async fn current_dictionary(&self, namespace: &str) -> Result<Option<Bytes>, Fail> {
        let mut get = redis::cmd("GETRANGE");
        get.arg(self.keyspace.dictionary_of(namespace)).arg(0).arg(16);
        let (answer, _link) = self.route.ask(LogId::SELECTOR, &Request::one(get)).await?.one()?;
        let Value::BulkString(text) = answer else { return Ok(None) };
        let id = std::str::from_utf8(&text).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
        let Some(id) = id else { return Ok(None) };
        // Another one's bytes under this name would be taken for a dictionary of their own.
        Ok(self.dictionary(id).await?.filter(|dictionary| dictionary_id(dictionary) == id))
    }

    async fn put_again(&self, namespace: &str, dictionary: &Bytes) -> Result<(), Fail> {
        let mut begins = redis::cmd("GETRANGE");
        begins.arg(self.keyspace.dictionary(dictionary_id(dictionary))).arg(0).arg(0);
        let (answer, _link) = self.route.ask(LogId::SELECTOR, &Request::one(begins)).await?.one()?;
        if matches!(answer, Value::BulkString(begins) if !begins.is_empty()) {
            return Ok(());
        }
        self.keep_dictionary(namespace, dictionary).await
    }

    /// Puts a dictionary there, unless it is there, and says that it is its namespace's, unless another is.
    async fn keep_dictionary(&self, namespace: &str, dictionary: &Bytes) -> Result<(), Fail> {
        let id = dictionary_id(dictionary);
        let mut put = redis::cmd("SET");
        put.arg(self.keyspace.dictionary(id)).arg(&dictionary[..]).arg("NX");
        let mut name = redis::cmd("SET");
        name.arg(self.keyspace.dictionary_of(namespace)).arg(format!("{id:x}")).arg("NX");
        self.route.ask(LogId::SELECTOR, &Request::transaction([put, name])).await?;
        Ok(())
    }

    async fn name_dictionary(&self, namespace: &str, id: u64) -> Result<(), Fail> {
        let mut name = redis::cmd("SET");
        name.arg(self.keyspace.dictionary_of(namespace)).arg(format!("{id:x}"));
        self.route.ask(LogId::SELECTOR, &Request::one(name)).await?;
        Ok(())
    }
}
