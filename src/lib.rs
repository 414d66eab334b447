//! A thread pool for synchronous programs (docs to come).

pub use crate::builder::Builder;
pub use crate::error::{AwaitError, BuildError, JoinError, Never};
pub use crate::executor::Executor;
pub use crate::handle::Handle;
pub use crate::hooks::Worker;
pub use crate::job::{Job, Outcome};
pub use crate::job_handle::{CancelOutcome, JobHandle, JobState};
pub use crate::lifecycle::OnDrop;
pub use crate::owner::ThreadPoolExecutor;
pub use crate::phase::Phase;
pub use crate::rejection::{RejectReason, Rejected, RejectionPolicy, Saturation, policy};
pub use crate::settings::{Growth, Queue};
pub use crate::stats::PoolStats;
pub use crate::worker::WorkerThread;

// In reading order, which follows a job.
mod owner; // the pool's public face
mod handle; // the same for everybody but the owner
mod executor; // what all executors have in common
mod builder; // how a pool is configured
mod settings; // what can be set, before and after
mod job; // a closure to run once
mod pool; // the shared state, and a job's way in
mod admission; // the rules: what happens to a job, when does a worker leave
mod desk; // everything decided under one lock
mod queue; // the pending jobs
mod worker; // a worker's life: take, run, settle, rest, leave
mod job_handle; // a job's result
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
mod sync; // locks and atomics
