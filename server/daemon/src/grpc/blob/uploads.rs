//! All uploads: those that are under way, by the name their writer gave them and by what they write, and the answers of
//! those that are finished. What an upload does is not known here.

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc};

use hotplate_engine::{Cache, clock::Clock, key::DEFAULT_NAMESPACE};
use hotplate_proto::v1;
use lru::LruCache;
use parking_lot::Mutex;
use prost::Message;

use super::{
    upload::{Pace, Plan, Upload, gone},
    writer::{Writer, check_offset},
};
use crate::{config::Settings, grpc::status::Failure};

/// Bytes of the answers that are remembered, for each of them on average.
const ANSWER_BYTES_MEAN: usize = 1 << 10;

/// Reasons for which a stream ends and another may go on where it ended.
const RESUMABLE: [&str; 9] = [
    "BAD_MESSAGE",
    "BAD_OFFSET",
    "CHECKSUM_MISMATCH",
    "DEADLINE_EXCEEDED",
    "DRAINING",
    "OVERLOADED",
    "TOKEN_EXPIRED",
    "UPLOAD_STALLED",
    "UPLOAD_TAKEN_OVER",
];

/// Names an upload: its namespace, and the id its writer chose.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::grpc) struct Name {
    pub(in crate::grpc) namespace: Arc<str>,
    pub(in crate::grpc) id: Arc<str>,
}

/// What an upload writes: namespace and key.
type Target = (Arc<str>, Arc<str>);

/// An upload that is done, and what its writer was told.
#[derive(Clone, Debug)]
pub(in crate::grpc) struct Finished {
    pub(in crate::grpc) key: Arc<str>,
    pub(in crate::grpc) version: Arc<str>,
    pub(in crate::grpc) answer: v1::WriteValueResponse,
}

/// All of them.
#[derive(Debug)]
pub(in crate::grpc) struct Uploads {
    table: Mutex<Table>,
    most: usize,
    pace: Pace,
    clock: Clock,
}

#[derive(Debug)]
struct Table {
    open: HashMap<Name, Arc<Upload>>,
    /// The one that began last.
    by_target: HashMap<Target, (Name, Arc<Upload>)>,
    finished: LruCache<Name, Finished>,
    finished_bytes: usize,
}

/// What there is under a name.
pub(in crate::grpc) enum Known {
    /// So much of it.
    Open(u64),
    /// All of it, which is being proved and stored.
    Closed(Arc<Upload>),
    /// It is done.
    Finished(Box<Finished>),
}

/// What becomes of a stream that begins to write.
pub(in crate::grpc) enum Opened {
    /// It may.
    Writing(Writer),
    /// All was sent, and is being proved and stored.
    Closed(Arc<Upload>),
    /// It need not.
    Finished(Box<Finished>),
}

impl Uploads {
    /// None yet.
    pub(in crate::grpc) fn new(settings: &Settings, clock: Clock) -> Self {
        let own = &settings.uploads;
        let pace =
            Pace { rate_min: own.rate_min, window: own.rate_window, expire_after: own.expire_after, is_wanted: false };
        let remembered = NonZeroUsize::new(own.remembered_max).unwrap_or(NonZeroUsize::MIN);
        let finished = LruCache::new(remembered);
        let table = Table { open: HashMap::new(), by_target: HashMap::new(), finished, finished_bytes: 0 };
        Self { table: Mutex::new(table), most: own.max, pace, clock }
    }

