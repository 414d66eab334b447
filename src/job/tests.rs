//! Tests of jobs: that what lies in one is run at most once and dropped exactly once, whatever its
//! size and alignment and whoever panics; and the stages that its handle sees.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::Duration;

use super::waiting::{Attention, Parting, Standing};
use super::*;
use crate::error::JoinError;
use crate::interrupt;
use crate::job_handle::JobHandle;
use crate::sync::Mutex;
use crate::task::{CancelOutcome, JobState};

/// How often a load on this thread was used and dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    runs: u32,
    drops: u32,
}

thread_local! {
    static SEEN: Cell<Seen> = const { Cell::new(Seen { runs: 0, drops: 0 }) };
}

/// What was seen while `f` ran.
fn seen(f: impl FnOnce()) -> Seen {
    let before = SEEN.get();
    f();
    let after = SEEN.get();
    Seen { runs: after.runs - before.runs, drops: after.drops - before.drops }
}

fn note_run() {
    SEEN.set(Seen { runs: SEEN.get().runs + 1, ..SEEN.get() });
}

fn note_drop() {
    SEEN.set(Seen { drops: SEEN.get().drops + 1, ..SEEN.get() });
}

const RUN: Seen = Seen { runs: 1, drops: 1 };
const DROPPED: Seen = Seen { runs: 0, drops: 1 };

/// Something for a closure to capture, all of it.
trait Load: Send + Sized + 'static {
    fn new() -> Self;
    /// Looks whether nothing of it was lost.
    fn is_whole(&self) -> bool;

    /// Notes a run, and that the load has come through it.
    fn work(&self) {
        assert_aligned(self);
        assert!(self.is_whole());
        note_run();
    }
}

/// As many bytes as it says.
struct Bytes<const N: usize>([u8; N]);

/// The same, where few allocators would put it by chance.
#[repr(align(256))]
struct Aligned<const N: usize>(Bytes<N>);

/// The same, aligned as no word is.
#[repr(align(16))]
struct Wide<const N: usize>(Bytes<N>);

/// With a pointer, for the address sanitizer to follow.
struct Owner<const N: usize>(Box<u64>, Bytes<N>);

/// Looks at the address itself: what the compiler knows of a reference is what it was told.
fn assert_aligned<T>(value: &T) {
    let address = std::hint::black_box(std::ptr::from_ref(value).addr());
    assert!(address % align_of::<T>() == 0, "{address:#x} for {}", align_of::<T>());
}

fn pattern<const N: usize>() -> [u8; N] {
    std::array::from_fn(|place| u8::try_from(place % 251).expect("less than 256") ^ 0x5a)
}

impl<const N: usize> Drop for Bytes<N> {
    fn drop(&mut self) {
        assert!(self.0 == pattern(), "dropped whole");
        // A second drop would find other bytes.
        self.0.fill(0);
        note_drop();
    }
}

// Unrun, they are dropped where they lie; to be run, they are taken out first.
impl<const N: usize> Drop for Aligned<N> {
    fn drop(&mut self) {
        assert_aligned(self);
    }
}

impl<const N: usize> Drop for Wide<N> {
    fn drop(&mut self) {
        assert_aligned(self);
    }
}

impl<const N: usize> Load for Bytes<N> {
    fn new() -> Self {
        Self(pattern())
    }
    fn is_whole(&self) -> bool {
        self.0 == pattern()
    }
}

impl<const N: usize> Load for Aligned<N> {
    fn new() -> Self {
        Self(Bytes::new())
    }
    fn is_whole(&self) -> bool {
        self.0.is_whole()
    }
}

impl<const N: usize> Load for Wide<N> {
    fn new() -> Self {
        Self(Bytes::new())
    }
    fn is_whole(&self) -> bool {
        self.0.is_whole()
    }
}

impl<const N: usize> Load for Owner<N> {
    fn new() -> Self {
        Self(Box::new(42), Bytes::new())
    }
    fn is_whole(&self) -> bool {
        *self.0 == 42 && self.1.is_whole()
    }
}

fn text(payload: &Payload) -> Option<&str> {
    payload.downcast_ref::<&str>().copied()
}

fn working<L: Load>() -> impl FnOnce() + Send + 'static {
    let load = L::new();
    move || load.work()
}

fn panicking<L: Load>() -> impl FnOnce() + Send + 'static {
    let load = L::new();
    move || {
        load.work();
        panic!("the job's own");
    }
}

