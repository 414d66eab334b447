//! What a thread is to a pool: a worker, a caller that runs a job in a worker's place, or one that
//! runs a hook.

use std::cell::RefCell;
use std::time::Duration;

use super::Pool;
use crate::hooks::Worker;
use crate::job::waiting::{Runs, RunsHere};
use crate::logging;
use crate::post::Post;
use crate::stack::Base;
use crate::stats::Ends;
use crate::sync::{Arc, thread_local};

/// What this thread does for a pool.
struct Role {
    /// The pool's address: two live pools differ in it.
    pool: *const Pool,
    kind: RoleKind,
}

enum RoleKind {
    /// It is this worker, with these counts.
    Worker(Arc<Ends>, Worker),
    /// It runs a job in a worker's place.
    Caller,
    /// It runs a hook.
    Hook,
}

thread_local! {
    static ROLES: RefCell<Vec<Role>> = const { RefCell::new(Vec::new()) };
}

/// Ends a role when dropped.
pub(crate) struct RoleGuard {
    /// False in a thread-local's destructor that runs after this thread's roles are gone.
    has_role: bool,
    _runs: Option<RunsHere>,
    _base: Option<Base>,
}

impl Drop for RoleGuard {
    fn drop(&mut self) {
        if self.has_role {
            let ended = ROLES.try_with(|roles| roles.borrow_mut().pop());
            drop(ended);
        }
    }
}

/// What a thread that runs jobs runs now, for the log.
struct Running {
    pool: Arc<str>,
    activity: Activity,
}

enum Activity {
    Worker(Arc<Ends>),
    Caller(Arc<Post>),
}

impl Runs for Running {
    fn log_wait(&self, awaited: &str, time: Duration) {
        let post = match &self.activity {
            Activity::Worker(ends) => &ends.post,
            Activity::Caller(post) => post,
        };
        let pool = &self.pool;
        match post.origin() {
            Some(origin) => {
                logging::write!(
                    Warn,
                    "pool {pool}: {origin} has waited for {awaited} for {time:.0?}"
                );
            }
            None => {
                logging::write!(
                    Warn,
                    "pool {pool}: a hook has waited for {awaited} for {time:.0?}"
                );
            }
        }
    }
}

impl Pool {
    fn enter(&self, kind: RoleKind, activity: Option<Activity>, base: Option<Base>) -> RoleGuard {
        let role = Role { pool: self, kind };
        let has_role = ROLES.try_with(|roles| roles.borrow_mut().push(role)).is_ok();
        let runs = activity.map(|activity| {
            RunsHere::new(Arc::new(Running { pool: Arc::clone(&self.name), activity }))
        });
        RoleGuard { has_role, _runs: runs, _base: base }
    }

    /// This thread becomes a worker.
    pub(crate) fn enter_as_worker(&self, ends: &Arc<Ends>, worker: &Worker) -> RoleGuard {
        let base = Base::of_worker(self.threads.worker_stack());
        let kind = RoleKind::Worker(Arc::clone(ends), worker.clone());
        self.enter(kind, Some(Activity::Worker(Arc::clone(ends))), Some(base))
    }

    /// This thread runs a job in a worker's place.
    pub(crate) fn enter_as_caller(&self, post: &Arc<Post>) -> RoleGuard {
        let activity = Activity::Caller(Arc::clone(post));
        self.enter(RoleKind::Caller, Some(activity), Some(Base::of_foreign()))
    }

    /// This thread runs a hook.
    pub(crate) fn enter_hook(&self) -> RoleGuard {
        self.enter(RoleKind::Hook, None, None)
    }

    /// Calls a logger or an observer that is told of this pool's life. The pool's end may depend on
    /// this thread, so to wait for it there is refused, as it is to a job of the pool.
    pub(crate) fn aside<R>(&self, tell: impl FnOnce() -> R) -> R {
        let _role = self.enter_hook();
        tell()
    }

    /// Calls `f` with the first role of this thread that has an answer.
    fn find_role<R>(&self, f: impl Fn(&RoleKind) -> Option<R>) -> Option<R> {
        ROLES
            .try_with(|roles| {
                let roles = roles.borrow();
                let mut own = roles.iter().filter(|role| std::ptr::eq(role.pool, self));
                own.find_map(|role| f(&role.kind))
            })
            .ok()?
    }

    /// Returns whether this thread runs a job or a hook of this pool.
    pub(crate) fn is_inside(&self) -> bool {
        self.find_role(|_| Some(())).is_some()
    }

    /// Returns whether this thread runs a job of this pool.
    pub(crate) fn runs_here(&self) -> bool {
        self.find_role(|kind| match kind {
            RoleKind::Worker(..) | RoleKind::Caller => Some(()),
            RoleKind::Hook => None,
        })
        .is_some()
    }

    pub(super) fn this_worker(&self) -> Option<(Arc<Ends>, Worker)> {
        self.find_role(|kind| match kind {
            RoleKind::Worker(ends, worker) => Some((Arc::clone(ends), worker.clone())),
            RoleKind::Caller | RoleKind::Hook => None,
        })
    }

    /// The number of the worker that this thread is.
    pub(super) fn this_index(&self) -> Option<usize> {
        self.find_role(|kind| match kind {
            RoleKind::Worker(_, worker) => Some(worker.index),
            RoleKind::Caller | RoleKind::Hook => None,
        })
    }
}
