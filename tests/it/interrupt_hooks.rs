//! What hooks and the like find as the current interrupt is theirs, or the job's in which they run:
//! whenever it is set, it reaches no later job.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use workcrew::interrupt::{self, Interrupt, Interrupted};
use workcrew::policy::{Abort, CallerRuns};
use workcrew::{
    Builder, DirectExecutor, Executor, ExecutorExt, Job, ManualExecutor, Queue, Rejected,
    RejectionPolicy, Saturation, ShutdownPlan, ThreadPoolExecutor,
};

use crate::support::{Counter, Gate, LONG, finish, soon};

/// Keeps the current interrupts of those that come by.
#[derive(Clone, Default)]
struct Keeper {
    kept: Arc<Mutex<Vec<Interrupt>>>,
    came: Counter,
}

impl Keeper {
    fn keep(&self) {
        self.kept.lock().extend(interrupt::current());
        self.came.add();
    }

    /// Sets what was kept, and returns how many there were.
    fn set(&self) -> usize {
        let kept = std::mem::take(&mut *self.kept.lock());
        kept.iter().for_each(Interrupt::interrupt);
        kept.len()
    }

    fn hook<A>(&self) -> impl Fn(A) + Send + Sync + 'static {
        let keeper = self.clone();
        move |_| keeper.keep()
    }
}

/// What a job without anything to do with others sees.
fn is_clean() -> bool {
    let current = interrupt::current().expect("a job");
    !interrupt::is_interrupted() && !current.is_interrupted()
}

/// Keeps the interrupt of those whose jobs find no room.
struct Keeping(Keeper);

impl RejectionPolicy for Keeping {
    fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
        self.0.keep();
        Abort.rejected(job, saturation)
    }
}

/// A pool of one thread all of whose hooks keep.
fn hooked(keeper: &Keeper) -> Builder {
    let (namer, factory, wrapper) = (keeper.clone(), keeper.clone(), keeper.clone());
    let (after, panics, uncaught, end) =
        (keeper.clone(), keeper.clone(), keeper.clone(), keeper.clone());
    ThreadPoolExecutor::builder()
        .threads(1)
        .queue(Queue::Bounded(2))
        .on_thread_start({
            let keeper = keeper.clone();
            move |_| keeper.keep()
        })
        .on_thread_stop({
            let keeper = keeper.clone();
            move |_| keeper.keep()
        })
        .before_job({
            let keeper = keeper.clone();
            move |_| keeper.keep()
        })
        .after_job(move |_, _| after.keep())
        .on_panic(move |_| panics.keep())
        .on_uncaught(move |_| uncaught.keep())
        .on_terminated(move || end.keep())
        .thread_name_fn(move |index| {
            namer.keep();
            format!("hooked-{index}")
        })
        .thread_factory(move |worker| {
            factory.keep();
            worker.builder().spawn(move || worker.run())
        })
        .wrap_job(move |job| {
            wrapper.keep();
            let around = wrapper.clone();
            job.wrap(move |run| {
                around.keep();
                run();
            })
        })
        .rejection_policy(Keeping(keeper.clone()))
}

#[test]
fn what_a_start_hook_finds_never_reaches_the_first_job() {
    for has_handle in [false, true] {
        let keeper = Keeper::default();
        let found = keeper.clone();
        let pool = ThreadPoolExecutor::builder()
            .threads(1)
            .on_thread_start(move |_| {
                // Left behind entered, too.
                let other = Interrupt::new();
                found.keep();
                std::mem::forget(other.enter());
                found.keep();
            })
            .build()
            .unwrap();
        assert!(pool.prestart_core_thread().unwrap());
        keeper.came.reach(2);
        assert_eq!(keeper.set(), 2, "it has one of its own");
        let clean = Counter::new();
        let seen = clean.clone();
        let look = move || {
            if is_clean() {
                seen.add();
            }
        };
        if has_handle {
            soon(pool.submit(look).unwrap());
        } else {
            pool.execute(look).unwrap();
        }
        finish(&pool);
        assert_eq!(clean.get(), 1, "with a handle: {has_handle}");
    }
}

#[test]
fn a_start_hook_is_interrupted_with_its_pool() {
    let (entered, told) = (Gate::new(), Gate::new());
    let (inside, over) = (entered.clone(), told.clone());
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .on_thread_start(move |_| {
            inside.open();
            if interrupt::sleep(LONG) == Err(Interrupted) {
                over.open();
            }
        })
        .build()
        .unwrap();
    assert!(pool.prestart_core_thread().unwrap());
    entered.pass();
    assert_eq!(pool.shutdown_now().len(), 0);
    told.pass();
    finish(&pool);
}