/// All that can happen to a job without a handle.
fn check_plain<L: Load>() {
    assert_eq!(size_of_val(&working::<L>()), size_of::<L>(), "the closure is its load");
    let run = seen(|| Job::new(working::<L>()).run());
    assert_eq!(run, RUN, "run");
    let dropped = seen(|| drop(Job::new(working::<L>())));
    assert_eq!(dropped, DROPPED, "dropped unrun");
    let caught = seen(|| {
        let ended = Job::new(working::<L>()).run_caught();
        assert_eq!(ended.outcome, Outcome::Completed);
        assert!(ended.unclaimed.is_none() && ended.stray.is_none());
        assert!(ended.settlement.is_none());
    });
    assert_eq!(caught, RUN, "run by a worker");
    let panicked = seen(|| {
        let ended = Job::new(panicking::<L>()).run_caught();
        assert_eq!(ended.outcome, Outcome::Panicked);
        assert_eq!(ended.unclaimed.as_ref().and_then(text), Some("the job's own"));
        assert!(ended.settlement.is_none());
    });
    assert_eq!(panicked, RUN, "panicked");
    let unwound = seen(|| {
        let payload = catch(|| Job::new(panicking::<L>()).run()).expect_err("unwinds");
        assert_eq!(text(&payload), Some("the job's own"));
    });
    assert_eq!(unwound, RUN, "panicked into its caller");
    let failed = seen(|| {
        let ended = Job::new(working::<L>()).fail(Box::new("a hook's"));
        assert_eq!(ended.outcome, Outcome::Panicked);
        assert_eq!(ended.unclaimed.as_ref().and_then(text), Some("a hook's"));
        assert!(ended.stray.is_none());
    });
    assert_eq!(failed, DROPPED, "failed");
}

/// All that can happen to a job with a handle.
fn check_tracked<L: Load>() {
    let run = seen(|| {
        let (job, handle) = Job::with_handle(working::<L>());
        job.run();
        assert!(handle.join().is_ok());
    });
    assert_eq!(run, RUN, "run");
    let dropped = seen(|| {
        let (job, handle) = Job::with_handle(working::<L>());
        assert_eq!(seen(|| drop(job)), DROPPED, "at once, though there is a handle");
        assert!(handle.join().is_err_and(|error| error.is_cancelled()));
    });
    assert_eq!(dropped, DROPPED, "dropped unrun");
    let cancelled = seen(|| {
        let (job, handle) = Job::with_handle(working::<L>());
        let cancelling = seen(|| assert_eq!(handle.cancel(), CancelOutcome::Removed));
        assert_eq!(cancelling, DROPPED, "at once, though there is a job");
        job.run();
    });
    assert_eq!(cancelled, DROPPED, "cancelled");
    let panicked = seen(|| {
        let (job, handle) = Job::with_handle(panicking::<L>());
        job.run();
        assert_eq!(handle.join().expect_err("panicked").message(), Some("the job's own"));
    });
    assert_eq!(panicked, RUN, "panicked");
    let failed = seen(|| {
        let (job, handle) = Job::with_handle(working::<L>());
        assert!(job.start());
        drop(job.fail(Box::new("a hook's")));
        assert_eq!(handle.join().expect_err("failed").message(), Some("a hook's"));
    });
    assert_eq!(failed, DROPPED, "failed");
    let returned = seen(|| {
        let load = L::new();
        let (job, handle) = Job::with_handle(move || load);
        job.run();
        handle.join().expect("returns its load").work();
    });
    assert_eq!(returned, RUN, "returned");
}

#[test]
fn a_job_is_a_cache_line_and_one_that_may_be_missing_is_no_larger() {
    assert_eq!(size_of::<Option<Job>>(), size_of::<Job>());
    if cfg!(target_pointer_width = "64") {
        assert_eq!(size_of::<Job>(), 64);
    }
}

#[test]
fn a_plain_job_is_run_once_and_dropped_once_whatever_its_size() {
    check_plain::<Bytes<0>>();
    check_plain::<Bytes<1>>();
    check_plain::<Bytes<8>>();
    check_plain::<Bytes<39>>();
    check_plain::<Bytes<40>>();
    check_plain::<Bytes<41>>();
    check_plain::<Bytes<4096>>();
    check_plain::<Owner<0>>();
    check_plain::<Owner<32>>();
    check_plain::<Owner<33>>();
}

