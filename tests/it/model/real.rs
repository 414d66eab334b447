//! The real pool, driven call by call: all its jobs are gated, and all that happens is written down.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use workcrew::policy::{Abort, Block, CallerRuns, Discard, DiscardOldest};
use workcrew::{
    Handle, Job, JobHandle, JobState, JoinError, RejectReason, Rejected, ThreadPoolExecutor,
    interrupt,
};

use super::calls::{Call, Ending, Factory, Policy, Setup, Wait, Way};
use super::paper::{Answer, Figures, Step, Target, Told};
use crate::support::LONG;

/// How long something may take that happens by itself; short once something has failed, as the
/// search for a smaller case fails again and again.
fn patience() -> Duration {
    if HAS_FAILED.load(Ordering::SeqCst) { Duration::from_millis(500) } else { LONG }
}

/// A limit that no case reaches.
const AGES: Duration = Duration::from_secs(24 * 3600);

/// The pool and the model have differed.
static HAS_FAILED: AtomicBool = AtomicBool::new(false);

/// What has happened since the last call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Events {
    /// The worker of each job that was started; none for a caller.
    pub(super) starts: BTreeMap<usize, Option<usize>>,
    ends: BTreeMap<usize, bool>,
    /// What jobs that waited for others were told.
    told: BTreeMap<usize, Told>,
    /// And on which thread.
    drops: Vec<(usize, ThreadId)>,
    returns: BTreeMap<usize, Result<(), RejectReason>>,
    fresh: BTreeSet<usize>,
    pub(super) stops: BTreeSet<usize>,
    terminations: usize,
}

type Log = Arc<Mutex<Events>>;
type Submission = Box<dyn FnOnce(&Handle) -> Result<(), Rejected> + Send>;
type Handles = Arc<Mutex<BTreeMap<usize, JobHandle<usize>>>>;

/// The worker whose thread this is, by its name.
fn this_worker() -> Option<usize> {
    thread::current().name()?.strip_prefix("model-")?.parse().ok()
}

/// What a job does that stands at its gate.
enum Order {
    End(Ending),
    /// It waits for another job, and is back at its gate.
    Await(JobHandle<usize>, Wait),
}

/// A job's captures.
struct Ticket {
    job: usize,
    log: Log,
    gate: Receiver<Order>,
    has_run: bool,
}

/// What the wait for a job comes to.
fn told(handle: JobHandle<usize>, wait: Wait) -> Told {
    let result = match wait {
        Wait::Join => Ok(handle.join()),
        Wait::Timed => handle.join_timeout(AGES),
    };
    match result {
        Ok(Ok(job)) => Told::Value(job),
        Ok(Err(JoinError::Panicked(_))) => Told::Panicked,
        Ok(Err(JoinError::Cancelled(_))) => Told::Cancelled,
        Ok(Err(JoinError::Deadlock)) => Told::Deadlock,
        Ok(Err(JoinError::Interrupted | _)) | Err(_) => Told::Interrupted,
    }
}

impl Ticket {
    fn run(mut self) -> usize {
        self.has_run = true;
        let before = self.log.lock().starts.insert(self.job, this_worker());
        assert_eq!(before, None, "a job is run twice");
        let ending = loop {
            match self.gate.recv() {
                Ok(Order::Await(handle, wait)) => {
                    let told = told(handle, wait);
                    self.log.lock().told.insert(self.job, told);
                }
                Ok(Order::End(ending)) => break ending,
                Err(_) => break Ending::Returns,
            }
        };
        self.log.lock().ends.insert(self.job, interrupt::is_interrupted());
        match ending {
            Ending::Returns => self.job,
            // Without the panic hook's text.
            Ending::Panics => resume_unwind(Box::new(self.job)),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.has_run {
            self.log.lock().drops.push((self.job, thread::current().id()));
        }
    }
}

pub(super) struct Real {
    /// None once it is being dropped.
    pool: Option<ThreadPoolExecutor>,
    log: Log,
    factory_fails: Arc<AtomicBool>,
    gates: BTreeMap<usize, Sender<Order>>,
    handles: Handles,
    submitters: Vec<JoinHandle<()>>,
}

fn build(setup: Setup, log: &Log, factory_fails: &Arc<AtomicBool>) -> ThreadPoolExecutor {
    let (started, stopped, ended) = (Arc::clone(log), Arc::clone(log), Arc::clone(log));
    let fails = Arc::clone(factory_fails);
    let builder = ThreadPoolExecutor::builder()
        .name("model")
        .core_threads(setup.core)
        .max_threads(setup.max)
        .queue(setup.queue)
        .growth(setup.growth)
        .keep_alive(setup.keep_alive.duration())
        .thread_factory(move |worker| {
            if fails.load(Ordering::SeqCst) {
                return Err(io::Error::other("no threads today"));
            }
            worker.builder().spawn(move || worker.run())
        })
        .on_thread_start(move |worker| {
            started.lock().fresh.insert(worker.index());
        })
        .on_thread_stop(move |worker| {
            stopped.lock().stops.insert(worker.index());
        })
        .on_terminated(move || ended.lock().terminations += 1);
    let builder = match setup.policy {
        Policy::Abort => builder.rejection_policy(Abort),
        Policy::CallerRuns => builder.rejection_policy(CallerRuns),
        Policy::Discard => builder.rejection_policy(Discard),
        Policy::DiscardOldest => builder.rejection_policy(DiscardOldest),
        Policy::BlockZero => builder.rejection_policy(Block { timeout: Duration::ZERO }),
        Policy::Block => builder.rejection_policy(Block { timeout: Duration::MAX }),
    };
    builder.build().expect("settings that go together")
}

impl Real {
    pub(super) fn new(setup: Setup) -> Self {
        let (log, factory_fails) = (Log::default(), Arc::default());
        Self {
            pool: Some(build(setup, &log, &factory_fails)),
            log,
            factory_fails,
            gates: BTreeMap::new(),
            handles: Handles::default(),
            submitters: Vec::new(),
        }
    }

