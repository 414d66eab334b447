//! Which types may be used on both sides of a caught panic.
//!
//! INVARIANT: no code of the user's runs under a lock of the crate, or where an unwinding would leave
//! a count or a stage half changed. So a panic that unwinds out of a call leaves what these types
//! share as any other end of the call would. What a job shares with others is the job's own concern,
//! as it is with [`std::thread::JoinHandle`].

use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::direct::DirectExecutor;
use crate::handle::Handle;
use crate::interrupt::{Guard, Interrupt};
use crate::job_handle::{JobFuture, JobHandle};
use crate::join_set::JoinSet;
use crate::manual::ManualExecutor;
use crate::owner::ThreadPoolExecutor;
use crate::scope::ScopedRejected;

impl UnwindSafe for ThreadPoolExecutor {}
impl RefUnwindSafe for ThreadPoolExecutor {}

impl UnwindSafe for Handle {}
impl RefUnwindSafe for Handle {}

impl<T> UnwindSafe for JobHandle<T> {}
impl<T> RefUnwindSafe for JobHandle<T> {}

impl<T> UnwindSafe for JobFuture<T> {}
impl<T> RefUnwindSafe for JobFuture<T> {}

impl<T> UnwindSafe for JoinSet<T> {}
impl<T> RefUnwindSafe for JoinSet<T> {}

impl UnwindSafe for Interrupt {}
impl RefUnwindSafe for Interrupt {}

impl UnwindSafe for Guard {}
impl RefUnwindSafe for Guard {}

impl UnwindSafe for DirectExecutor {}
impl RefUnwindSafe for DirectExecutor {}

impl UnwindSafe for ManualExecutor {}
impl RefUnwindSafe for ManualExecutor {}

impl UnwindSafe for ScopedRejected {}
impl RefUnwindSafe for ScopedRejected {}
