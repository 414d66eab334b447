//! This crate's pool.

use workcrew::{Handle, ThreadPoolExecutor};

use super::Contender;

pub(crate) struct Workcrew(ThreadPoolExecutor);

impl Contender for Workcrew {
    const NAME: &'static str = "workcrew";

    type Handle = Handle;

    fn start(workers: usize) -> Self {
        Self(ThreadPoolExecutor::fixed(workers).expect("a valid size"))
    }

    fn handle(&self) -> Handle {
        self.0.handle()
    }

    fn execute<F: FnOnce() + Send + 'static>(handle: &Handle, job: F) {
        handle.execute(job).expect("the pool is open");
    }

    fn round_trip<T, F>(handle: &Handle, job: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let job = handle.submit(job).expect("the pool is open");
        job.join().expect("the job does not panic")
    }

    fn stop(self) {
        self.0.close();
    }
}
