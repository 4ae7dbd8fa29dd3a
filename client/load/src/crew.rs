//! Threads that do what a load says: each has a runtime of one thread, its share of the connections and lanes, and does one
//! phase after the other when it is told to. Which phases there are is not decided here.

use std::{
    rc::Rc,
    sync::{Arc, atomic::AtomicU64},
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinSet, LocalSet},
    time::{sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock, cpu,
    failure::Failure,
    lane::{Shift, lane},
    link::{Driver, Link, Share},
    pace::Pace,
    plan::Shape,
    tally::{Generator, Tally},
    task::Tasks,
    work::{Load, Work},
};

/// How long a message may still take when its phase is over, before it counts as never answered.
const GRACE: Duration = Duration::from_secs(10);
/// The same after an interruption.
const GRACE_STOPPED: Duration = Duration::from_secs(1);

/// What is to be done at once by all threads.
#[derive(Clone, Debug)]
pub(crate) struct Phase {
    pub(crate) load: Arc<Load>,
    /// How long; none: until all is done.
    pub(crate) time: Option<Duration>,
    /// Operations a second over all threads; none: closed loop.
    pub(crate) rate: Option<f64>,
    /// Operations of a message.
    pub(crate) batch: usize,
    /// Counts operations as they are done, for whoever shows how far it is.
    pub(crate) done: Arc<AtomicU64>,
    /// Ends it early.
    pub(crate) stop: CancellationToken,
}

/// The threads of one side.
#[derive(Debug)]
pub(crate) struct Crew {
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    orders: mpsc::Sender<Order>,
    thread: JoinHandle<()>,
}

type Order = (Phase, oneshot::Sender<Tally>);

/// What a thread is, beside what it drives.
#[derive(Clone, Copy, Debug)]
struct Place {
    number: usize,
    threads: usize,
    share: Share,
}

impl Crew {
    /// Starts the threads and waits until all are connected.
    pub(crate) async fn gather<D: Driver>(driver: &D, shape: Shape) -> Result<Self, Failure> {
        let mut members = Vec::new();
        let mut connected = Vec::new();
        for place in places(shape) {
            let (orders, inbox) = mpsc::channel(1);
            let (tell, told) = oneshot::channel();
            let driver = driver.clone();
            let thread = std::thread::Builder::new().name(format!("load-{}", place.number));
            let thread = thread.spawn(move || member(&driver, place, tell, inbox));
            let thread = thread.map_err(|error| Failure::usage(format!("cannot start a thread: {error}")))?;
            members.push(Member { orders, thread });
            connected.push(told);
        }
        let crew = Self { members };
        for told in connected {
            told.await.unwrap_or_else(|_gone| Err(ended()))?;
        }
        Ok(crew)
    }

    /// Does one phase and answers what all threads counted.
    pub(crate) async fn run(&self, phase: &Phase) -> Result<Tally, Failure> {
        let mut answers = Vec::new();
        for member in &self.members {
            let (answer, answered) = oneshot::channel();
            member.orders.send((phase.clone(), answer)).await.map_err(|_gone| ended())?;
            answers.push(answered);
        }
        let mut tally = Tally::default();
        for answered in answers {
            tally.add(&answered.await.map_err(|_gone| ended())?);
        }
        Ok(tally)
    }

    /// Closes the connections and ends the threads.
    pub(crate) fn end(self) {
        for Member { orders, thread } in self.members {
            drop(orders);
            // A thread that panicked has said so itself.
            thread.join().unwrap_or_default();
        }
    }
}

fn ended() -> Failure {
    Failure::rejected("a thread of the load ended early")
}

/// Lanes and connections of each thread: as equal as they can be, and no thread without any.
fn places(shape: Shape) -> Vec<Place> {
    let threads = shape.threads.min(shape.in_flight);
    let part = |all: usize, number: usize| all / threads + usize::from(number < all % threads);
    let share = |number| {
        let lanes = part(shape.in_flight, number);
        Share { lanes, connections: part(shape.connections, number).clamp(1, lanes) }
    };
    (0..threads).map(|number| Place { number, threads, share: share(number) }).collect()
}

