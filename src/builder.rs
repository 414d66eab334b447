//! Owns the configuration of a pool to be: collected in any order, judged as a whole.

use std::any::Any;
use std::fmt;
use std::io;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

use crate::error::BuildError;
use crate::hooks::{Hooks, Worker, WrapHook};
use crate::job::{Job, Outcome};
use crate::kept::Ending;
use crate::lifecycle::OnDrop;
use crate::logging;
use crate::owner::ThreadPoolExecutor;
use crate::pool::Pool;
use crate::rejection::{RejectionPolicy, policy};
use crate::settings::{CoreTimeout, Growth, Queue, Settings, Tenure};
use crate::sync::thread::JoinHandle;
use crate::uncaught::UncaughtPanic;
use crate::worker::{ThreadMaker, WorkerThread};

/// Configures a [`ThreadPoolExecutor`]. Setters may be called in any order; [`build`](Self::build)
/// judges the whole.
///
/// # Examples
///
/// The pool of a mail service, as one would configure it in Spring:
///
/// ```
/// use std::time::Duration;
/// use workcrew::{Queue, ThreadPoolExecutor, policy::CallerRuns};
///
/// let pool = ThreadPoolExecutor::builder()
///     .name("EmailAsync")
///     .core_threads(16)
///     .max_threads(64)
///     .queue(Queue::Bounded(32))
///     .keep_alive(Duration::from_secs(60))
///     .rejection_policy(CallerRuns)
///     .build()?;
/// # Ok::<(), workcrew::BuildError>(())
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    core: Option<usize>,
    max: Option<usize>,
    queue: Queue,
    keep_alive: Duration,
    core_timeout: CoreTimeout,
    growth: Growth,
    tenure: Tenure,
    policy: Box<dyn RejectionPolicy>,
    on_drop: OnDrop,
    name: Option<String>,
    hooks: Hooks,
    threads: ThreadMaker,
}