#[test]
fn a_named_job_is_run_once_and_dropped_once_whatever_its_size() {
    fn check<const N: usize>() {
        let make = || Job::named("a name", working::<Bytes<N>>());
        assert_eq!(seen(|| make().run()), RUN);
        assert_eq!(seen(|| drop(make())), DROPPED);
        let job = make();
        assert_eq!((job.name(), job.submitted_at().file()), (Some("a name"), file!()));
        drop(job);
    }
    check::<0>();
    check::<24>();
    check::<25>();
    check::<4096>();
}

#[test]
fn a_slot_gives_back_the_site_that_was_put_there_last() {
    let slot = SiteSlot::default();
    assert!(slot.get().is_none());
    for job in [Job::new(|| ()), Job::new(|| ())] {
        slot.set(job.submitted_at());
        assert!(std::ptr::eq(slot.get().expect("it was set"), job.submitted_at()));
    }
    slot.clear();
    assert!(slot.get().is_none());
}

#[test]
fn a_plain_job_is_run_once_and_dropped_once_whatever_its_alignment() {
    check_plain::<Wide<0>>();
    check_plain::<Wide<16>>();
    check_plain::<Wide<48>>();
    check_plain::<Aligned<0>>();
    check_plain::<Aligned<1>>();
    check_plain::<Aligned<300>>();
}

#[test]
fn a_job_with_a_handle_is_run_once_and_dropped_once_whatever_its_size_and_alignment() {
    check_tracked::<Bytes<0>>();
    check_tracked::<Bytes<40>>();
    check_tracked::<Bytes<41>>();
    check_tracked::<Owner<33>>();
    check_tracked::<Wide<16>>();
    check_tracked::<Aligned<0>>();
    check_tracked::<Aligned<300>>();
}

#[test]
fn a_function_is_a_job() {
    let run = seen(|| Job::new(note_run).run());
    assert_eq!(run, Seen { runs: 1, drops: 0 });
    let (job, handle) = Job::with_handle(|| 6 * 7);
    job.run();
    assert_eq!(handle.join().expect("returns"), 42);
}

#[test]
fn a_job_can_be_moved_run_and_dropped_on_other_threads() {
    fn sends<T: Send + Sync>() {}
    sends::<Job>();
    let count = Arc::new(Mutex::new(0));
    let jobs: Vec<Job> = (0..8)
        .map(|number| {
            let (count, load) = (Arc::clone(&count), [number; 8]);
            Job::new(move || *count.lock() += load.iter().sum::<i32>() / 8)
        })
        .collect();
    let runner = std::thread::spawn(move || {
        let mut jobs = jobs;
        drop(jobs.pop());
        jobs.into_iter().for_each(Job::run);
    });
    runner.join().expect("no job panics");
    assert_eq!(*count.lock(), (0..7).sum::<i32>());
    assert_eq!(Arc::strong_count(&count), 1, "every job has let go of its captures");
}

#[test]
fn a_job_can_be_looked_at_by_many_threads_at_once() {
    fn shares<T: Send + Sync + ?Sized>() {}
    // What a shared job gives out.
    shares::<dyn Pending>();
    shares::<str>();
    let (job, handle) = Job::with_handle(|| 5);
    let jobs = [Job::named("a name", || ()), job];
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let [named, tracked] = &jobs;
                assert_eq!((named.name(), tracked.name()), (Some("a name"), None));
                assert!(named.pending().is_none() && tracked.pending().is_some());
                assert!(named.is_live() && tracked.is_live());
                assert!(format!("{named:?} {tracked:?}").contains(file!()));
            });
        }
    });
    jobs.into_iter().for_each(Job::run);
    assert_eq!(handle.join().expect("it was run"), 5);
}

/// A capture whose destructor panics.
struct Bomb<const N: usize>(Bytes<N>);

impl<const N: usize> Drop for Bomb<N> {
    fn drop(&mut self) {
        assert!(self.0.is_whole(), "dropped twice");
        panic!("a destructor's");
    }
}

fn armed<const N: usize>() -> impl FnOnce() + Send + 'static {
    let bomb = Bomb(Bytes::<N>::new());
    move || bomb.0.work()
}

