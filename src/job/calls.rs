//! Owns what whoever holds a job may do with it, but submit it.

use std::fmt;
use std::panic::{Location, resume_unwind};

use super::Job;
use super::around::Wrapped;
use super::asked::asking;
use super::layers::wrapping;

impl Job {
    /// Returns the job's name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.shared_name().map(|name| &**name)
    }

    /// Returns where the program made the job, or submitted its closure.
    pub fn submitted_at(&self) -> &'static Location<'static> {
        self.site
    }

    /// Puts code around the running of the job: `around` is called in its place, on its thread, with
    /// a function that runs it. For what has to be there while a job runs, and is not where it was
    /// submitted: a tracing span, a locale, a transaction.
    ///
    /// Handle, name, place, interrupt and cancelling stay those of the job, and a waiter that runs
    /// the job itself runs it within `around`, too. The function returns when the job has ended, also
    /// by a panic, which goes where it would go otherwise; called again it does nothing. If `around`
    /// panics before it has called the function, or does not call it, the job ends with a panic
    /// instead of being run. A later panic of `around` is reported by the pool. What is wrapped last
    /// is outermost.
    ///
    /// [`Builder::wrap_job`](crate::Builder::wrap_job) does this for every job of a pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use workcrew::Job;
    ///
    /// let (job, handle) = Job::with_handle(|| 6 * 7);
    /// let job = job.wrap(|run| {
    ///     println!("begins");
    ///     run();
    ///     println!("has ended");
    /// });
    /// job.run();
    /// assert_eq!(handle.join()?, 42);
    /// # Ok::<(), workcrew::JoinError>(())
    /// ```
    #[must_use = "a job that is dropped is not run"]
    pub fn wrap<W>(self, around: W) -> Self
    where
        W: FnOnce(&mut dyn FnMut()) + Send + 'static,
    {
        let Some(task) = self.pending() else {
            let site = self.site;
            return Self::of(Wrapped { inner: self, around, by: wrapping() }, site);
        };
        let late = task.wrap(Box::new(around), wrapping());
        drop(late);
        self
    }

    /// Runs the job on this thread, under no pool: no hooks, no counts. Does nothing if its handle
    /// has cancelled it.
    ///
    /// # Panics
    ///
    /// A panic of a job without a handle, or whose handle is gone, unwinds into the caller, as a
    /// plain call would; that of a job with a handle goes to the handle. A
    /// [`RejectionPolicy`](crate::RejectionPolicy) sees neither: there, the pool that asks it reports
    /// what nobody receives.
    pub fn run(self) {
        self.try_run();
    }

    /// Runs the job as [`run`](Self::run) does; returns false if it was cancelled.
    pub(crate) fn try_run(self) -> bool {
        if !self.start() {
            return false;
        }
        if let Some(home) = asking() {
            self.run_for_policy(&*home);
            return true;
        }
        if let Some(payload) = self.run_caught().unclaimed {
            resume_unwind(payload);
        }
        true
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("name", &self.name())
            .field("submitted_at", &format_args!("{}", self.site))
            .field("has_handle", &self.pending().is_some())
            .finish_non_exhaustive()
    }
}