fn member<D: Driver>(
    driver: &D,
    place: Place,
    tell: oneshot::Sender<Result<(), Failure>>,
    mut inbox: mpsc::Receiver<Order>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            // Nobody who waits for it: nobody who needs it.
            let _told = tell.send(Err(Failure::usage(format!("cannot start: {error}"))));
            return;
        }
    };
    LocalSet::new().block_on(&runtime, async {
        let tasks = Tasks::default();
        let mut links = match driver.open(place.share, &tasks).await {
            Ok(links) => links,
            Err(failure) => {
                let _told = tell.send(Err(failure));
                return;
            }
        };
        let _told = tell.send(Ok(()));
        while let Some((phase, answer)) = inbox.recv().await {
            let (tally, back) = work(phase, links, place).await;
            links = back;
            let _told = answer.send(tally);
        }
    });
}

/// One phase of one thread: what it counted, and the links that came back from it.
async fn work<L: Link>(phase: Phase, links: Vec<L>, place: Place) -> (Tally, Vec<L>) {
    let (begins, before) = (clock::now(), cpu::Thread::now());
    let ends = phase.time.map(|time| begins + time);
    let pace = match phase.rate {
        None => Pace::closed(begins, ends, phase.stop.clone()),
        Some(rate) => {
            let gap = Duration::from_secs_f64(per_message(&phase, place) / rate);
            let first = gap.mul_f64(fraction(place.number, place.threads));
            Pace::open(begins + first, ends, gap, phase.stop.clone())
        }
    };
    let shift = Rc::new(Shift::new(pace, phase.batch, Arc::clone(&phase.done)));
    let mut lanes = JoinSet::new();
    for (number, link) in links.into_iter().enumerate() {
        let work = Work::new(Arc::clone(&phase.load), (number * place.threads + place.number) as u64);
        lanes.spawn_local(lane(link, work, Rc::clone(&shift)));
    }
    let mut back = Vec::with_capacity(lanes.len());
    let count = lanes.len();
    let all = async {
        while let Some(ended) = lanes.join_next().await {
            back.extend(ended.ok());
        }
    };
    let late = async {
        match ends {
            Some(ends) => tokio::select! {
                () = sleep_until(ends + GRACE) => {}
                () = stopped(&phase) => {}
            },
            None => stopped(&phase).await,
        }
    };
    tokio::select! {
        () = all => {}
        () = late => {}
    }
    let unanswered = count - back.len();
    let mut tally = shift.end(begins, unanswered as u64);
    let (busy, held_up) = cpu::Thread::now().shares(before, tally.elapsed);
    tally.generator = Generator { busy, held_up, ahead: shift.ahead() };
    (tally, back)
}

async fn stopped(phase: &Phase) {
    phase.stop.cancelled().await;
    sleep(GRACE_STOPPED).await;
}

#[expect(clippy::cast_precision_loss, reason = "a handful of threads and operations")]
fn per_message(phase: &Phase, place: Place) -> f64 {
    (phase.batch * place.threads) as f64
}

#[expect(clippy::cast_precision_loss, reason = "a handful of threads")]
fn fraction(number: usize, threads: usize) -> f64 {
    number as f64 / threads as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_and_connections_are_shared_out_whole() {
        for (in_flight, connections, threads) in [(64, 4, 1), (64, 4, 3), (2, 8, 4), (7, 1, 2)] {
            let places = places(Shape { in_flight, connections, threads, batch: 1 });
            let lanes: usize = places.iter().map(|place| place.share.lanes).sum();
            assert_eq!(lanes, in_flight);
            assert!(places.iter().all(|place| (1..=place.share.lanes).contains(&place.share.connections)));
        }
    }
}