fn check_bomb<const N: usize>() {
    let dropped = seen(|| {
        let payload = drop_caught(Job::new(armed::<N>())).expect_err("the destructor panics");
        assert_eq!(text(&payload), Some("a destructor's"));
    });
    assert_eq!(dropped, DROPPED, "dropped unrun");
    let run = seen(|| {
        let ended = Job::new(armed::<N>()).run_caught();
        assert_eq!(ended.outcome, Outcome::Panicked);
        assert_eq!(ended.unclaimed.as_ref().and_then(text), Some("a destructor's"));
    });
    assert_eq!(run, RUN, "run");
    let failed = seen(|| {
        let ended = Job::new(armed::<N>()).fail(Box::new("a hook's"));
        assert_eq!(ended.unclaimed.as_ref().and_then(text), Some("a hook's"));
        assert_eq!(ended.stray.as_ref().and_then(text), Some("a destructor's"));
    });
    assert_eq!(failed, DROPPED, "failed");
    let tracked = seen(|| {
        let (job, handle) = Job::with_handle(armed::<N>());
        let payload = drop_caught(job).expect_err("the destructor panics");
        assert_eq!(text(&payload), Some("a destructor's"));
        assert!(handle.join().is_err_and(|error| error.is_cancelled()), "settled all the same");
    });
    assert_eq!(tracked, DROPPED, "dropped unrun, with a handle");
    let ended = seen(|| {
        let (job, handle) = Job::with_handle(armed::<N>());
        job.run();
        assert_eq!(handle.join().expect_err("panicked").message(), Some("a destructor's"));
    });
    assert_eq!(ended, RUN, "run, with a handle");
    let cancelled = seen(|| {
        let (_job, handle) = Job::with_handle(armed::<N>());
        assert_eq!(handle.cancel(), CancelOutcome::Removed, "it does not reach the canceller");
    });
    assert_eq!(cancelled, DROPPED, "cancelled");
    let hooked = seen(|| {
        let (job, handle) = Job::with_handle(armed::<N>());
        assert!(job.start());
        let ended = job.fail(Box::new("a hook's"));
        assert!(ended.unclaimed.is_none());
        assert_eq!(ended.stray.as_ref().and_then(text), Some("a destructor's"));
        drop(ended);
        assert_eq!(handle.join().expect_err("failed").message(), Some("a hook's"));
    });
    assert_eq!(hooked, DROPPED, "failed, with a handle");
}

#[test]
fn captures_whose_destructor_panics_are_dropped_once_and_their_panic_is_kept() {
    check_bomb::<0>();
    check_bomb::<40>();
    check_bomb::<41>();
}

#[test]
fn a_payload_that_panics_when_dropped_is_got_rid_of() {
    struct Again;
    impl Drop for Again {
        fn drop(&mut self) {
            std::panic::panic_any(Again);
        }
    }
    discard_payload(Box::new(Again));
}

/// A job that says in what state its handle saw it while it ran.
fn watched() -> (Job, Arc<OnceLock<JobHandle<JobState>>>) {
    let slot = Arc::new(OnceLock::<JobHandle<JobState>>::new());
    let inside = Arc::clone(&slot);
    let (job, handle) =
        Job::with_handle(move || inside.get().map_or(JobState::Pending, JobHandle::state));
    slot.set(handle).expect("set once");
    (job, slot)
}

#[test]
fn a_handle_sees_the_stages_of_its_job_and_the_last_only_when_told() {
    let (job, slot) = watched();
    let handle = slot.get().expect("just set");
    assert_eq!((handle.state(), job.is_live()), (JobState::Pending, true));
    assert!(job.start());
    assert_eq!((handle.state(), job.is_live()), (JobState::Running, false));
    assert!(!job.start(), "a job is started once");
    let ended = job.run_caught();
    assert_eq!(ended.outcome, Outcome::Completed);
    assert_eq!(handle.state(), JobState::Running, "its worker has not told yet");
    assert!(!handle.is_finished() && !is_done(handle));
    drop(ended);
    assert_eq!(handle.state(), JobState::Finished);
    assert!(handle.is_finished() && is_done(handle));
    assert_eq!(handle.cancel(), CancelOutcome::AlreadyFinished);
    let handle = Arc::into_inner(slot).and_then(OnceLock::into_inner).expect("the last owner");
    assert_eq!(handle.join().expect("returns"), JobState::Running);
}

fn is_done<T>(handle: &JobHandle<T>) -> bool {
    handle.done().recv_timeout(Duration::ZERO)
        == Err(crossbeam_channel::RecvTimeoutError::Disconnected)
}

