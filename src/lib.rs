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
//! # Stop without losing a job
//!
//! A program that ends while jobs are running loses them, without a word. Here the pool has an
//! owner whose drop waits for every accepted job, also when `main` returns early with `?`. To stop
//! within a time limit, and to know what was left, takes one call:
//!
//! ```
//! use std::{process::ExitCode, time::Duration};
//! use workcrew::{ShutdownPlan, ThreadPoolExecutor};
//!
//! fn main() -> ExitCode {
//!     let pool = ThreadPoolExecutor::fixed(4).expect("a pool of 4 threads");
//!     for order in 1..=20 {
//!         let job = move || println!("order {order} is saved");
//!         pool.execute_named(format!("order {order}"), job).expect("the pool is open");
//!     }
//!
//!     // The program is to end: refuse new jobs, let the accepted ones go on for 20 seconds, then
//!     // interrupt what still runs, and give that 5 seconds more.
//!     let plan = ShutdownPlan::new()
//!         .grace(Duration::from_secs(20))
//!         .interrupt_wait(Duration::from_secs(5));
//!     let mut report = pool.shutdown_with(&plan);
//!
//!     eprintln!("{report}"); // names each job that did not stop, with its place and its thread
//!     for job in report.take_pending() {
//!         eprintln!("not done, to be kept for the next start: {:?}", job.name());
//!     }
//!     report.exit_code() // 0: clean, 1: interrupted, 2: some job did not stop
//! }
//! ```
//!
//! See [`ShutdownPlan`] for a second signal that hurries it, [`ShutdownGroup`] for several pools, and
//! [`keep_until_terminated`](Handle::keep_until_terminated) for what jobs use and must not lose.
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
//! takes the oldest job, not the newest. Closures of up to 48 bytes (24 where pointers have 32 bits)
//! are queued without an allocation, and one of a word takes three words of memory;
//! [`submit`](Handle::submit) makes one allocation for closure, state and result together.
//!
//! # Rejection
//!
//! A job that is not accepted is never lost: it comes back in a [`Rejected`], from
//! [`submit`](Handle::submit) with its handle in a [`RejectedSubmit`], with the
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
//! limit or without, [`cancel`](JobHandle::cancel) it, wait for several in `select!` by
//! [`done`](JobHandle::done), or `.await` it on any runtime. Every handle settles: a job that is dropped unrun, wherever that
//! happens, leaves a [`JoinError::Cancelled`] with the [reason](CancelReason). After `join` has
//! returned, the [statistics](Handle::stats) count the job as ended, and its worker is free for the
//! next one. [`wait_started`](JobHandle::wait_started) waits until a job runs.
//!
//! # Waiting inside jobs
//!
//! A job may wait for other jobs of its own pool, in every call that waits, and so may a caller that
//! runs a job under [`policy::CallerRuns`]. Such waits cannot starve the pool, however deep they nest:
//!
//! - [`join`](JobHandle::join), [`invoke_all`](Handle::invoke_all), [`scope`](Handle::scope) and
//!   [`map`](Handle::map), without a time limit, run a pending job that they wait for on the waiting
//!   thread, unless a worker is about to take it or a quarter of the thread's stack is in use. What
//!   that thread holds it holds meanwhile: a lock, or a `thread_local` that is borrowed, which the
//!   other job must not need.
//! - Otherwise the waiting thread is *parked*: it does not count against the size of the pool, and a
//!   *spare* worker may be started in its place, which leaves when the waiting job goes on. There are
//!   at most 256 spares. In a pool of one thread a job that began while another was parked may
//!   overlap it until either ends.
//!
//! A wait with a time limit never runs a job, so that the limit holds. Where more than 256 jobs wait
//! like this for jobs that are queued behind others of their kind, they wait until their time is over:
//! use waits without a limit for those. Jobs that wait for a moment, look, and wait again are stood in
//! for once no pending job has begun for a millisecond. An `.await` that blocks the thread of a job
//! is none of these waits: the pool does not know of it. A job that waits for itself
//! gets [`JoinError::Deadlock`] at once. Jobs of several pools that wait for each other in a circle
//! never end; a wait of a job that has taken ten seconds is logged as a warning, once, with the names
//! of both jobs.
//!
//! # Several jobs
//!
//! [`invoke_all`](Handle::invoke_all) runs jobs and returns their results in order,
//! [`invoke_any`](Handle::invoke_any) the first success; a [`JoinSet`] gives results out as they
//! come. [`scope`](Handle::scope) runs jobs that borrow from the caller's stack, and returns when
//! they have ended. Jobs of the pool may call all of these.
//!
//! | | rejected | panics | cancelled, discarded, handed back | the caller is interrupted |
//! |---|---|---|---|---|
//! | `invoke_all` | an error with the job; the others are cancelled | in its place of the results | in its place | an error; all are cancelled |
//! | `invoke_any` | the same | a failure; the last one is told if all fail | a failure | the same |
//! | [`JoinSet`] | the job comes back; the set is as before | arrives | arrives | the wait ends; the set is as before |
//! | [`scope`](Handle::scope) | the job comes back | goes on when all have ended | a [`ScopeError`], unless its handle was told | the jobs are interrupted too |
//!
//! # Many items
//!
//! [`map`](Handle::map) calls a function on each item of an iterator, on the pool, and is itself an
//! iterator over the results, in the order of the items. It takes items only as results are asked
//! for, never more than its [look-ahead](Map::look_ahead), and can put several small ones into a job
//! by [`chunks`](Map::chunks). A panic is the result of its item alone; dropping the [`Map`] cancels
//! what is on its way. For data-parallel work on slices rayon is better: it splits the work where
//! processors come free, which a pool with a queue does not.
//!
//! ```
//! use workcrew::ThreadPoolExecutor;
//!
//! let pool = ThreadPoolExecutor::fixed(4)?;
//! let lines = ["to be", "or not to be"];
//! let words = pool.map(lines, |line| line.split(' ').count());
//! assert_eq!(words.collect::<Result<Vec<_>, _>>()?, [2, 4]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Interrupts
//!
//! [`interrupt`] asks a job to stop. A long computation calls [`interrupt::is_interrupted`] now and
//! then; a wait uses [`interrupt::sleep`], [`interrupt::recv`] and the like, which an interrupt
//! ends. Each job has an interrupt of its own, which [`cancel`](JobHandle::cancel) sets, and
//! [`shutdown_now`](Handle::shutdown_now) sets those of all running jobs. Waits of this crate
//! (`join`, `await_termination`, `wait_idle`, `execute_timeout`, `Block`) end by it too. A job that
//! runs on the thread of another job, which waits for it or has submitted it under
//! [`policy::CallerRuns`], is interrupted together with that one.
//!
//! What else a job waits for is woken by a callback,
//! [`on_interrupt`](interrupt::Interrupt::on_interrupt). A request that concerns many jobs, such as
//! `shutdown_now` or [`JoinSet::cancel_all`], first tells all of them, and calls back then. Where a
//! pool is stopped the callbacks run on helper threads: one that blocks delays neither another job's
//! nor a [`ShutdownPlan`] beyond its times.
//!
//! # Panics
//!
//! A panic ends the job, not the worker. It is reported exactly once: to whoever joins, as
//! [`JoinError::Panicked`] with its [payload](PanicPayload), or, where nobody will, to the log as an
//! error and to the hooks [`on_panic`](Builder::on_panic) and
//! [`on_uncaught`](Builder::on_uncaught). Panics of hooks, of destructors and of jobs that a
//! rejection policy runs are contained and reported likewise; one of a policy itself reaches the
//! submitter. With `panic = "abort"` there is nothing to contain: the process ends.
//!
//! # Logging
//!
//! Lines go to the logger of the [`log`] crate: panics that nobody receives and refused threads as
//! errors, what a close waits for and what is dropped unrun as warnings, changes of phase as debug,
//! and what a single worker or submission does as trace. Lines that refused threads or a full queue
//! could repeat without an end are written at once, then at most once a second, with the number of
//! those that were left out.
//!
//! A logger may panic, which ends with the line, and it may call the pool: what this crate would log
//! on the same thread meanwhile is dropped, and a wait for the pool's end can be refused with
//! [`AwaitError::FromWorker`], as it is to a job.
//!
//! # Shutdown
//!
//! | call | new jobs | pending jobs | running jobs | waits |
//! |---|---|---|---|---|
//! | [`shutdown`](Handle::shutdown) | rejected | run | go on | no |
//! | [`shutdown_now`](Handle::shutdown_now) | rejected | returned | interrupted | no; for callbacks 0.1 seconds at most |
//! | [`await_termination`](Handle::await_termination) | – | – | – | until all is over and the threads are joined |
//! | [`close`](ThreadPoolExecutor::close) | rejected | run | go on | until all is over |
//! | [`shutdown_with`](Handle::shutdown_with) | rejected | run, or returned after the grace | go on, or interrupted after the grace | for the plan's times |
//! | [`detach`](ThreadPoolExecutor::detach) | rejected | run | go on | no |
//! | [`take_pending`](ThreadPoolExecutor::take_pending) | accepted | returned | go on | no |
//! | [`wait_idle`](Handle::wait_idle) | accepted | run | go on | until nothing is queued or running |
//!
//! [`shutdown_with`](Handle::shutdown_with) makes of these what the documentation of the JDK's
//! `ExecutorService` recommends, by a [`ShutdownPlan`], and returns a [`ShutdownReport`].
//!
//! # Drop
//!
//! Dropping the [`ThreadPoolExecutor`] is [`close`](ThreadPoolExecutor::close), unless
//! [`on_drop`](Builder::on_drop) says otherwise. It waits for jobs without a limit, and every ten
//! seconds the log names those that it waits for; with [`OnDrop::Plan`] it waits as long as the plan
//! says. After a report that the pool has not ended it does not wait again. If a panic drops it, that
//! is `shutdown_now` without a wait: the pending jobs are dropped. Only a panic that began in the
//! pool's life counts, not the one in whose unwinding a destructor makes a pool and drops it; and
//! [`close`](ThreadPoolExecutor::close) and [`detach`](ThreadPoolExecutor::detach), called by name, do
//! what they say in any case. On one of the pool's own workers a drop never waits. Locals are dropped in
//! the reverse order of their declaration, so declare the pool after what its jobs use, or let the
//! pool keep that: [`keep_until_terminated`](Handle::keep_until_terminated).
//!
//! # Other executors
//!
//! All that runs jobs is an [`Executor`], so a library can take a `&dyn Executor` and leave the choice
//! to its caller. Each keeps the promises above that concern jobs and their handles.
//!
//! | executor | runs a job |
//! |---|---|
//! | [`ThreadPoolExecutor`], [`Handle`] | on a worker of the pool |
//! | [`ThreadPerJob`] | on a new thread with a name; at most so many at a time, if there is a limit |
//! | [`DirectExecutor`] | on the submitter, before `execute` returns |
//! | [`ManualExecutor`] | on whoever tells it to run the next one: for tests |
//!
//! # How it works
//!
//! All that decides, who is admitted, who is idle, who leaves, happens under one lock, the front
//! desk's. Submitters push into its inbox; workers pop from an outbox with a lock of its own, and
//! when that runs dry the two buffers are swapped, so that both sides meet once per batch. Whoever
//! is idle waits on a mailbox of its own, into which a job is handed directly. An idle worker means
//! that both buffers are empty, so there is nothing to re-check and no wake-up to lose.

