//! Preload: fetch entries from origins ahead of use, in jobs that outlive the caller's stream.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use parking_lot::Mutex;

pub use crate::flow::job::PreloadStream;
use crate::{
    clock::Clock,
    entry::{Description, Expiration},
    error::{Error, Kind, Reason, Result},
    event::Observer,
    flow::{
        fill::{Checked, Filler, Source, Store},
        job::{How, Job, run},
    },
    key::{Key, namespace_name},
    namespace::EngineConfig,
    origin::{Origin, Origins},
    selector::Selector,
    task::Tasks,
};

/// What one fetch is given besides its key.
pub(super) type Parameters = BTreeMap<String, String>;

/// Parameters of one item at most, and their bytes in all.
const PARAMETERS_MAX: usize = 32;
const PARAMETER_BYTES_MAX: usize = 4 << 10;
/// An entry is pinned for this long at most.
pub const PIN_FOR_MAX: Duration = Duration::from_secs(24 * 3600);
/// Longest request id, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// What to fetch, or which job to join.
#[derive(Clone, Debug, Default)]
pub struct PreloadRequest {
    /// The namespace; empty means `default`.
    pub namespace: String,
    /// What; empty when `job_id` is set.
    pub items: Vec<PreloadItem>,
    /// What is fresh as well.
    pub force: bool,
    /// How many at once; zero: the default.
    pub max_parallelism: usize,
    /// Join this job; empty: start one.
    pub job_id: String,
    /// Stop that job.
    pub cancel: bool,
    /// Stop the job when the caller goes.
    pub cancel_on_disconnect: bool,
    /// For how long what is loaded makes no room for others; at most [`PIN_FOR_MAX`].
    pub pin_for: Option<Duration>,
    /// A repeated id joins the job it started; empty: none.
    pub request_id: String,
}

/// One entry to fetch.
#[derive(Clone, Debug, Default)]
pub struct PreloadItem {
    /// Stored under.
    pub key: String,
    /// Which origin; empty: the only one.
    pub origin: String,
    /// Values for its template.
    pub parameters: BTreeMap<String, String>,
    /// For how long.
    pub expiration: Expiration,
    /// Operation or model type.
    pub kind: Arc<str>,
    /// Groups.
    pub tags: Vec<Arc<str>>,
}

/// Progress of a job.
#[derive(Clone, Debug)]
pub struct PreloadProgress {
    /// Which job.
    pub job_id: Arc<str>,
    /// What ended since the last message.
    pub results: Vec<PreloadResult>,
    /// Ended so far.
    pub done_count: u64,
    /// In all.
    pub total_count: u64,
    /// Bytes loaded so far.
    pub loaded_bytes: u64,
    /// Whether this is the last message.
    pub finished: bool,
    /// Whether it was cancelled.
    pub cancelled: bool,
}

/// How one item ended.
#[derive(Clone, Debug)]
pub struct PreloadResult {
    /// Its key.
    pub key: Arc<str>,
    /// How.
    pub state: PreloadState,
    /// Time it took.
    pub elapsed: Duration,
    /// Whether its entry is pinned. What is asked to be is not when no more may be pinned.
    pub pinned: bool,
}

/// How one item ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreloadState {
    /// Fetched and stored.
    Loaded,
    /// Fresh already.
    Skipped,
    /// The origin has none; remembered.
    Negative,
    /// Still current; renewed.
    Revalidated,
    /// No usable answer: reason and sentence.
    Failed {
        /// In UPPER_SNAKE_CASE.
        reason: &'static str,
        /// For people.
        message: String,
    },
    /// Fetched but refused by the gate or the budget: why.
    NotStored {
        /// In UPPER_SNAKE_CASE.
        reason: &'static str,
        /// For people.
        message: String,
    },
    /// Cancelled before its turn.
    Cancelled,
}

/// The jobs of a cache: those that run and the last ones that ended.
pub struct Jobs {
    filler: Arc<Filler>,
    origins: Origins,
    limits: Limits,
    /// Oldest first.
    known: Mutex<VecDeque<Arc<Job>>>,
    tasks: Tasks,
}

struct Limits {
    jobs_max: usize,
    items_max: usize,
    parallelism_default: usize,
    parallelism_max: usize,
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs").field("running", &self.tasks.running()).finish_non_exhaustive()
    }
}

impl Jobs {
    /// No jobs yet.
    #[must_use]
    pub fn new(
        config: &EngineConfig,
        clock: Clock,
        observer: Arc<dyn Observer>,
        origins: Origins,
        store: Arc<dyn Store>,
    ) -> Self {
        let seed = config.seed.unwrap_or_else(rand::random);
        let limits = Limits {
            jobs_max: config.preload_jobs_max,
            items_max: config.preload_items_max,
            parallelism_default: config.preload_parallelism_default,
            parallelism_max: config.preload_parallelism_max,
        };
        let filler = Arc::new(Filler { store, observer, clock, seed });
        Self { filler, origins, limits, known: Mutex::default(), tasks: Tasks::new() }
    }