#[test]
fn a_panicked_job_is_seen_as_such_and_its_panic_goes_to_the_handle_alone() {
    let (job, handle) = Job::with_handle(|| panic!("boom"));
    assert!(job.start());
    let ended = job.run_caught();
    assert_eq!(ended.outcome, Outcome::Panicked);
    assert!(ended.unclaimed.is_none());
    drop(ended);
    assert_eq!(handle.state(), JobState::Panicked);
    let result: Result<(), JoinError> = handle.join();
    assert_eq!(result.expect_err("panicked").message(), Some("boom"));
}

#[test]
fn a_failed_job_is_seen_as_panicked_and_only_when_told() {
    let (job, handle) = Job::with_handle(|| ());
    assert!(job.start());
    let ended = job.fail(Box::new("a hook's"));
    assert_eq!(ended.outcome, Outcome::Panicked);
    assert!(ended.unclaimed.is_none(), "the handle is to have it");
    assert_eq!(handle.state(), JobState::Running);
    drop(ended);
    assert_eq!(handle.state(), JobState::Panicked);
    assert!(is_done(&handle));
}

#[test]
fn a_dropped_job_is_seen_as_cancelled() {
    let (job, handle) = Job::with_handle(|| ());
    let done = handle.done().clone();
    drop(job);
    assert_eq!(handle.state(), JobState::Cancelled);
    assert!(done.recv().is_err(), "who waits for it is told");
    assert_eq!(handle.cancel(), CancelOutcome::AlreadyFinished);
}

#[test]
fn a_cancelled_job_cannot_be_started_and_runs_to_nothing() {
    let (job, handle) = Job::with_handle(note_run);
    assert_eq!(handle.cancel(), CancelOutcome::Removed);
    assert_eq!(handle.state(), JobState::Cancelled);
    assert!(!job.is_live() && !job.start());
    assert_eq!(handle.cancel(), CancelOutcome::AlreadyFinished);
    assert_eq!(seen(|| job.run()).runs, 0);
    assert_eq!(handle.state(), JobState::Cancelled, "running it in vain changes nothing");
}

#[test]
fn a_started_job_is_interrupted_by_cancel_and_returns_what_it_returns() {
    let (job, handle) = Job::with_handle(interrupt::is_interrupted);
    assert!(job.start());
    assert_eq!(handle.cancel(), CancelOutcome::Interrupted);
    assert_eq!(handle.cancel(), CancelOutcome::Interrupted);
    drop(job.run_caught());
    assert!(handle.join().expect("it returns"), "it saw the interrupt");
    assert!(!interrupt::is_interrupted(), "and nobody else does");
}

#[test]
fn a_result_that_nobody_waits_for_is_dropped_once() {
    let before = seen(|| {
        let (job, handle) = Job::with_handle(Bytes::<9>::new);
        drop(handle);
        assert!(job.start());
        let mut ended = None;
        let running = seen(|| ended = Some(job.run_caught()));
        assert_eq!(running, DROPPED, "before its worker counts as free");
    });
    assert_eq!(before, DROPPED, "the handle went before the job ran");
    let after = seen(|| {
        let (job, handle) = Job::with_handle(Bytes::<9>::new);
        job.run();
        assert_eq!(seen(|| drop(handle)), DROPPED);
    });
    assert_eq!(after, DROPPED, "the handle went after the job ran");
    let between = seen(|| {
        let (job, handle) = Job::with_handle(Bytes::<9>::new);
        assert!(job.start());
        let ended = job.run_caught();
        drop(handle);
        drop(ended);
    });
    assert_eq!(between, DROPPED, "the handle went before it was told");
}

#[test]
fn a_job_whose_handle_is_gone_runs_all_the_same() {
    let (job, handle) = Job::with_handle(note_run);
    drop(handle);
    assert!(job.is_live());
    assert_eq!(seen(|| job.run()).runs, 1);
    let (job, handle) = Job::with_handle(|| panic!("boom"));
    drop::<JobHandle<()>>(handle);
    let payload = catch(|| job.run()).expect_err("its panic has nowhere else to go");
    assert_eq!(text(&payload), Some("boom"));
}

/// What a test's pool does when a handle comes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// The job is still where it was queued.
    InTime,
    /// The job was handed back just before.
    TooLate,
}

/// A pool as a job's handle sees it.
#[derive(Default)]
struct Place {
    /// What `claim` said, each time it was asked.
    claims: Mutex<Vec<bool>>,
    /// The job, if it is to be handed back at the last moment.
    job: OnceLock<Arc<dyn Pending>>,
    /// Panics that it was told of.
    reports: Mutex<usize>,
    /// Cancelled jobs of which it was told that all is done.
    settled: Mutex<usize>,
}