    /// Begins an upload, or goes on with it at an offset; at zero it begins anew.
    ///
    /// # Errors
    /// `UPLOAD_UNKNOWN`, `BAD_OFFSET`, `TOO_MANY_UPLOADS`; another key than it began with.
    pub(in crate::grpc) fn open(&self, name: &Name, plan: Plan, offset: u64) -> Result<Opened, Failure> {
        // Dropped after the table is unlocked.
        let given_up;
        let mut table = self.table.lock();
        if let Some(finished) = table.finished.get(name) {
            same_key(&finished.key, &plan)?;
            return Ok(Opened::Finished(Box::new(finished.clone())));
        }
        if let Some(upload) = table.open.get(name).cloned() {
            same_key(&upload.plan.put.key, &plan)?;
            let received = upload.received();
            let anew = offset == 0 && received > 0;
            given_up = if anew { upload.fail_if_open(gone("the upload was begun anew")) } else { None };
            let is_closed = if anew { given_up.is_none() } else { upload.is_closed() };
            if is_closed {
                return Ok(Opened::Closed(upload));
            }
            if !anew {
                check_offset(offset, received).map_err(|failure| failure.at("header.write_offset"))?;
                return Ok(upload.begin(&self.clock).map_or(Opened::Closed(upload), Opened::Writing));
            }
            table.remove(name);
        }
        if offset > 0 {
            return Err(unknown());
        }
        if table.open.len() >= self.most {
            let rule = format!("there are {} unfinished uploads already (uploads.max)", self.most);
            return Err(Failure::new("TOO_MANY_UPLOADS", rule));
        }
        let target = target(&name.namespace, &plan.put.key);
        let upload = Upload::new(plan, self.clock.now());
        table.open.insert(name.clone(), Arc::clone(&upload));
        table.by_target.insert(target, (name.clone(), Arc::clone(&upload)));
        Ok(upload.begin(&self.clock).map_or(Opened::Closed(upload), Opened::Writing))
    }

    /// What there is under a name.
    ///
    /// # Errors
    /// `UPLOAD_UNKNOWN`.
    pub(in crate::grpc) fn query(&self, name: &Name) -> Result<Known, Failure> {
        let mut table = self.table.lock();
        if let Some(finished) = table.finished.get(name) {
            return Ok(Known::Finished(Box::new(finished.clone())));
        }
        let upload = table.open.get(name).ok_or_else(unknown)?;
        Ok(if upload.is_closed() { Known::Closed(Arc::clone(upload)) } else { Known::Open(upload.received()) })
    }

    /// The upload of a key that is under way.
    pub(in crate::grpc) fn of(&self, namespace: &str, key: &str) -> Option<Arc<Upload>> {
        let table = self.table.lock();
        table.by_target.get(&target(namespace, key)).map(|(_, upload)| Arc::clone(upload))
    }

    /// The etag that an upload of a key was stored under, by what readers call the upload; empty when it was not stored.
    pub(in crate::grpc) fn etag(&self, namespace: &str, key: &str, version: &str) -> Option<String> {
        let (namespace, _) = target(namespace, key);
        let table = self.table.lock();
        let is_it = |name: &Name, finished: &Finished| {
            name.namespace == namespace && *finished.version == *version && *finished.key == *key
        };
        let (_, found) = table.finished.iter().find(|(name, finished)| is_it(name, finished))?;
        let metadata = found.answer.put.as_ref().and_then(|put| put.metadata.as_ref());
        Some(metadata.map(|metadata| metadata.etag.clone()).unwrap_or_default())
    }

    /// Ends an upload that is whole: it is answered so from now on.
    pub(in crate::grpc) fn finish(&self, name: &Name, upload: &Arc<Upload>, answer: v1::WriteValueResponse) {
        let mut table = self.table.lock();
        if !table.is(name, upload) {
            return;
        }
        table.remove(name);
        let (key, version) = (Arc::from(upload.plan.put.key.as_str()), Arc::clone(&upload.version));
        table.remember(name.clone(), Finished { key, version, answer });
    }

    /// Ends an upload that failed.
    pub(in crate::grpc) fn give_up(&self, name: &Name, upload: &Arc<Upload>, why: Failure) {
        upload.fail(why);
        self.forget(name, upload);
    }