    /// Submits from a thread of its own: the call may wait, or run the job.
    fn submit(&mut self, job: usize, way: Way) {
        let (sender, gate) = bounded(1);
        self.gates.insert(job, sender);
        let log = Arc::clone(&self.log);
        let ticket = Ticket { job, log: Arc::clone(&log), gate, has_run: false };
        let handles = Arc::clone(&self.handles);
        let submission: Submission = match way {
            Way::Execute => Box::new(|pool| pool.execute(|| _ = ticket.run())),
            Way::TryExecute => Box::new(|pool| pool.try_execute(|| _ = ticket.run())),
            Way::Timeout => {
                Box::new(|pool| pool.execute_timeout(|| _ = ticket.run(), Duration::ZERO))
            }
            Way::Patient => {
                Box::new(|pool| pool.execute_timeout(|| _ = ticket.run(), Duration::MAX))
            }
            Way::Submit => Box::new(move |pool| {
                let handle = pool.submit(|| ticket.run())?;
                handles.lock().insert(job, handle);
                Ok(())
            }),
            Way::ExecuteJob => {
                let (made, handle) = Job::with_handle(|| ticket.run());
                handles.lock().insert(job, handle);
                Box::new(|pool| pool.execute_job(made))
            }
        };
        let pool = self.handle();
        self.submitters.push(thread::spawn(move || {
            let result = submission(&pool).map_err(|rejected| {
                let reason = rejected.reason();
                drop(rejected.into_job());
                reason
            });
            log.lock().returns.insert(job, result);
        }));
    }

    fn pool(&self) -> &ThreadPoolExecutor {
        self.pool.as_ref().expect("the pool is there until the end")
    }

    fn handle(&self) -> Handle {
        self.pool().handle()
    }

    /// How many workers are parked, which no figure says, but the pool's `Debug`.
    fn parked(&self) -> String {
        let text = format!("{:?}", self.pool());
        let after = text.split("parked: ").nth(1).unwrap_or_default();
        after.chars().take_while(char::is_ascii_digit).collect()
    }

    fn order(&self, job: usize, order: Order) {
        self.gates[&job].send(order).expect("the job waits at its gate");
    }

    /// Drops jobs that came back; tells which they were.
    fn dispose(&self, jobs: Vec<Job>) -> Answer {
        drop(jobs);
        let this = thread::current().id();
        let log = self.log.lock();
        Answer::Jobs(log.drops.iter().filter(|(_, by)| *by == this).map(|(job, _)| *job).collect())
    }

    /// Makes the call, the `number`-th of all; `target` says which jobs it is about.
    pub(super) fn make(&mut self, number: usize, call: Call, target: Target) -> Answer {
        let pool = self.pool();
        let other = target.other;
        let target = target.job.unwrap_or(number);
        match call {
            Call::Submit(way) => {
                self.submit(number, way);
                Answer::Nothing
            }
            Call::End(_, ending) => {
                self.order(target, Order::End(ending));
                Answer::Nothing
            }
            Call::Await(_, _, wait) => {
                let other = other.expect("there is a job to wait for");
                let handle = self.handles.lock().remove(&other).expect("somebody has its handle");
                self.order(target, Order::Await(handle, wait));
                Answer::Nothing
            }
            Call::Cancel(_) => Answer::Cancelled(self.handles.lock()[&target].cancel()),
            Call::SetCore(core) => Answer::Changed(pool.set_core_threads(core)),
            Call::SetMax(max) => Answer::Changed(pool.set_max_threads(max)),
            Call::SetThreads(core, max) => Answer::Changed(pool.set_threads(core, max)),
            Call::SetKeepAlive(time) => Answer::Changed(pool.set_keep_alive(time.duration())),
            Call::SetCapacity(capacity) => Answer::Changed(pool.set_queue_capacity(capacity)),
            Call::AllowCoreTimeout(allow) => Answer::Changed(pool.allow_core_timeout(allow)),
            Call::Prestart => {
                Answer::Started(pool.prestart_core_thread().map(usize::from).map_err(drop))
            }
            Call::PrestartAll => Answer::Started(pool.prestart_all_core_threads().map_err(drop)),
            Call::TakePending => self.dispose(pool.take_pending()),
            Call::Threads(factory) => {
                self.factory_fails.store(factory == Factory::Fails, Ordering::SeqCst);
                Answer::Nothing
            }
            Call::WaitIdle => Answer::Waited(pool.wait_idle(Duration::ZERO)),
            Call::AwaitTermination => {
                let time = if pool.is_terminated() { LONG } else { Duration::ZERO };
                Answer::Waited(pool.await_termination(time))
            }
            Call::Shutdown => {
                pool.shutdown();
                Answer::Nothing
            }
            Call::ShutdownNow => self.dispose(pool.shutdown_now()),
        }
    }