impl Place {
    /// A job that is queued here.
    fn queue<T: Send + 'static>(
        moment: Moment,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> (Arc<Self>, Job, JobHandle<T>) {
        let (job, handle) = Job::with_handle(f);
        let place = Arc::new(Self::default());
        let task = job.pending().expect("it has a handle");
        assert_eq!(task.queue(Arc::clone(&place) as Arc<dyn Home>, 0), Queued::Yes);
        if moment == Moment::TooLate {
            place.job.set(Arc::clone(task)).ok().expect("set once");
        }
        (place, job, handle)
    }

    fn claim(&self, claim: &mut dyn FnMut() -> bool) -> bool {
        if let Some(task) = self.job.get() {
            assert!(task.hand_back(), "it was pending");
        }
        let is_claimed = claim();
        self.claims.lock().push(is_claimed);
        is_claimed
    }
}

impl Home for Place {
    fn cancel(&self, claim: &mut dyn FnMut() -> bool) -> bool {
        self.claim(claim)
    }

    fn cancel_ended(&self) {
        *self.settled.lock() += 1;
    }

    fn help(
        &self,
        task: &Arc<dyn Pending>,
        _bound: Bound,
        claim: &mut dyn FnMut(u64) -> Help,
    ) -> Help {
        let mut help = Help::NotNeeded;
        self.claim(&mut || {
            help = claim(0);
            help == Help::Ran
        });
        if help == Help::Ran {
            drop(Job::tracked(Arc::clone(task)).run_caught());
        }
        help
    }

    fn is_inside(&self) -> bool {
        false
    }

    fn is_crowded(&self) -> bool {
        unreachable!("no thread is inside")
    }

    fn park(&self) {
        unreachable!("no thread is inside")
    }

    fn unpark(&self, _parting: Parting) {
        unreachable!("no thread is inside")
    }

    fn attend(self: Arc<Self>, _standing: Standing) -> Attention {
        Attention::None
    }

    fn report_panic(&self, payload: Payload) {
        *self.reports.lock() += 1;
        discard_payload(payload);
    }

    fn report(&self, _source: &str, _origin: Option<&Origin>, payload: Payload) {
        self.report_panic(payload);
    }
}

#[test]
fn a_queued_job_is_cancelled_through_its_pool() {
    let (place, job, handle) = Place::queue(Moment::InTime, note_run);
    assert_eq!(handle.cancel(), CancelOutcome::Removed);
    assert_eq!((&**place.claims.lock(), *place.settled.lock()), (&[true][..], 1));
    assert!(!job.is_live());
    assert_eq!(handle.cancel(), CancelOutcome::AlreadyFinished);
    assert_eq!((place.claims.lock().len(), *place.settled.lock()), (1, 1), "once");
}

#[test]
fn a_job_handed_back_meanwhile_is_cancelled_without_its_pool_counting_it() {
    let (place, job, handle) = Place::queue(Moment::TooLate, note_run);
    assert_eq!(handle.cancel(), CancelOutcome::Removed);
    assert_eq!(*place.claims.lock(), [false], "not one of the pool's any more");
    assert_eq!(*place.settled.lock(), 0);
    assert_eq!(seen(|| job.run()).runs, 0);
}

#[test]
fn a_waiter_runs_the_queued_job_through_its_pool() {
    let (place, job, handle) = Place::queue(Moment::InTime, || 5);
    assert_eq!(handle.join().expect("it was run"), 5);
    assert_eq!(*place.claims.lock(), [true]);
    assert!(!job.start(), "not once more");
}

#[test]
fn a_waiter_leaves_alone_a_job_that_was_handed_back_meanwhile() {
    let (place, job, handle) = Place::queue(Moment::TooLate, || 5);
    let handle = handle.join_timeout(Duration::from_millis(1)).expect_err("nobody runs it");
    assert_eq!(*place.claims.lock(), [false]);
    assert!(job.is_live(), "who got it back can still run it");
    job.run();
    assert_eq!(handle.join().expect("it was run"), 5);
}

#[test]
fn a_look_without_time_does_not_run_the_job() {
    let (place, job, handle) = Place::queue(Moment::InTime, || 5);
    let handle = handle.join_timeout(Duration::ZERO).expect_err("pending");
    let handle = handle.try_join().expect_err("pending");
    assert!(place.claims.lock().is_empty() && job.is_live());
    assert_eq!(handle.state(), JobState::Pending);
}

