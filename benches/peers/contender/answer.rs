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

/// The part of a `Contender` that gives out and takes results, for a pool without handles. It is a
/// macro because a trait cannot have an associated type by default.
macro_rules! submit_by_answer {
    () => {
        type Ticket<T: Send + 'static> = super::answer::Answer<T>;

        fn submit<T, F>(handle: &Self::Handle, job: F) -> Self::Ticket<T>
        where
            T: Send + 'static,
            F: FnOnce() -> T + Send + 'static,
        {
            let (job, answer) = super::answer::answered(job);
            Self::execute(handle, job);
            answer
        }

        fn join<T: Send + 'static>(_handle: &Self::Handle, ticket: Self::Ticket<T>) -> T {
            super::answer::receive(ticket)
        }
    };
}

pub(super) use submit_by_answer;