    /// Waits until the pool is as it should be; returns what has happened, or what is not so.
    pub(super) fn settle(
        &self,
        figures: &Figures,
        states: &BTreeMap<usize, JobState>,
        step: &Step,
    ) -> Result<Events, String> {
        let deadline = Instant::now() + patience();
        let mut looks = 0;
        loop {
            let differences = self.compare(figures, states, step);
            if differences.is_empty() {
                return Ok(std::mem::take(&mut *self.log.lock()));
            }
            if Instant::now() > deadline {
                HAS_FAILED.store(true, Ordering::SeqCst);
                return Err(differences.join("\n"));
            }
            looks += 1;
            if looks < 20 {
                thread::yield_now();
            } else {
                #[expect(clippy::disallowed_methods, reason = "the poll that waits for rest")]
                thread::sleep(Duration::from_micros(50));
            }
        }
    }

    fn compare(
        &self,
        figures: &Figures,
        states: &BTreeMap<usize, JobState>,
        step: &Step,
    ) -> Vec<String> {
        let mut differences = Vec::new();
        let mut note = |what: &str, model: String, pool: String| {
            if model != pool {
                differences.push(format!("{what}:\n  model {model}\n  pool  {pool}"));
            }
        };
        let seen = Figures::of(&self.pool().stats());
        note("stats", format!("{figures:?}"), format!("{seen:?}"));
        let handles = self.handles.lock();
        let seen: BTreeMap<_, _> = handles.iter().map(|(job, h)| (*job, h.state())).collect();
        drop(handles);
        note("handles", format!("{states:?}"), format!("{seen:?}"));
        let seen = self.log.lock().clone();
        let started: Vec<_> = seen.starts.keys().collect();
        let starts: Vec<_> = step.starts.keys().collect();
        note("jobs started", format!("{starts:?}"), format!("{started:?}"));
        note("jobs ended, interrupted", format!("{:?}", step.ends), format!("{:?}", seen.ends));
        note("workers parked", step.parked.to_string(), self.parked());
        note("waits over", format!("{:?}", step.told), format!("{:?}", seen.told));
        let mut drops: Vec<_> = seen.drops.iter().map(|(job, _)| *job).collect();
        drops.sort_unstable();
        let dropped: Vec<_> = step.drops.iter().copied().collect();
        note("jobs dropped", format!("{dropped:?}"), format!("{drops:?}"));
        note("submissions", format!("{:?}", step.returns), format!("{:?}", seen.returns));
        note("workers started", format!("{:?}", step.fresh), format!("{:?}", seen.fresh));
        note("workers gone", step.leaves().to_string(), seen.stops.len().to_string());
        let terminations = usize::from(step.terminates);
        note("terminations", terminations.to_string(), seen.terminations.to_string());
        differences
    }

    /// Waits for the threads, and joins every handle that is left.
    pub(super) fn end(mut self, states: &BTreeMap<usize, JobState>) -> Result<(), String> {
        self.pool().await_termination(LONG).map_err(|error| error.to_string())?;
        for submitter in std::mem::take(&mut self.submitters) {
            submitter.join().map_err(|_| "a submitter panicked")?;
        }
        for (job, handle) in std::mem::take(&mut *self.handles.lock()) {
            let result = handle.join();
            let told = format!("{result:?}");
            let fits = match result {
                Ok(value) => states[&job] == JobState::Finished && value == job,
                Err(JoinError::Cancelled(_)) => states[&job] == JobState::Cancelled,
                Err(JoinError::Panicked(payload)) => {
                    states[&job] == JobState::Panicked && payload.into_inner().is::<usize>()
                }
                Err(_) => false,
            };
            if !fits {
                return Err(format!("job {job}, {:?}, joined as {told}", states[&job]));
            }
        }
        let left = std::mem::take(&mut *self.log.lock());
        if left == Events::default() { Ok(()) } else { Err(format!("too late: {left:?}")) }
    }
}

impl Drop for Real {
    /// Lets everything end, also where the pool is not as it should be.
    fn drop(&mut self) {
        self.gates.clear();
        self.factory_fails.store(false, Ordering::SeqCst);
        if let Some(pool) = self.pool.take() {
            drop(pool.shutdown_now());
            pool.detach();
        }
    }
}