#[test]
fn a_cancelled_job_is_not_taken_in_by_a_pool() {
    let (job, handle) = Job::with_handle(|| ());
    handle.cancel();
    let (place, _job, _handle) = Place::queue(Moment::InTime, || ());
    let task = job.pending().expect("it has a handle");
    assert_eq!(task.queue(Arc::clone(&place) as Arc<dyn Home>, 0), Queued::Cancelled);
    assert!(!task.hand_back());
}

#[test]
fn a_panic_that_no_handle_receives_is_reported_to_the_pool_once() {
    let (place, job, handle) = Place::queue(Moment::InTime, || panic!("boom"));
    assert!(job.start());
    drop::<JobHandle<()>>(handle);
    let ended = job.run_caught();
    assert_eq!(ended.unclaimed.as_ref().and_then(text), Some("boom"), "its worker reports it");
    drop(ended);
    assert_eq!(*place.reports.lock(), 0, "and nobody else: the handle went before it ran");
    let (place, job, handle) = Place::queue(Moment::InTime, || panic!("boom"));
    assert!(job.start());
    let ended = job.run_caught();
    drop::<JobHandle<()>>(handle);
    drop(ended);
    assert_eq!(*place.reports.lock(), 1, "the handle went before it was told");
    let (place, job, handle) = Place::queue(Moment::InTime, || panic!("boom"));
    assert!(job.start());
    drop(job.run_caught());
    drop::<JobHandle<()>>(handle);
    assert_eq!(*place.reports.lock(), 1, "the handle went after");
    let (place, job, handle) = Place::queue(Moment::InTime, || panic!("boom"));
    assert!(job.start());
    drop(job.run_caught());
    assert!(JobHandle::<()>::join(handle).is_err_and(|error| error.is_panic()));
    assert_eq!(*place.reports.lock(), 0, "the handle received it");
    let (place, _job, handle) = Place::queue(Moment::InTime, armed::<1>());
    assert_eq!(handle.cancel(), CancelOutcome::Removed);
    assert_eq!(*place.reports.lock(), 1, "a destructor's, at a cancel");
}

/// Otherwise a pool that keeps something of its jobs would keep itself.
#[test]
fn an_ended_job_lets_go_of_its_pool_once_nobody_has_its_handle() {
    for handle_goes_first in [true, false] {
        let (place, job, handle) = Place::queue(Moment::InTime, interrupt::current);
        let mut handle = Some(handle);
        if handle_goes_first {
            handle = None;
        }
        assert!(job.start());
        let task = Arc::clone(job.pending().expect("it has a handle"));
        drop(job.run_caught());
        drop(handle);
        assert_eq!(Arc::strong_count(&place), 1, "handle first: {handle_goes_first}");
        drop(task);
    }
}

#[test]
fn a_job_handed_back_lets_go_of_its_pool() {
    let (place, job, _handle) = Place::queue(Moment::InTime, || ());
    assert_eq!(Arc::strong_count(&place), 2);
    assert!(job.pending().expect("it has a handle").hand_back());
    assert_eq!(Arc::strong_count(&place), 1);
}

/// Counts its uses and drops at what it borrows.
struct Guest<'a>(&'a Mutex<Seen>);

impl Guest<'_> {
    fn work(&self) {
        self.0.lock().runs += 1;
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.0.lock().drops += 1;
    }
}

fn visit(guest: &Guest<'_>) {
    guest.work();
}

/// Lends `jobs` jobs of a closure that borrows, and lets `f` see to their ends.
fn borrowed(jobs: usize, work: impl Fn(&Guest<'_>) + Sync, f: impl FnOnce(Vec<Job>)) -> Seen {
    let frame = Box::new(Mutex::new(Seen { runs: 0, drops: 0 }));
    let loans = Loans::new();
    let out = Mutex::new(Vec::new());
    loans.lend(
        || {
            for _ in 0..jobs {
                let (guest, work) = (Guest(&frame), &work);
                out.lock().push(Job::new(loans.borrower(Box::new(move || work(&guest)))));
            }
        },
        || f(std::mem::take(&mut out.lock())),
    );
    *frame.lock()
}

#[test]
fn a_borrower_is_over_before_its_loan() {
    let run = borrowed(3, visit, |jobs| jobs.into_iter().for_each(Job::run));
    assert_eq!(run, Seen { runs: 3, drops: 3 });
    let dropped = borrowed(3, visit, drop);
    assert_eq!(dropped, Seen { runs: 0, drops: 3 });
    let panics = |guest: &Guest<'_>| {
        guest.work();
        panic!("a borrower's");
    };
    let caught = |jobs: Vec<Job>| jobs.into_iter().for_each(|job| _ = catch(|| job.run()));
    assert_eq!(borrowed(2, panics, caught), Seen { runs: 2, drops: 2 });
}