#[test]
fn what_hooks_find_never_reaches_a_later_job() {
    let keeper = Keeper::default();
    let pool = hooked(&keeper).build().unwrap();
    let (inner, own) = (pool.handle(), keeper.clone());
    let (clean, dirty) = (Counter::new(), Counter::new());
    let (good, bad) = (clean.clone(), dirty.clone());
    let look = move || {
        if is_clean() {
            good.add()
        } else {
            bad.add()
        };
    };
    for round in 0..4 {
        let (job, inner, own) = (look.clone(), inner.clone(), own.clone());
        let busy = move || {
            job();
            // Hooks of submissions run in this job: two that are queued, and one that is rejected.
            inner.execute(job.clone()).unwrap();
            inner.execute(job.clone()).unwrap();
            inner.execute(job).unwrap_err();
            own.keep();
            if round % 2 == 1 {
                resume_unwind(Box::new("reported"));
            }
        };
        if round < 2 {
            pool.execute(busy).unwrap();
        } else {
            drop(pool.submit(busy).unwrap());
        }
        pool.wait_idle(LONG).unwrap();
        assert!(keeper.set() > 0);
        soon(pool.submit(look.clone()).unwrap());
        assert!(keeper.set() > 0);
    }
    finish(&pool);
    assert!(keeper.set() > 0, "those of its end");
    assert_eq!((clean.get(), dirty.get()), (16, 0));
}

#[test]
fn what_the_end_of_another_pool_finds_never_reaches_a_later_job() {
    let keeper = Keeper::default();
    let pool = ThreadPoolExecutor::single().unwrap();
    for round in 0..3 {
        let kept = keeper.clone();
        let ends = move || {
            let other = hooked(&kept).build().unwrap();
            soon(other.submit(is_clean).unwrap());
            let observer = kept.hook();
            let plan = ShutdownPlan::new().on_phase(observer);
            match round {
                0 => drop(other.shutdown_with(&plan)),
                1 => drop(other.shutdown_with(&plan.grace(Duration::ZERO))),
                _ => drop(other),
            }
        };
        soon(pool.submit(ends.clone()).unwrap());
        assert!(keeper.set() > 0);
        assert!(soon(pool.submit(is_clean).unwrap()));
        pool.execute(ends).unwrap();
        pool.wait_idle(LONG).unwrap();
        assert!(keeper.set() > 0);
        assert!(soon(pool.submit(is_clean).unwrap()));
    }
    finish(&pool);
}

#[test]
fn what_hooks_find_on_a_submitter_never_reaches_its_next_job() {
    let keeper = Keeper::default();
    let pool = hooked(&keeper).queue(Queue::Handoff).rejection_policy(CallerRuns).build().unwrap();
    let (gate, running) = (Gate::new(), Gate::new());
    let (passed, started) = (gate.clone(), running.clone());
    pool.execute(move || {
        started.open();
        passed.pass();
    })
    .unwrap();
    running.pass();
    for _ in 0..2 {
        assert!(soon(pool.submit(is_clean).unwrap()), "run here");
        assert!(keeper.set() > 0);
    }
    assert!(interrupt::current().is_none());
    gate.open();
    assert_eq!(finish(&pool).caller_ran, 2);
}

/// Keeps the current interrupt when it is dropped.
struct KeepsAtItsEnd(Keeper);

impl Drop for KeepsAtItsEnd {
    fn drop(&mut self) {
        self.0.keep();
    }
}

#[test]
fn what_the_end_of_a_job_finds_never_reaches_the_next_job_on_the_same_thread() {
    let keeper = Keeper::default();
    let (direct, manual) = (DirectExecutor::new(), ManualExecutor::new());
    let pool = ThreadPoolExecutor::single().unwrap();
    // Two panics, of which no handle hears: their payloads are dropped by who runs the job.
    let panics = {
        let keeper = keeper.clone();
        move || {
            let (inner, outer) = (KeepsAtItsEnd(keeper.clone()), KeepsAtItsEnd(keeper.clone()));
            Job::new(move || resume_unwind(Box::new(inner))).wrap(move |run| {
                run();
                resume_unwind(Box::new(outer));
            })
        }
    };
    let clean = Counter::new();
    let look = {
        let (keeper, clean) = (keeper.clone(), clean.clone());
        move || {
            assert_eq!(keeper.set(), 2, "that of each payload");
            if is_clean() {
                clean.add();
            }
        }
    };
    let (executor, first, second) = (direct.clone(), panics.clone(), look.clone());
    let both = move || {
        // They wait for this job to end.
        executor.execute_job(first()).unwrap();
        executor.execute(second).unwrap();
    };
    direct.execute(both).unwrap();
    manual.execute_job(panics()).unwrap();
    manual.execute(look.clone()).unwrap();
    assert_eq!(manual.run_until_idle(), 2);
    pool.execute_job(panics()).unwrap();
    pool.execute(look).unwrap();
    finish(&pool);
    assert_eq!(clean.get(), 3);
}
