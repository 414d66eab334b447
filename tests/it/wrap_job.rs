//! Tests of what goes around a job: that it carries the submitter's context, and that the job in it
//! stays what it was. Also of what is told of a panic that nobody receives.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use workcrew::policy::CallerRuns;
use workcrew::{
    Builder, CancelOutcome, Handle, Job, JobState, JoinError, Queue, ThreadPoolExecutor, interrupt,
};

use crate::support::{
    Counter, Gate, LONG, assert_cancelled, block_worker, finish, settled, single, soon, stop_point,
};

thread_local!(static CONTEXT: RefCell<&'static str> = const { RefCell::new("none") });

fn context() -> &'static str {
    CONTEXT.with_borrow(|context| *context)
}

/// Wraps each job in the context of its submitter.
fn carrying() -> Builder {
    ThreadPoolExecutor::builder().threads(1).wrap_job(|job| {
        let submitters = context();
        job.wrap(move |run| {
            let before = CONTEXT.replace(submitters);
            run();
            CONTEXT.set(before);
        })
    })
}

fn carrying_pool() -> ThreadPoolExecutor {
    carrying().build().unwrap()
}

#[test]
fn each_job_sees_the_context_of_its_submitter_whichever_way_it_comes() {
    let pool = carrying_pool();
    CONTEXT.set("mine");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let look = || {
        let seen = Arc::clone(&seen);
        move || seen.lock().push(context())
    };
    pool.execute(look()).unwrap();
    pool.try_execute(look()).unwrap();
    pool.execute_timeout(look(), LONG).unwrap();
    pool.execute_job(Job::new(look())).unwrap();
    pool.execute_named("named", look()).unwrap();
    assert_eq!(soon(pool.submit(context).unwrap()), "mine");
    assert_eq!(soon(pool.handle().submit_named("named", context).unwrap()), "mine");
    CONTEXT.set("another");
    assert_eq!(soon(pool.submit(context).unwrap()), "another");
    finish(&pool);
    assert_eq!(*seen.lock(), ["mine"; 5]);
}

#[test]
fn the_hook_is_called_once_for_each_submission_also_under_a_policy() {
    let calls = Counter::new();
    let counted = calls.clone();
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .queue(Queue::Handoff)
        .rejection_policy(CallerRuns)
        .wrap_job(move |job| {
            counted.add();
            job
        })
        .build()
        .unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    pool.execute(|| ()).unwrap();
    assert_eq!(pool.stats().caller_ran, 1);
    assert!(pool.try_execute(|| ()).is_err());
    assert_eq!(calls.get(), 3);
    gate.open();
    finish(&pool);
    assert!(pool.execute(|| ()).is_err());
    assert_eq!(calls.get(), 4, "also of a job that is then rejected");
}

#[test]
fn a_panic_of_the_hook_is_the_submitters_and_nothing_is_counted() {
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .wrap_job(|job| if job.name() == Some("bad") { panic!("the hook's") } else { job })
        .build()
        .unwrap();
    let (job, handle) = Job::named_with_handle("bad", || ());
    let caught = catch_unwind(AssertUnwindSafe(|| pool.execute_job(job)));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"the hook's"));
    assert_cancelled(handle);
    assert_eq!(pool.stats().submitted, 0);
    soon(pool.submit(|| ()).unwrap());
    finish(&pool);
}

#[test]
fn a_wrapped_job_keeps_name_place_and_handle() {
    let plain = Job::named("plain", || ());
    let place = plain.submitted_at();
    let plain = plain.wrap(|run| run());
    assert_eq!((plain.name(), plain.submitted_at()), (Some("plain"), place));
    let (job, handle) = Job::named_with_handle("tracked", || 7);
    let place = job.submitted_at();
    let job = job.wrap(|run| run()).wrap(|run| run());
    assert_eq!((job.name(), job.submitted_at()), (Some("tracked"), place));
    let pool = single();
    pool.execute_job(plain).unwrap();
    pool.execute_job(job).unwrap();
    assert_eq!(soon(handle), 7);
    finish(&pool);
}

#[test]
fn what_is_wrapped_last_is_outermost() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let around = |name: &'static str| {
        let order = Arc::clone(&order);
        move |run: &mut dyn FnMut()| {
            order.lock().push(name);
            run();
            run(); // does nothing
            order.lock().push(name);
        }
    };
    let inside = |order: &Arc<Mutex<Vec<_>>>| {
        let order = Arc::clone(order);
        move || order.lock().push("job")
    };
    Job::new(inside(&order)).wrap(around("inner")).wrap(around("outer")).run();
    assert_eq!(*order.lock(), ["outer", "inner", "job", "inner", "outer"]);
    order.lock().clear();
    let (job, handle) = Job::with_handle(inside(&order));
    job.wrap(around("inner")).wrap(around("outer")).run();
    soon(handle);
    assert_eq!(*order.lock(), ["outer", "inner", "job", "inner", "outer"]);
}