#[test]
fn a_borrower_may_run_on_another_thread() {
    let elsewhere = |jobs: Vec<Job>| {
        let thread = std::thread::spawn(|| jobs.into_iter().for_each(Job::run));
        thread.join().expect("no job panics");
    };
    assert_eq!(borrowed(4, visit, elsewhere), Seen { runs: 4, drops: 4 });
}

#[test]
fn loans_nest() {
    let inner = |guest: &Guest<'_>| {
        let nested = borrowed(2, visit, |jobs| jobs.into_iter().for_each(Job::run));
        assert_eq!(nested, Seen { runs: 2, drops: 2 });
        guest.work();
    };
    let run = borrowed(2, inner, |jobs| jobs.into_iter().for_each(Job::run));
    assert_eq!(run, Seen { runs: 2, drops: 2 });
}

#[test]
fn a_lender_that_panics_still_waits_for_its_borrowers() {
    let frame = Mutex::new(Seen { runs: 0, drops: 0 });
    let loans = Loans::new();
    let out = Mutex::new(None);
    let panics = catch(|| {
        let lending = || {
            let guest = Guest(&frame);
            *out.lock() = Some(Job::new(loans.borrower(Box::new(move || guest.work()))));
            panic!("the lender's");
        };
        loans.lend(lending, || out.lock().take().expect("it is out").run());
    });
    assert!(panics.is_err());
    assert_eq!(*frame.lock(), RUN);
}

#[test]
fn nothing_is_borrowed_outside_a_loan() {
    let loans = Loans::new();
    assert!(catch(|| drop(loans.borrower(Box::new(|| ())))).is_err());
    loans.lend(|| (), || ());
    assert!(catch(|| drop(loans.borrower(Box::new(|| ())))).is_err());
}

/// Says to this test binary, run again, which end of a loan it is to reach.
const LEFT: &str = "WORKCREW_TEST_LOAN_LEFT";

#[test]
fn a_loan_that_is_left_aborts_the_process() {
    use std::os::unix::process::ExitStatusExt;
    const SIGABRT: i32 = 6;

    if let Ok(end) = std::env::var(LEFT) {
        leave_a_loan(&end);
        return;
    }
    for end in ["kept", "panicked", "running", "dropped after it ran", "dropped unrun"] {
        let this = std::env::current_exe().expect("a path");
        let name = "job::tests::a_loan_that_is_left_aborts_the_process";
        let mut child = std::process::Command::new(this);
        let output = child.args([name, "--exact"]).env(LEFT, end).output();
        let output = output.expect("the child starts");
        assert_eq!(output.status.signal(), Some(SIGABRT), "{end}: {output:?}");
    }
}

/// A capture that stops its thread for ever, at one of its ends.
struct Stopper {
    at: String,
    has_stopped: crossbeam_channel::Sender<()>,
}

impl Stopper {
    fn stop_if(&self, now: &str) {
        if self.at == now {
            self.has_stopped.send(()).expect("somebody listens");
            loop {
                std::thread::park();
            }
        }
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        self.stop_if("dropped after it ran");
        self.stop_if("dropped unrun");
    }
}

fn leave_a_loan(end: &str) {
    let loans = Loans::new();
    if matches!(end, "kept" | "panicked") {
        let finish = || assert_eq!(end, "kept", "a finish that panics");
        loans.lend(|| std::mem::forget(loans.borrower(Box::new(|| ()))), finish);
        return;
    }
    let (has_stopped, news) = crossbeam_channel::bounded(1);
    let stopper = Stopper { at: end.to_owned(), has_stopped };
    let lending = || {
        let borrower = loans.borrower(Box::new(move || stopper.stop_if("running")));
        let job = Job::new(borrower);
        let end_it = if end == "dropped unrun" { drop } else { Job::run };
        std::thread::spawn(move || end_it(job));
    };
    loans.lend(lending, || news.recv().expect("it stops"));
}
