//! A thread pool for synchronous programs, with the semantics of Java's `ThreadPoolExecutor`: core
//! and maximum threads, a bounded queue, keep-alive, rejection policies, graceful and immediate
//! shutdown, and a cooperative interrupt that reaches jobs blocked in a wait.
//!
//! ```
//! use workcrew::ThreadPoolExecutor;
//!
//! let pool = ThreadPoolExecutor::fixed(4)?;
//! pool.execute(|| println!("somewhere else, some time"))?;
//! let sum = pool.submit(|| (1..=100).sum::<u64>())?;
//! assert_eq!(sum.join()?, 5050);
//! pool.close(); // every accepted job has run
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A program that ends while jobs are running loses them, without a word. Here the pool has an
//! owner whose drop waits for every accepted job, also when `main` returns early with `?`.
//!
//! # Pool size
//!
//! A new pool has no threads. Below [`core_threads`](Builder::core_threads) each submitted job
//! starts a worker, even if others are idle. From then on jobs are queued, and only when the queue
//! is full are more workers started, up to [`max_threads`](Builder::max_threads), which bounds all
//! threads together. A worker beyond the core that has had nothing to do for the
//! [`keep_alive`](Builder::keep_alive) leaves; with
//! [`allow_core_timeout`](Builder::allow_core_timeout) the others do too. There are no core threads
//! as such, only a number of them. The next job goes to the worker that became idle last, so that
//! under light load the others do reach their keep-alive.
//!
//! This is the JDK's order, [`Growth::QueueFirst`]. With an unbounded queue it never goes beyond the
//! core, and `build` warns in the log. [`Growth::ThreadsFirst`] starts workers up to the maximum
//! while nobody is idle, and queues only then.
//!
//! Sizes, keep-alive and capacity can be changed while the pool runs, for instance by
//! [`set_max_threads`](ThreadPoolExecutor::set_max_threads). A change that would be invalid is
//! refused as a whole.
//!
//! If the operating system refuses a thread, the job stays with the other workers if there are any
//! and the queue has room, and is given back otherwise. Jobs that were queued for a worker that
//! could then not be started are taken care of by the next call to the pool; the log says so.
//!
//! # Queueing
//!
//! [`Queue::Bounded`] (1,024 jobs unless told otherwise), [`Queue::Unbounded`], or
//! [`Queue::Handoff`], in which a job is accepted only if a worker takes it at once. Jobs are
//! started in the order of their submission; a worker that is started because the queue was full
//! takes the oldest job, not the newest. Closures of up to 48 bytes are queued without an
//! allocation; [`submit`](Handle::submit) makes one for closure, state and result together.
//!
//! # Rejection
//!
//! A job that is not accepted is never lost: it comes back in a [`Rejected`], with the
//! [reason](RejectReason), or the pool's [`RejectionPolicy`] disposes of it: [`policy::Abort`] (the
//! default) gives it back, [`policy::CallerRuns`] runs it on the submitter, [`policy::Block`] waits
//! for room, [`policy::Discard`] and [`policy::DiscardOldest`] drop one job, whose handle then says
//! so. After a shutdown all of them give the job back.
//!
//! [`try_execute`](Handle::try_execute) and [`execute_timeout`](Handle::execute_timeout) do not ask
//! the policy.
//!
//! # Results
//!
//! [`submit`](Handle::submit) returns a [`JobHandle`]: [`join`](JobHandle::join) it, with a time
//! limit or without, [`cancel`](JobHandle::cancel) it, or wait for several in `select!` by
//! [`done`](JobHandle::done). Every handle settles: a job that is dropped unrun, wherever that
//! happens, leaves a [`JoinError::Cancelled`]. A worker that joins a pending job of its own pool
//! runs it, so that jobs which wait for jobs do not starve a pool. After `join` has returned, the
//! [statistics](Handle::stats) count the job as ended, and its worker is free for the next one.
//!
//! # Interrupts
//!
//! [`interrupt`] asks a job to stop. A long computation calls [`interrupt::is_interrupted`] now and
//! then; a wait uses [`interrupt::sleep`], [`interrupt::recv`] and the like, which an interrupt
//! ends. Each job has an interrupt of its own, which [`cancel`](JobHandle::cancel) sets, and
//! [`shutdown_now`](Handle::shutdown_now) sets those of all running jobs. Waits of this crate
//! (`join`, `await_termination`, `wait_idle`, `execute_timeout`, `Block`) end by it too.
//!
//! # Panics
//!
//! A panic ends the job, not the worker. It is reported exactly once: to whoever joins, as
//! [`JoinError::Panicked`] with its payload, or, where nobody will, to the log as an error and to
//! the [`on_panic`](Builder::on_panic) hook. Panics of hooks and of destructors are contained and
//! reported likewise. With `panic = "abort"` there is nothing to contain: the process ends.
//!
//! # Shutdown
//!
//! | call | new jobs | pending jobs | running jobs | waits |
//! |---|---|---|---|---|
//! | [`shutdown`](Handle::shutdown) | rejected | run | go on | no |
//! | [`shutdown_now`](Handle::shutdown_now) | rejected | returned | interrupted | no |
//! | [`await_termination`](Handle::await_termination) | – | – | – | until all is over and the threads are joined |
//! | [`close`](ThreadPoolExecutor::close) | rejected | run | go on | until all is over |
//! | [`detach`](ThreadPoolExecutor::detach) | rejected | run | go on | no |
//! | [`take_pending`](ThreadPoolExecutor::take_pending) | accepted | returned | go on | no |
//! | [`wait_idle`](Handle::wait_idle) | accepted | run | go on | until nothing is queued or running |
//!
//! The usual way to stop within a time limit, as the documentation of the JDK's `ExecutorService`
//! has it:
//!
//! ```
//! use std::time::Duration;
//! use workcrew::ThreadPoolExecutor;
//!
//! # let pool = ThreadPoolExecutor::fixed(1)?;
//! # let log = |text: &str| assert!(!text.is_empty());
//! pool.shutdown();
//! if pool.await_termination(Duration::from_secs(10)).is_err() {
//!     let pending = pool.shutdown_now();
//!     log(&format!("{} jobs were not started", pending.len()));
//!     if pool.await_termination(Duration::from_secs(5)).is_err() {
//!         log("some jobs do not heed their interrupt");
//!         pool.detach();
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Drop
//!
//! Dropping the [`ThreadPoolExecutor`] is [`close`](ThreadPoolExecutor::close), unless
//! [`on_drop`](Builder::on_drop) says otherwise. It waits for jobs without a limit, and says so in
//! the log every ten seconds. While the thread is panicking it is `shutdown_now` without a wait: the
//! pending jobs are dropped. On one of the pool's own workers it never waits. Locals are dropped in
//! the reverse order of their declaration, so declare the pool after what its jobs use.
//!
//! # How it works
//!
//! All that decides, who is admitted, who is idle, who leaves, happens under one lock, the front
//! desk's. Submitters push into its inbox; workers pop from an outbox with a lock of its own, and
//! when that runs dry the two buffers are swapped, so that both sides meet once per batch. Whoever
//! is idle waits on a mailbox of its own, into which a job is handed directly. An idle worker means
//! that both buffers are empty, so there is nothing to re-check and no wake-up to lose.