#[test]
fn a_wrapped_pending_job_is_cancelled_at_once_with_what_is_around_it() {
    struct Drops(Counter);
    impl Drop for Drops {
        fn drop(&mut self) {
            self.0.add();
        }
    }
    let dropped = Counter::new();
    let counted = dropped.clone();
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .wrap_job(move |job| {
            let held = Drops(counted.clone());
            job.wrap(move |run| {
                run();
                drop(held);
            })
        })
        .build()
        .unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let handle = pool.submit(|| unreachable!()).unwrap();
    assert_eq!(handle.cancel(), CancelOutcome::Removed);
    assert_eq!(dropped.get(), 1);
    assert_cancelled::<()>(handle);
    gate.open();
    assert_eq!(finish(&pool).cancelled, 1);
    assert_eq!(dropped.get(), 2);
}

#[test]
fn what_comes_around_a_job_that_was_cancelled_is_dropped_at_once() {
    let dropped = Arc::new(());
    let held = Arc::clone(&dropped);
    let (job, handle) = Job::with_handle(|| unreachable!());
    assert_eq!(handle.cancel(), CancelOutcome::Removed);
    let job = job.wrap(move |_| drop(held));
    assert_eq!(Arc::strong_count(&dropped), 1);
    job.run();
    assert_cancelled::<()>(handle);
}

#[test]
fn a_running_wrapped_job_is_interrupted_through_its_handle() {
    let pool = carrying_pool();
    let running = Gate::new();
    let started = running.clone();
    let handle = pool.submit(move || {
        started.open();
        interrupt::sleep(LONG)
    });
    let handle = handle.unwrap();
    running.pass();
    assert_eq!(handle.cancel(), CancelOutcome::Interrupted);
    assert!(soon(handle).is_err());
    finish(&pool);
}

#[test]
fn a_wrapped_job_that_comes_back_runs_wrapped() {
    let pool = carrying_pool();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    CONTEXT.set("then");
    let handle = pool.submit(context).unwrap();
    let pending = pool.shutdown_now();
    CONTEXT.set("now");
    assert_eq!(handle.state(), JobState::Pending);
    pending.into_iter().for_each(Job::run);
    assert_eq!((soon(handle), context()), ("then", "now"));
    let rejected = pool.submit(context).unwrap_err().into_job();
    drop(rejected);
    gate.open();
    finish(&pool);
}

#[test]
fn a_waiter_that_runs_a_wrapped_job_itself_does_so_within_its_context() {
    let pool = carrying_pool();
    let handle = pool.handle();
    let outer = pool.submit(move || {
        CONTEXT.set("inner's");
        let inner = handle.submit(context).unwrap();
        CONTEXT.set("outer's");
        (inner.join().unwrap(), context())
    });
    assert_eq!(soon(outer.unwrap()), ("inner's", "outer's"));
    finish(&pool);
}

/// A panic in each place, for a job with a handle and for one without: what the handle says, and what
/// is reported.
#[test]
fn panics_of_a_job_and_of_what_is_around_it_are_told_once_each() {
    type Around = fn(&mut dyn FnMut());
    let cases: [(Around, bool, &str, &[&str]); 6] = [
        (|run| run(), false, "", &[]),
        (|run| run(), true, "the job's", &[]),
        (|_| panic!("before"), false, "before", &[]),
        (|_| (), false, "what is around the job did not run it", &[]),
        (
            |run| {
                run();
                panic!("after")
            },
            false,
            "",
            &["after"],
        ),
        (
            |run| {
                run();
                panic!("after")
            },
            true,
            "the job's",
            &["after"],
        ),
    ];
    for (around, panics, told, reported) in cases {
        let uncaught = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&uncaught);
        let pool = ThreadPoolExecutor::builder()
            .threads(1)
            .on_uncaught(move |panic| noted.lock().push(panic.message().unwrap().to_owned()))
            .build()
            .unwrap();
        let body = move || assert!(!panics, "the job's");
        let (job, handle) = Job::with_handle(body);
        pool.execute_job(job.wrap(around)).unwrap();
        match settled(handle) {
            Ok(()) => assert_eq!(told, ""),
            Err(JoinError::Panicked(payload)) => {
                assert_eq!(payload.message(), Some(told), "the handle's");
            }
            Err(other) => panic!("{other}"),
        }
        pool.wait_idle(LONG).unwrap();
        assert_eq!(*uncaught.lock(), reported, "with a handle: {told}");
        uncaught.lock().clear();
        pool.execute_job(Job::new(body).wrap(around)).unwrap();
        let stats = finish(&pool);
        let all: Vec<_> = [told].into_iter().filter(|told| !told.is_empty()).collect();
        let all: Vec<_> = all.into_iter().chain(reported.iter().copied()).collect();
        assert_eq!(*uncaught.lock(), all, "without a handle");
        let ended = if told.is_empty() { (2, 0) } else { (0, 2) };
        assert_eq!((stats.completed, stats.panicked), ended);
    }
}