pub use crate::builder::Builder;
pub use crate::direct::DirectExecutor;
pub use crate::error::{
    AwaitError, BuildError, CancelReason, JoinError, Never, PanicPayload, StartError,
};
pub use crate::executor::{Executor, ExecutorExt};
pub use crate::handle::Handle;
pub use crate::hooks::Worker;
pub use crate::invoke::{InvokeAllError, InvokeAnyError};
pub use crate::job::{Awaited, Job, Outcome};
pub use crate::job_handle::{JobFuture, JobHandle};
pub use crate::join_set::JoinSet;
pub use crate::kept::Kept;
pub use crate::lifecycle::OnDrop;
pub use crate::manual::ManualExecutor;
pub use crate::map::Map;
pub use crate::members::{JobId, Joined};
pub use crate::owner::ThreadPoolExecutor;
pub use crate::phase::Phase;
pub use crate::rejection::{
    RejectReason, Rejected, RejectedSubmit, RejectionPolicy, Saturation, policy,
};
pub use crate::running::RunningJob;
pub use crate::scope::{Scope, ScopeError, ScopedHandle, ScopedRejected, ScopedRejectedSubmit};
pub use crate::settings::{Growth, Queue};
pub use crate::shutdown_group::{GroupReport, ShutdownGroup};
pub use crate::shutdown_plan::{ShutdownPhase, ShutdownPlan};
pub use crate::shutdown_report::{ShutdownOutcome, ShutdownReport};
pub use crate::stats::PoolStats;
pub use crate::task::{CancelOutcome, JobState};
pub use crate::thread_per_job::{ThreadPerJob, ThreadPerJobBuilder};
pub use crate::uncaught::UncaughtPanic;
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
mod post; // what a worker is doing
mod worker; // a worker's life: take, run, settle, rest, leave
mod job_handle; // waiting for a job's result
mod task; // the cell that a job and its handle share
mod watch; // hearing of the ends of many jobs
mod members; // jobs that are waited for together
mod join_set; // taking results as they come
mod invoke; // several jobs in one call
mod scope; // jobs that borrow from their submitter
mod several; // the calls that lead there
mod map; // a function called on many items, results in order
mod rejection; // what happens to a job that is not taken
mod lifecycle; // how a pool ends, and waiting for it
mod shutdown_plan; // how a pool is to be stopped
mod shutdown; // carrying such a plan out
mod stopping; // what the callers of one run share
mod shutdown_report; // how it went
mod shutdown_group; // several pools, phase after phase
mod running; // the jobs that are being run, as users see them
mod phase; // the phases of its life
mod resize; // changes while it runs
mod threads; // joining the threads
mod thread_per_job; // a pool whose threads run one job each
mod direct; // an executor that runs jobs on the caller
mod manual; // one that runs them when told
mod local; // what these two share
pub mod interrupt; // asking a job to stop
mod hooks; // the user's callbacks
mod uncaught; // a panic that nobody receives
mod kept; // what is done at the pool's very end
mod stats; // the figures
mod unwind; // which types may be used on both sides of a caught panic
mod error; // errors, and what a panic says
mod panic; // catching and discarding panics
mod wait; // parking until woken, timed out or interrupted
mod stack; // how much of a thread's stack is in use
mod logging; // what the crate says in the log
mod sync; // locks, atomics, threads, time: one place to exchange them
#[cfg(all(test, workcrew_loom))]
mod model; // the promises, under the model checker