pub use crate::builder::Builder;
pub use crate::error::{AwaitError, BuildError, JoinError, Never};
pub use crate::executor::Executor;
pub use crate::handle::Handle;
pub use crate::hooks::Worker;
pub use crate::job::{Job, Outcome};
pub use crate::job_handle::JobHandle;
pub use crate::lifecycle::OnDrop;
pub use crate::owner::ThreadPoolExecutor;
pub use crate::phase::Phase;
pub use crate::rejection::{RejectReason, Rejected, RejectionPolicy, Saturation, policy};
pub use crate::settings::{Growth, Queue};
pub use crate::stats::PoolStats;
pub use crate::task::{CancelOutcome, JobState};
pub use crate::worker::WorkerThread;

// In reading order, which follows a job.
mod owner; // the pool's public face
mod handle; // the same for everybody but the owner
mod executor; // what all executors have in common
mod builder; // how a pool is configured
mod settings; // what can be set, before and after
mod job; // a closure to run once
mod submit; // a job's way into the pool
mod pool; // what owner, handles and workers share
mod admission; // the rules: what happens to a job, when does a worker leave
mod desk; // everything decided under one lock
mod queue; // the pending jobs
mod stamp; // since when a job waits
mod worker; // a worker's life: take, run, settle, rest, leave
mod job_handle; // waiting for a job's result
mod task; // the cell that a job and its handle share
mod rejection; // what happens to a job that is not taken
mod lifecycle; // how a pool ends, and waiting for it
mod phase; // the phases of its life
mod resize; // changes while it runs
mod threads; // joining the threads
pub mod interrupt; // asking a job to stop
mod hooks; // the user's callbacks
mod stats; // the figures
mod error; // errors, and what a panic says
mod wait; // parking until woken, timed out or interrupted
mod sync; // locks, atomics, threads, time: what the model checker replaces
#[cfg(all(test, workcrew_loom))]
mod model; // the promises, under the model checker
