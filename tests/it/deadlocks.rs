//! Waits that can never end: an error at once where a job waits for itself, a line in the log where
//! jobs wait for each other.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use parking_lot::Mutex;
use workcrew::{JobHandle, JoinError, JoinSet, ThreadPoolExecutor, interrupt};

use crate::support::alone::{assert_passed, command};
use crate::support::{Gate, LONG, eventually, finish, single};
use crate::waits::soon;

/// Runs a job that waits for itself by `wait`, with what is sent to it; returns whether it was told
/// that this is a deadlock.
fn is_deadlock<H: Send + 'static>(
    pool: &ThreadPoolExecutor,
    begin: impl FnOnce(Box<dyn FnOnce() + Send>, Sender<H>),
    wait: impl FnOnce(H) -> bool + Send + 'static,
) -> bool {
    let (give, take) = bounded(1);
    let (told, hears) = bounded(1);
    begin(Box::new(move || told.send(wait(take.recv().unwrap())).unwrap()), give);
    let is_told = hears.recv_timeout(LONG).expect("it does not wait");
    pool.wait_idle(LONG).unwrap();
    is_told
}

#[test]
fn a_job_that_waits_for_itself_by_any_call_is_told_so() {
    let pool = single();
    let is_it = |result: Result<(), JoinError>| matches!(result, Err(JoinError::Deadlock));
    let submit = |f: Box<dyn FnOnce() + Send>, give: Sender<JobHandle<()>>| {
        give.send(pool.submit(f).unwrap()).unwrap();
    };
    assert!(is_deadlock(&pool, submit, move |own: JobHandle<()>| is_it(own.join())));
    assert!(is_deadlock(&pool, submit, move |own: JobHandle<()>| {
        is_it(own.join_timeout(LONG).unwrap())
    }));
    for timed in [false, true] {
        let submit = |f: Box<dyn FnOnce() + Send>, give: Sender<JoinSet<()>>| {
            let mut set = pool.join_set();
            set.submit(f).unwrap();
            give.send(set).unwrap();
        };
        assert!(is_deadlock(&pool, submit, move |mut set: JoinSet<()>| {
            let next =
                if timed { set.join_next_timeout(LONG).unwrap() } else { set.join_next().unwrap() };
            let (_, result) = next.unwrap();
            is_it(result) && set.is_empty()
        }));
        // The others of the set come first.
        let own = pool.handle();
        let submit = |f: Box<dyn FnOnce() + Send>, give: Sender<JoinSet<()>>| {
            let mut set = own.join_set();
            set.submit(f).unwrap();
            set.submit(|| ()).unwrap();
            give.send(set).unwrap();
        };
        assert!(is_deadlock(&pool, submit, move |mut set: JoinSet<()>| {
            let mut next = || {
                if timed { set.join_next_timeout(LONG).unwrap() } else { set.join_next().unwrap() }
            };
            let (first, second) = (next().unwrap().1, next().unwrap().1);
            first.is_ok() && is_it(second)
        }));
    }
    finish(&pool);
}

#[test]
fn a_scoped_job_that_waits_for_itself_is_told_so() {
    for timed in [false, true] {
        let pool = single();
        let (told, hears) = bounded(1);
        pool.scope(|s| {
            let (give, take) = bounded::<workcrew::ScopedHandle<'_, ()>>(1);
            let own = s
                .submit(move || {
                    let own = take.recv().unwrap();
                    let result = if timed { own.join_timeout(LONG).unwrap() } else { own.join() };
                    told.send(matches!(result, Err(JoinError::Deadlock))).unwrap();
                })
                .unwrap();
            give.send(own).unwrap();
        })
        .unwrap();
        assert!(hears.recv().unwrap(), "{timed}");
        finish(&pool);
    }
}

#[test]
fn a_job_below_another_that_it_runs_inline_is_found_by_that_one() {
    let pool = single();
    let (give, take) = bounded::<JobHandle<bool>>(1);
    let own = pool.handle();
    let outer = pool
        .submit(move || {
            let outer = take.recv().unwrap();
            own.submit(move || matches!(outer.join(), Err(JoinError::Deadlock)))
                .unwrap()
                .join()
                .unwrap()
        })
        .unwrap();
    let done = outer.done().clone();
    give.send(outer).unwrap();
    assert!(done.recv_timeout(LONG).unwrap_err().is_disconnected());
    finish(&pool);
}

#[test]
fn a_thread_that_has_entered_the_jobs_interrupt_may_wait_for_the_job() {
    let (pool, gate) = (single(), Gate::new());
    let (give, take) = bounded(1);
    let open = gate.clone();
    let handle = pool
        .submit(move || {
            give.send(interrupt::current().unwrap()).unwrap();
            open.pass();
            7
        })
        .unwrap();
    let interrupt = take.recv().unwrap();
    let _entered = interrupt.enter();
    let handle = handle.join_timeout(Duration::from_millis(1)).expect_err("it runs");
    gate.open();
    assert_eq!(soon(handle), 7);
    finish(&pool);
}

/// Keeps the warnings.
struct Lines(Mutex<Vec<String>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl log::Log for Lines {
    fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().push(record.args().to_string());
    }

    fn flush(&self) {}
}

#[test]
#[ignore = "run in a process of its own by the test below"]
fn a_cycle_of_waits_in_a_process_of_its_own() {
    log::set_logger(&LINES).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    let (pool, other) = (single(), single());
    let (own, others) = (pool.handle(), other.handle());
    let first = pool
        .submit_named("first", move || {
            let again = own.clone();
            let second = others.submit_named("second", move || {
                again.submit_named("third", || ()).unwrap().join().unwrap();
            });
            second.unwrap().join().is_err()
        })
        .unwrap();
    let says = |who: &str, whom: &str| {
        let start = format!("\"{who}\" (");
        let end = format!(" has waited for \"{whom}\" (");
        LINES.0.lock().iter().filter(|line| line.contains(&start) && line.contains(&end)).count()
    };
    eventually("both waits are named", || says("first", "second") + says("second", "third") == 2);
    assert_eq!(LINES.0.lock().len(), 2, "{:?}", LINES.0.lock());
    // The cycle ends by an interrupt.
    first.cancel();
    assert!(soon(first));
    finish(&other);
    finish(&pool);
}

#[test]
fn a_cycle_of_waits_is_named_in_the_log_after_ten_seconds() {
    let output = command("deadlocks::a_cycle_of_waits_in_a_process_of_its_own").output().unwrap();
    assert_passed(&output);
}