    /// Starts, joins or cancels a job. Needs a tokio runtime.
    ///
    /// # Errors
    /// `JOB_UNKNOWN`, `NO_ORIGIN`, `TOO_MANY_JOBS`; bad names and arguments, naming the field; `DRAINING` after
    /// closing.
    pub fn preload(&self, request: PreloadRequest) -> Result<PreloadStream> {
        let namespace = namespace_name(&request.namespace)?;
        if request.job_id.is_empty() { self.start(&namespace, request) } else { self.join(&namespace, &request) }
    }

    /// Cancels all jobs and starts no more. Their streams end.
    pub fn close(&self) {
        self.tasks.close();
    }

    fn join(&self, namespace: &Arc<str>, request: &PreloadRequest) -> Result<PreloadStream> {
        if !request.items.is_empty() {
            return Err(bad("items", "a request with a job_id joins that job and has no items"));
        }
        if request.pin_for.is_some() {
            return Err(bad("pin_for", "a request with a job_id joins that job and pins nothing else"));
        }
        let known = self.known.lock();
        let found = known.iter().find(|job| *job.id == *request.job_id && job.namespace == *namespace).cloned();
        drop(known);
        let Some(job) = found else {
            let what = "this namespace has no preload job with this id, or no longer remembers it";
            return Err(Error::new(Kind::NotFound, Reason::JobUnknown, what).field("job_id"));
        };
        if request.cancel {
            job.cancel();
        }
        Ok(PreloadStream::new(job, request.cancel_on_disconnect))
    }

    /// Where a REFRESH fetches from.
    ///
    /// # Errors
    /// `NO_ORIGIN`; `BAD_ARGUMENT` for parameters out of their bounds.
    pub(super) fn source(&self, namespace: &str, origin: &str, parameters: &Parameters) -> Result<Source> {
        check_parameters(parameters)?;
        let (origin_name, origin) = self.origin(namespace, origin)?;
        Ok(Source { origin_name, origin, parameters: Arc::new(parameters.clone()) })
    }

    /// Items of one job at most.
    pub(super) fn items_max(&self) -> usize {
        self.limits.items_max
    }

    /// Gives a job that fetches all of these its place; it is known from now on, and begins with [`Jobs::begin`].
    ///
    /// # Errors
    /// `TOO_MANY_JOBS`; `DRAINING` after closing.
    pub(super) fn reserve(&self, namespace: &Arc<str>, items: Vec<Checked>) -> Result<Reserved> {
        self.check_open()?;
        let how = How { force: true, parallelism: self.parallelism(0) };
        let (job, work) = self.enter(&mut self.known.lock(), (namespace, String::new()), items, how)?;
        Ok(Reserved { id: job.id.clone(), work: Box::pin(work) })
    }

    /// Lets a job begin. Needs a tokio runtime.
    pub(super) fn begin(&self, job: Reserved) {
        self.tasks.spawn("preload", job.work);
    }

    fn start(&self, namespace: &Arc<str>, request: PreloadRequest) -> Result<PreloadStream> {
        self.check(&request)?;
        let (force, cancel_with_caller) = (request.force, request.cancel_on_disconnect);
        let how = How { force, parallelism: self.parallelism(request.max_parallelism) };
        let request_id = request.request_id;
        let items = request.items.into_iter().enumerate();
        let pin_for = request.pin_for;
        let checked = |(index, item)| Ok(Checked { pin_for, ..self.checked(namespace, index, item)? });
        let items = items.map(checked).collect::<Result<Vec<_>>>()?;

        let mut known = self.known.lock();
        if let Some(job) = repeated(&known, namespace, &request_id) {
            return Ok(PreloadStream::new(job, cancel_with_caller));
        }
        let (job, work) = self.enter(&mut known, (namespace, request_id), items, how)?;
        drop(known);
        let stream = PreloadStream::new(job, cancel_with_caller);
        self.tasks.spawn("preload", work);
        Ok(stream)
    }

    /// Gives a job its place, and says what is to be done.
    fn enter(
        &self,
        known: &mut VecDeque<Arc<Job>>,
        (namespace, request_id): (&Arc<str>, String),
        items: Vec<Checked>,
        how: How,
    ) -> Result<(Arc<Job>, impl Future<Output = ()> + Send + 'static)> {
        self.make_room(known)?;
        let id = Arc::from(hex::encode(rand::random::<u128>().to_be_bytes()));
        let job = Arc::new(Job::new(id, namespace.clone(), request_id, &items));
        known.push_back(job.clone());
        Ok((job.clone(), run(job, self.filler.clone(), items, how)))
    }

    /// Items at once; zero asks for the default.
    fn parallelism(&self, asked: usize) -> usize {
        let asked = if asked == 0 { self.limits.parallelism_default } else { asked };
        asked.min(self.limits.parallelism_max).max(1)
    }