    /// Ends an upload whose writer was refused, so that it holds nothing any more, unless it may go on after that.
    pub(in crate::grpc) fn refuse(&self, name: &Name, writer: &Writer, why: &Failure) {
        let upload = writer.upload();
        // It holds nothing, and may come again when others are done.
        let waits = why.retry_after().is_some() && upload.received() == 0;
        if RESUMABLE.contains(&why.reason()) || !writer.writes() {
            return;
        }
        if waits {
            writer.let_go();
        } else if upload.fail_if_open(why.clone()).is_some() {
            self.forget(name, upload);
        }
    }

    fn forget(&self, name: &Name, upload: &Arc<Upload>) {
        let mut table = self.table.lock();
        if table.is(name, upload) {
            table.remove(name);
        }
    }

    /// Gives up what nobody continues and what comes too slowly. Call it often.
    pub(in crate::grpc) fn sweep(&self) {
        self.sweep_at(&self.pace, None);
    }

    /// Lets who follows what was invalidated meanwhile hear of it, also where nothing comes. Call it often.
    pub(in crate::grpc) fn look_again(&self, cache: &Cache) {
        let open: Vec<_> = self.table.lock().open.values().cloned().collect();
        open.iter().filter(|upload| !upload.stands(cache)).for_each(|upload| upload.look_again());
    }

    /// Others want room: what has one and makes little of it gives it back sooner than it would have to, except this one.
    /// Whether any did.
    pub(in crate::grpc) fn make_room_for(&self, wanting: &Arc<Upload>) -> bool {
        self.sweep_at(&self.pace.when_wanted(), Some(wanting))
    }

    fn sweep_at(&self, pace: &Pace, except: Option<&Arc<Upload>>) -> bool {
        let now = self.clock.now();
        let is_it = |upload: &Arc<Upload>| except.is_some_and(|except| Arc::ptr_eq(except, upload));
        let all: Vec<_> = {
            let table = self.table.lock();
            let others = table.open.iter().filter(|(_, upload)| !is_it(upload));
            others.map(|(name, upload)| (name.clone(), Arc::clone(upload))).collect()
        };
        let mut ended = false;
        for (name, upload) in all {
            if upload.overdue(now, pace).is_some_and(|why| upload.fail_if_open(why).is_some()) {
                self.forget(&name, &upload);
                ended = true;
            }
        }
        ended
    }
}

impl Table {
    fn is(&self, name: &Name, upload: &Arc<Upload>) -> bool {
        self.open.get(name).is_some_and(|known| Arc::ptr_eq(known, upload))
    }

    fn remove(&mut self, name: &Name) {
        let Some(upload) = self.open.remove(name) else { return };
        let target = target(&name.namespace, &upload.plan.put.key);
        if self.by_target.get(&target).is_some_and(|(other, _)| other == name) {
            self.by_target.remove(&target);
        }
    }

    fn remember(&mut self, name: Name, finished: Finished) {
        let most = self.finished.cap().get().saturating_mul(ANSWER_BYTES_MEAN);
        self.finished_bytes += weight(&finished);
        if let Some((_, old)) = self.finished.push(name, finished) {
            self.finished_bytes -= weight(&old);
        }
        while self.finished_bytes > most {
            let Some((_, oldest)) = self.finished.pop_lru() else { break };
            self.finished_bytes -= weight(&oldest);
        }
    }
}

fn weight(finished: &Finished) -> usize {
    finished.answer.encoded_len() + finished.key.len() + 256
}

fn target(namespace: &str, key: &str) -> Target {
    let namespace = if namespace.is_empty() { DEFAULT_NAMESPACE } else { namespace };
    (Arc::from(namespace), Arc::from(key))
}

fn same_key(key: &str, plan: &Plan) -> Result<(), Failure> {
    if *key == plan.put.key {
        return Ok(());
    }
    Err(Failure::argument("header.put.key", "an upload is continued under the key it began with"))
}

fn unknown() -> Failure {
    gone("no upload of this namespace has this id: begin it anew")
}

#[cfg(test)]
mod tests;
