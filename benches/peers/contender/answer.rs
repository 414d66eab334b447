//! A channel for the result of one job, for pools that have no handles.

use oneshot::Receiver;

pub(crate) type Answer<T> = Receiver<T>;

/// Returns a job without a result, and where the result of `job` will arrive.
pub(super) fn answered<T, F>(job: F) -> (impl FnOnce() + Send + 'static, Answer<T>)
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    (move || sender.send(job()).expect("the submitter waits"), receiver)
}

pub(super) fn receive<T>(answer: Answer<T>) -> T {
    answer.recv().expect("the job sends its result")
}