/// Numbers the pools that were given no name.
static UNNAMED: AtomicU64 = AtomicU64::new(1);

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// Makes a builder with the default settings: as many threads, core and maximum, as
    /// [`available_parallelism`] says, `Queue::Bounded(1024)`, a keep-alive of 60 seconds,
    /// [`policy::Abort`] and [`OnDrop::Close`].
    pub fn new() -> Self {
        Self {
            core: None,
            max: None,
            queue: Queue::Bounded(1024),
            keep_alive: Duration::from_secs(60),
            core_timeout: CoreTimeout::Never,
            growth: Growth::default(),
            policy: Box::new(policy::Abort),
            on_drop: OnDrop::default(),
            name: None,
            hooks: Hooks::default(),
            tenure: Tenure::Lasting,
            threads: ThreadMaker { stack_size: None, namer: None, factory: None },
        }
    }

    /// Sets how many threads are kept, idle or not. Default: as many as the machine runs at a time,
    /// or `max_threads` if that is less. If only this is set, `max_threads` is the same.
    pub fn core_threads(mut self, threads: usize) -> Self {
        self.core = Some(threads);
        self
    }

    /// Sets how many threads there are at most; at least 1. Default: `core_threads`.
    pub fn max_threads(mut self, threads: usize) -> Self {
        self.max = Some(threads);
        self
    }

    /// Sets both `core_threads` and `max_threads`.
    pub fn threads(self, threads: usize) -> Self {
        self.core_threads(threads).max_threads(threads)
    }

    /// Sets where jobs wait for a worker. Default: `Queue::Bounded(1024)`.
    pub fn queue(mut self, queue: Queue) -> Self {
        self.queue = queue;
        self
    }

    /// Sets how long a worker beyond the core waits for a job before it leaves. Default: 60
    /// seconds. Zero lets it leave as soon as there is no job, [`Duration::MAX`] never.
    pub fn keep_alive(mut self, keep_alive: Duration) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    /// Sets whether core threads leave, too, after the keep-alive, which must not be zero then.
    /// Default: they stay.
    #[expect(clippy::fn_params_excessive_bools, reason = "the JDK's name, and a plain switch")]
    pub fn allow_core_timeout(mut self, allow: bool) -> Self {
        self.core_timeout = CoreTimeout::new(allow);
        self
    }

    /// Sets when workers beyond the core are started. Default: [`Growth::QueueFirst`].
    pub fn growth(mut self, growth: Growth) -> Self {
        self.growth = growth;
        self
    }

    /// Sets what happens to a job that the pool cannot take. Default: [`policy::Abort`].
    pub fn rejection_policy(mut self, policy: impl RejectionPolicy + 'static) -> Self {
        self.policy = Box::new(policy);
        self
    }

    /// Sets what dropping the pool does. Default: [`OnDrop::Close`].
    pub fn on_drop(mut self, on_drop: OnDrop) -> Self {
        self.on_drop = on_drop;
        self
    }

    /// Sets the pool's name, for the log and as the prefix of its threads' names: those of a pool
    /// called `mail` are `mail-1`, `mail-2` and so on. Linux shows the first 15 bytes. Default:
    /// `workcrew-1` and so on.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets how the threads are named, by the worker's number, from 1. NUL characters are left out.
    pub fn thread_name_fn(mut self, f: impl Fn(usize) -> String + Send + Sync + 'static) -> Self {
        self.threads.namer = Some(Box::new(f));
        self
    }

    /// Sets the threads' stack size, in bytes. Default: that of [`std::thread::Builder`].
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.threads.stack_size = Some(bytes);
        self
    }

    /// Sets how threads are started. The factory is called on the submitter's thread, without a
    /// lock, and must run the [`WorkerThread`] on a new thread and return that thread's handle.
    /// An error, a panic, or a worker dropped unrun counts as a thread that could not be started:
    /// the job goes to the other workers, or back to its submitter.
    ///
    /// # Examples
    ///
    /// ```
    /// use workcrew::ThreadPoolExecutor;
    ///
    /// let pool = ThreadPoolExecutor::builder()
    ///     .thread_factory(|worker| worker.builder().spawn(move || worker.run()))
    ///     .build()?;
    /// # Ok::<(), workcrew::BuildError>(())
    /// ```
    pub fn thread_factory(
        mut self,
        factory: impl Fn(WorkerThread) -> io::Result<JoinHandle<()>> + Send + Sync + 'static,
    ) -> Self {
        self.threads.factory = Some(Box::new(factory));
        self
    }

    /// Sets a hook that each worker runs on its thread before its first job.
    pub fn on_thread_start(mut self, f: impl Fn(&Worker) + Send + Sync + 'static) -> Self {
        self.hooks.on_thread_start = Some(Box::new(f));
        self
    }

    /// Sets a hook that each worker runs on its thread after its last job.
    pub fn on_thread_stop(mut self, f: impl Fn(&Worker) + Send + Sync + 'static) -> Self {
        self.hooks.on_thread_stop = Some(Box::new(f));
        self
    }

    /// Sets a hook that runs before each job, on its thread. If it panics the job is not run, and
    /// ends with that panic as if it were its own.
    pub fn before_job(mut self, f: impl Fn(&Worker) + Send + Sync + 'static) -> Self {
        self.hooks.before_job = Some(Box::new(f));
        self
    }

    /// Sets a hook that runs after each job that was run, on its thread, exactly once. Its own
    /// panic is reported and changes nothing.
    pub fn after_job(mut self, f: impl Fn(&Worker, Outcome) + Send + Sync + 'static) -> Self {
        self.hooks.after_job = Some(Box::new(f));
        self
    }

    /// Sets a hook for panics that no handle receives: of a job without a handle, or whose handle
    /// was dropped, of another hook, or of a dropped job's destructor. They are logged as errors in
    /// any case. The hook gets the payload.
    pub fn on_panic(mut self, f: impl Fn(&(dyn Any + Send)) + Send + Sync + 'static) -> Self {
        self.hooks.on_panic = Some(Box::new(f));
        self
    }

    /// Sets a hook for the panics of [`on_panic`](Self::on_panic) that is told all that is known: which
    /// job of which name, where it was submitted, on which thread, with what message. If both are
    /// set both are called.
    ///
    /// # Examples
    ///
    /// ```
    /// use workcrew::ThreadPoolExecutor;
    ///
    /// let pool = ThreadPoolExecutor::builder()
    ///     .on_uncaught(|panic| eprintln!("{} in {}", panic, panic.pool_name()))
    ///     .build()?;
    /// pool.execute_named("mail 7", || panic!("no such mailbox"))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_uncaught(mut self, f: impl Fn(&UncaughtPanic<'_>) + Send + Sync + 'static) -> Self {
        self.hooks.on_uncaught = Some(Box::new(f));
        self
    }

    /// Sets what each job goes through on its submitter's thread, when it is submitted and before the
    /// pool decides about it, without a lock: what Spring calls a task decorator. With [`Job::wrap`]
    /// it gives the job what belongs to the submitter. Should it panic, that unwinds into the
    /// submitter; the job is dropped and not counted.
    ///
    /// A job that is given back, by a rejection or a shutdown, stays wrapped: submitted again to the
    /// same pool, it does not go through this a second time, and neither does another job that was
    /// returned in its place. One that was returned as it came does. Another pool wraps the job too,
    /// outside of what is around it already.
    ///
    /// # Examples
    ///
    /// Each job sees the request of its submitter:
    ///
    /// ```
    /// use std::cell::RefCell;
    /// use workcrew::ThreadPoolExecutor;
    ///
    /// thread_local!(static REQUEST: RefCell<String> = RefCell::default());
    ///
    /// let pool = ThreadPoolExecutor::builder()
    ///     .threads(1)
    ///     .wrap_job(|job| {
    ///         let request = REQUEST.with_borrow(Clone::clone);
    ///         job.wrap(move |run| {
    ///             let before = REQUEST.replace(request);
    ///             run();
    ///             REQUEST.set(before);
    ///         })
    ///     })
    ///     .build()?;
    ///
    /// REQUEST.set("GET /orders".into());
    /// let seen = pool.submit(|| REQUEST.with_borrow(Clone::clone))?;
    /// assert_eq!(seen.join()?, "GET /orders");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wrap_job(mut self, f: impl Fn(Job) -> Job + Send + Sync + 'static) -> Self {
        self.hooks.wrap_job = Some(WrapHook::new(f));
        self
    }

    /// Adds a hook that runs exactly once, when the last job and the last worker have ended and
    /// before anybody is told: on the last worker's thread, or on that of the call that ended the
    /// pool. Those added last run first; so do those that
    /// [`Handle::on_terminated`](crate::Handle::on_terminated) adds later.
    pub fn on_terminated(mut self, f: impl FnOnce() + Send + 'static) -> Self {
        // It takes all: no pool that has ended can be built.
        self.hooks.endings.get_mut().add(Ending::Hook(Box::new(f))).ok();
        self
    }

    /// Sets how long a worker is one.
    pub(crate) fn tenure(mut self, tenure: Tenure) -> Self {
        self.tenure = tenure;
        self
    }

    /// Builds the pool. No thread is started before the first job.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] that names the setting at fault, its value, and what would be allowed.
    pub fn build(self) -> Result<ThreadPoolExecutor, BuildError> {
        // Asked only where it matters: the answer costs as much as starting a thread.
        let machine = || available_parallelism().map_or(1, NonZero::get);
        let core = self.core.unwrap_or_else(|| machine().min(self.max.unwrap_or(usize::MAX)));
        let settings = Settings {
            core,
            // A pool of no core threads still needs one to run its jobs.
            max: self.max.unwrap_or(core.max(1)),
            capacity: self.queue.capacity(),
            keep_alive: self.keep_alive,
            core_timeout: self.core_timeout,
            growth: self.growth,
            tenure: self.tenure,
        };
        settings.validate()?;
        let name = self.name.unwrap_or_else(|| {
            // ORDERING: only the numbers differ; nothing else depends on their order.
            format!("workcrew-{}", UNNAMED.fetch_add(1, Ordering::Relaxed))
        });
        if name.contains('\0') {
            return Err(BuildError::NameHasNul { name });
        }
        if settings.capacity.is_none()
            && settings.core < settings.max
            && settings.growth == Growth::QueueFirst
        {
            logging::write!(
                Warn,
                "pool {name}: an unbounded queue is never full, so max_threads ({}) is never \
                 reached; set core_threads, a bounded queue or Growth::ThreadsFirst",
                settings.max
            );
        }
        let pool = Pool::new(name.into(), settings, self.policy, self.hooks, self.threads);
        Ok(ThreadPoolExecutor::new(pool, self.on_drop))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("core_threads", &self.core)
            .field("max_threads", &self.max)
            .field("queue", &self.queue)
            .field("keep_alive", &self.keep_alive)
            .field("core_timeout", &self.core_timeout)
            .field("growth", &self.growth)
            .field("on_drop", &self.on_drop)
            .finish_non_exhaustive()
    }
}
