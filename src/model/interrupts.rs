//! Models of whom an interrupt reaches, and when it does no more.

use std::time::Duration;

use super::{Count, Mark, end, explore, pool, spawn};
use crate::interrupt::{self, Interrupt, Interrupted};
use crate::sync::{Arc, Mutex};
use crate::{CancelOutcome, JoinError};

#[test]
fn an_interrupt_reaches_the_job_that_waits_and_no_other() {
    explore("cancel against wait and end of job", 3, || {
        let pool = pool(1);
        let first =
            pool.submit(|| while interrupt::park_timeout(Duration::MAX) != Err(Interrupted) {});
        let first = first.expect("there is room");
        let second = pool.submit(interrupt::is_interrupted).expect("there is room");
        let outcome = first.cancel();
        let result = first.join();
        match outcome {
            CancelOutcome::Removed => assert!(matches!(result, Err(JoinError::Cancelled(_)))),
            CancelOutcome::Interrupted => assert!(result.is_ok()),
            CancelOutcome::AlreadyFinished => unreachable!("only this ends it"),
        }
        assert_eq!(second.join().ok(), Some(false));
        end(pool);
    });
}

#[test]
fn shutdown_now_reaches_a_job_that_is_about_to_wait() {
    explore("shutdown_now against wait", 3, || {
        let pool = pool(1);
        let job = pool.execute(|| while interrupt::park_timeout(Duration::MAX).is_ok() {});
        job.expect("there is room");
        let pending = pool.shutdown_now();
        let stats = end(pool);
        assert_eq!(stats.completed + pending.len() as u64, 1);
    });
}

#[test]
fn an_interrupt_does_not_reach_the_next_job_without_a_handle() {
    explore("interrupt against end of job", 3, || {
        let pool = pool(1);
        let seen = Count::default();
        let own = Arc::new(Mutex::new(None));
        let found = Arc::clone(&own);
        let job = move || *found.lock() = interrupt::current();
        pool.execute(job).expect("there is room");
        let looks = seen.clone();
        let next = move || {
            if interrupt::is_interrupted() {
                looks.add();
            }
        };
        pool.execute(next).expect("there is room");
        let late = own.lock().take();
        if let Some(interrupt) = late {
            interrupt.interrupt();
        }
        end(pool);
        assert_eq!(seen.get(), 0);
    });
}

#[test]
fn a_callback_that_was_taken_back_does_not_run_any_more() {
    explore("interrupt against revoke", 3, || {
        let interrupt = Interrupt::new();
        let (calls, late, over) = (Count::default(), Count::default(), Mark::default());
        let (call, is_late, is_over) = (calls.clone(), late.clone(), over.clone());
        let guard = interrupt.on_interrupt(move || {
            call.add();
            if is_over.get() > 0 {
                is_late.add();
            }
        });
        let other = interrupt.clone();
        let interrupter = spawn(move || other.interrupt());
        drop(guard);
        over.add();
        interrupter.join().expect("it does not panic");
        assert!(interrupt.is_interrupted());
        assert!(calls.get() <= 1);
        assert_eq!(late.get(), 0, "it ran while its guard was gone");
    });
}

#[test]
fn a_child_is_set_with_its_parent() {
    explore("interrupt against link", 3, || {
        let parent = Interrupt::new();
        let other = parent.clone();
        let interrupter = spawn(move || other.interrupt());
        let child = parent.child();
        interrupter.join().expect("it does not panic");
        assert!(child.is_interrupted());
    });
}