    fn check_open(&self) -> Result<()> {
        if self.tasks.stop().is_cancelled() {
            let what = "the server is closing: preload on another one";
            return Err(Error::new(Kind::Unavailable, Reason::Draining, what));
        }
        Ok(())
    }

    fn check(&self, request: &PreloadRequest) -> Result<()> {
        self.check_open()?;
        if request.cancel {
            return Err(bad("cancel", "cancel needs the job_id of the job to stop"));
        }
        if request.items.is_empty() || request.items.len() > self.limits.items_max {
            let (most, sent) = (self.limits.items_max, request.items.len());
            return Err(bad("items", format!("a job has 1 to {most} items, this one has {sent}")));
        }
        if request.pin_for.is_some_and(|long| long.is_zero() || long > PIN_FOR_MAX) {
            return Err(bad("pin_for", "an entry is pinned for more than nothing and at most 24 h"));
        }
        if request.request_id.len() > REQUEST_ID_BYTES_MAX {
            return Err(bad("request_id", format!("a request_id has at most {REQUEST_ID_BYTES_MAX} bytes")));
        }
        Ok(())
    }

    fn checked(&self, namespace: &Arc<str>, index: usize, item: PreloadItem) -> Result<Checked> {
        let named = |error: Error| {
            let field = error.field_name().unwrap_or("key").to_owned();
            error.field(format!("items[{index}].{field}"))
        };
        let key = Key::new(namespace, &item.key).map_err(named)?;
        check_parameters(&item.parameters).map_err(named)?;
        for tag in &item.tags {
            Selector::tag(tag).map_err(|error| named(error.field("tags")))?;
        }
        if !item.kind.is_empty() {
            Selector::kind(&item.kind).map_err(named)?;
        }
        let (origin_name, origin) = self.origin(namespace, &item.origin).map_err(named)?;
        let PreloadItem { parameters, expiration, kind, tags, .. } = item;
        let source = Source { origin_name, origin, parameters: Arc::new(parameters) };
        let described = Description { kind, tags, ..Description::default() };
        Ok(Checked { key, source, described, expiration, pin_for: None, tell_failure: false })
    }

    fn origin(&self, namespace: &str, name: &str) -> Result<(Arc<str>, Arc<dyn Origin>)> {
        let configured = self.origins.get(namespace);
        let found = configured.and_then(|origins| match name {
            "" if origins.len() == 1 => origins.iter().next(),
            name => origins.get_key_value(name),
        });
        if let Some((name, origin)) = found {
            return Ok((Arc::from(name.as_str()), origin.clone()));
        }
        let names: Vec<_> = configured.into_iter().flat_map(BTreeMap::keys).map(String::as_str).collect();
        let what = match (names.is_empty(), name) {
            (true, _) => "this namespace has no origin: configure one to preload from".to_owned(),
            (false, "") => format!("this namespace has several origins, name one of: {}", names.join(", ")),
            (false, _) => format!("this namespace has no such origin, it has: {}", names.join(", ")),
        };
        Err(Error::new(Kind::FailedPrecondition, Reason::NoOrigin, what).field("origin"))
    }

    /// Forgets the oldest job that has ended where there is no room for another.
    fn make_room(&self, known: &mut VecDeque<Arc<Job>>) -> Result<()> {
        if known.len() < self.limits.jobs_max {
            return Ok(());
        }
        let Some(oldest) = known.iter().position(|job| job.finished()) else {
            let what =
                format!("all {} preload jobs this server allows are running: wait for one", self.limits.jobs_max);
            let error = Error::new(Kind::ResourceExhausted, Reason::TooManyJobs, what);
            return Err(error.retry_after(Duration::from_secs(5)));
        };
        known.remove(oldest);
        Ok(())
    }
}

/// A job that has its place and did not begin. Dropping it ends the job.
pub(super) struct Reserved {
    /// Names the job.
    pub(super) id: Arc<str>,
    work: BoxFuture<'static, ()>,
}

fn check_parameters(parameters: &Parameters) -> Result<()> {
    let bytes: usize = parameters.iter().map(|(name, value)| name.len() + value.len()).sum();
    if parameters.len() > PARAMETERS_MAX || bytes > PARAMETER_BYTES_MAX {
        let rule = format!("an item has at most {PARAMETERS_MAX} parameters of {PARAMETER_BYTES_MAX} bytes in all");
        return Err(bad("parameters", rule));
    }
    Ok(())
}

fn repeated(known: &VecDeque<Arc<Job>>, namespace: &Arc<str>, request_id: &str) -> Option<Arc<Job>> {
    let same = |job: &&Arc<Job>| job.namespace == *namespace && job.request_id == request_id;
    known.iter().find(same).filter(|_| !request_id.is_empty()).cloned()
}

fn bad(field: &'static str, rule: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::invalid(Reason::BadArgument, field, rule)
}
