//! The backlog keeps the order, and not what was cancelled.

use super::{Backlog, FEW};
use crate::job::Job;

#[test]
fn cancelled_jobs_do_not_pile_up() {
    let mut backlog = Backlog::default();
    let mut swept = 0;
    for _ in 0..10_000 {
        let (job, handle) = Job::with_handle(|| ());
        handle.cancel();
        swept += backlog.push(job).len();
        assert!(backlog.jobs.len() <= FEW);
    }
    assert_eq!(swept + backlog.jobs.len(), 10_000);
    assert_eq!(backlog.pending(), 0);
}

#[test]
fn a_sweep_keeps_the_live_jobs_their_order_and_their_numbers() {
    let mut backlog = Backlog::default();
    let mut handles = Vec::new();
    for number in 1..=1000_u64 {
        let (job, handle) = Job::with_handle(move || number);
        if number % 3 != 0 {
            handle.cancel();
        }
        handles.push(handle);
        drop(backlog.push(job));
    }
    assert!(backlog.jobs.len() < 1000, "it was swept");
    assert_eq!((backlog.last(), backlog.pending()), (1000, 333));
    let mut dead = Vec::new();
    let mut ran = Vec::new();
    while let Some(job) = backlog.pop(500, &mut dead) {
        ran.push(job);
    }
    assert_eq!(ran.len(), 166, "those up to number 500");
    assert_eq!(backlog.pending(), 333 - 166);
}