#[test]
fn before_job_failing_ends_a_wrapped_job_and_drops_what_is_around_it() {
    let pool = carrying().before_job(|_| panic!("a hook's")).build().unwrap();
    let handle = pool.submit(|| unreachable!()).unwrap();
    assert_eq!(settled::<()>(handle).unwrap_err().message(), Some("a hook's"));
    pool.execute(|| unreachable!()).unwrap();
    assert_eq!(finish(&pool).panicked, 2);
}

// What is told of a panic that nobody receives.

#[test]
fn an_uncaught_panic_is_told_with_job_place_and_thread() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&told);
    let payloads = Counter::new();
    let counted = payloads.clone();
    let pool = ThreadPoolExecutor::builder()
        .name("mail")
        .threads(1)
        .on_panic(move |_| _ = counted.add())
        .on_uncaught(move |panic| {
            let line = panic.submitted_at().map(Location::line);
            let name = panic.job_name().map(str::to_owned);
            assert!(panic.payload().is::<&str>() && !format!("{panic:?}").is_empty());
            noted.lock().push((name, line, panic.thread_name(), panic.to_string()));
            assert_eq!(panic.pool_name(), "mail");
            panic!("the hook's own is contained");
        })
        .after_job(|_, _| panic!("after_job's"))
        .build()
        .unwrap();
    let line = line!() + 1;
    pool.execute_named("mail 7", || panic!("no such mailbox")).unwrap();
    drop(pool.submit_named("mail 8", || panic!("none either")).unwrap());
    finish(&pool);
    let told = told.lock();
    let jobs: Vec<_> = told.iter().filter(|told| told.1.is_some()).collect();
    assert_eq!((told.len(), jobs.len(), payloads.get()), (4, 2, 4), "{told:?}");
    let thread = Some("mail-1".to_owned());
    let expected = [("mail 7", line), ("mail 8", line + 1)];
    for (told, (name, line)) in jobs.into_iter().zip(expected) {
        assert_eq!((told.0.as_deref(), told.1, &told.2), (Some(name), Some(line), &thread));
    }
    let first = told.iter().find(|told| told.1 == Some(line)).unwrap();
    let text = "a job panicked: no such mailbox (\"mail 7\", submitted at ";
    assert!(first.3.starts_with(text), "{}", first.3);
}

#[test]
fn no_lock_is_held_while_the_hook_wraps() {
    let slot: Arc<Mutex<Option<Handle>>> = Arc::default();
    let seen = Arc::clone(&slot);
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .wrap_job(move |job| {
            let handle = seen.lock().clone();
            if let Some(handle) = handle {
                handle.stats();
                handle.running_jobs();
                assert!(handle.await_termination(Duration::ZERO).is_err());
            }
            job
        })
        .build()
        .unwrap();
    *slot.lock() = Some(pool.handle());
    let (entered, leave, stop) = stop_point();
    pool.execute(stop).unwrap();
    entered.pass();
    pool.execute(|| ()).unwrap();
    leave.open();
    finish(&pool);
    slot.lock().take();
}

#[test]
fn jobs_of_sets_scopes_maps_and_calls_are_wrapped_once_wherever_they_come_from() {
    for queue in [Queue::Unbounded, Queue::Handoff] {
        let wrapped = Counter::new();
        let count = wrapped.clone();
        let pool = ThreadPoolExecutor::builder()
            .threads(1)
            .queue(queue)
            .rejection_policy(CallerRuns)
            .wrap_job(move |job| {
                count.add();
                job
            })
            .build()
            .unwrap();
        let submit_all = |pool: Handle| {
            let mut set = pool.join_set();
            set.submit(|| ()).unwrap();
            assert!(set.next().unwrap().1.is_ok());
            assert_eq!(pool.invoke_all([|| (), || ()]).unwrap().len(), 2);
            assert!(pool.invoke_any([|| Ok::<_, ()>(())]).is_ok());
            pool.scope(|s| s.execute(|| ()).unwrap()).unwrap();
            assert_eq!(pool.map(0..3, |n| n).count(), 3);
        };
        submit_all(pool.handle());
        assert_eq!(wrapped.get(), 8, "{queue:?}");
        let own = pool.handle();
        soon(pool.submit(move || submit_all(own)).unwrap());
        assert_eq!(wrapped.get(), 8 + 1 + 8, "{queue:?}");
        finish(&pool);
    }
}
