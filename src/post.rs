//! Owns what a worker, or a caller in its place, is doing: the job that it runs, and since when.
//!
//! One thread writes, without a lock but for a job with a name; others read. INVARIANT: `since` is
//! that of the job before its site is there, and its name is there exactly while the site is.

use std::thread::{self, Thread};
use std::time::Duration;

use crate::job::{Job, Origin, SiteSlot};
use crate::running::RunningJob;
use crate::stamp::{Stamp, Stamps, at};
use crate::sync::{Arc, AtomicU64, Instant, Mutex, Ordering};

/// What one thread does for a pool.
pub(crate) struct Post {
    site: SiteSlot,
    since: AtomicU64,
    epoch: Instant,
    rest: Mutex<Rest>,
}

/// What is seldom written.
#[derive(Default)]
struct Rest {
    name: Option<Arc<str>>,
    thread: Option<Thread>,
    /// Jobs that wait for the one that runs, and that this thread will go on with; none for a wait
    /// outside of a job.
    below: Vec<Option<Entry>>,
}

struct Entry {
    origin: Origin,
    since: Stamp,
}

impl Post {
    pub(crate) fn new() -> Self {
        Self {
            site: SiteSlot::default(),
            since: AtomicU64::new(0),
            epoch: Instant::now(),
            rest: Mutex::default(),
        }
    }

    /// The post of this thread, which has just come for one job.
    pub(crate) fn taken_here() -> Self {
        let post = Self::new();
        post.man();
        post
    }

    /// This thread works here.
    pub(crate) fn man(&self) {
        self.rest.lock().thread = Some(thread::current());
    }

    /// A job is about to start; `starts` are those of this worker's jobs.
    #[inline]
    pub(crate) fn note_start(&self, starts: &mut Stamps) {
        if let Some(since) = starts.renew(&self.epoch) {
            self.start(since);
        }
    }

    fn now(&self) -> Stamp {
        at(self.epoch, Instant::now())
    }

    /// Jobs begin at that moment, until told otherwise.
    #[inline]
    pub(crate) fn start(&self, since: Stamp) {
        // ORDERING: Release pairs with `read`, which so sees that the job before has ended.
        self.since.store(since.0, Ordering::Release);
    }

    /// The next job begins at this very moment.
    pub(crate) fn start_now(&self) {
        self.start(self.now());
    }

    /// The job is about to be run.
    #[inline]
    pub(crate) fn begin(&self, job: &Job) -> Naming {
        let naming = match job.shared_name() {
            Some(name) => self.call(name),
            None => Naming::Unnamed,
        };
        self.site.set(job.submitted_at());
        naming
    }

    #[cold]
    fn call(&self, name: &Arc<str>) -> Naming {
        self.rest.lock().name = Some(Arc::clone(name));
        Naming::Named
    }

    /// The job has ended.
    #[inline]
    pub(crate) fn end(&self, naming: Naming) {
        self.site.clear();
        match naming {
            Naming::Named => self.forget_name(),
            Naming::Unnamed => {}
        }
    }

    #[cold]
    fn forget_name(&self) {
        let name = self.rest.lock().name.take();
        drop(name);
    }

    /// The job that runs waits until another is run here.
    pub(crate) fn push_down(&self) {
        let mut rest = self.rest.lock();
        let entry = self.read(&rest);
        rest.name = None;
        rest.below.push(entry);
        self.site.clear();
    }

    /// The other has been run.
    pub(crate) fn pop_up(&self) {
        let mut rest = self.rest.lock();
        if let Some(Entry { origin, since }) = rest.below.pop().flatten() {
            rest.name = origin.name;
            self.start(since);
            self.site.set(origin.site);
        }
    }

    /// Where the running job comes from.
    pub(crate) fn origin(&self) -> Option<Origin> {
        self.read(&self.rest.lock()).map(|entry| entry.origin)
    }

    /// Adds the jobs that are run here, as seen by anybody.
    pub(crate) fn list(&self, worker_index: usize, running: &mut Vec<RunningJob>) {
        let rest = self.rest.lock();
        let now = self.now();
        let entries = rest.below.iter().flatten();
        let top = self.read(&rest);
        for Entry { origin, since } in entries.chain(&top) {
            running.push(RunningJob {
                name: origin.name.clone(),
                submitted_at: origin.site,
                worker_index,
                thread: rest.thread.clone(),
                running_for: Duration::from_nanos(now.0.saturating_sub(since.0)),
            });
        }
    }

    /// Looks until site and time are those of one job. Where one quick job follows another that may
    /// take some looks; then the times are as good as the same.
    fn read(&self, rest: &Rest) -> Option<Entry> {
        let mut site = self.site.get()?;
        for _ in 0..LOOKS {
            // ORDERING: Acquire pairs with `start`.
            let since = Stamp(self.since.load(Ordering::Acquire));
            let again = self.site.get()?;
            if std::ptr::eq(site, again) {
                let name = rest.name.clone();
                return Some(Entry { origin: Origin { site, name }, since });
            }
            site = again;
        }
        None
    }
}

/// How often a reader looks for a job that stays for the time of a look.
const LOOKS: u32 = 8;

/// Whether a job has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    Named,
    Unnamed,
}
