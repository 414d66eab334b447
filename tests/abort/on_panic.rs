//! A program for `.ci/abort`, which builds it with `panic = "abort"`: its argument says where the
//! panic is. Wherever it is, it is to end the process at once.
#![expect(clippy::unwrap_used, reason = "its end is what is looked at")]

use workcrew::{Queue, ThreadPoolExecutor, policy};

fn main() {
    let place = std::env::args().nth(1).unwrap_or_default();
    let is = |name: &str| place == name;
    let (starts, before, ends) = (is("thread-start"), is("before-job"), is("terminated"));
    let pool = ThreadPoolExecutor::builder()
        .threads(2)
        .queue(Queue::Bounded(10))
        .rejection_policy(policy::CallerRuns)
        .on_thread_start(move |_| assert!(!starts, "on purpose"))
        .before_job(move |_| assert!(!before, "on purpose"))
        .on_terminated(move || assert!(!ends, "on purpose"))
        .build()
        .unwrap();
    let (job, submitted) = (is("job"), is("submitted"));
    pool.execute(move || assert!(!job, "on purpose")).unwrap();
    let handle = pool.submit(move || assert!(!submitted, "on purpose")).unwrap();
    handle.join().unwrap();
    pool.close();
}
