//! Tests of what a waiter looks at before it looks into the cell.

use crate::job::Job;
use crate::task::CancelOutcome;

#[test]
fn a_job_looks_settled_once_it_is_and_not_before() {
    let (job, handle) = Job::with_handle(|| ());
    assert!(!handle.task().is_settled());
    job.run();
    assert!(handle.task().is_settled());

    let (job, handle) = Job::with_handle(|| ());
    assert_eq!(handle.cancel(), CancelOutcome::Removed);
    assert!(handle.task().is_settled());
    drop(job);

    let (job, handle) = Job::with_handle(|| ());
    drop(job);
    assert!(handle.task().is_settled());
}
