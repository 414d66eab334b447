//! Jobs that are taken out of their pool and queued again, there or elsewhere, while others wait for
//! them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fastrand::Rng;
use workcrew::{Handle, ThreadPoolExecutor};

use crate::support::{Helper, finish, helper, repeat, soon};

/// A thread that takes pending jobs out of a pool and queues them in another order, until dropped.
struct Mover {
    is_over: Arc<AtomicBool>,
    _thread: Helper<()>,
}

impl Mover {
    fn start(from: &Arc<ThreadPoolExecutor>, to: Handle, seed: u64) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (ends, from) = (Arc::clone(&is_over), Arc::clone(from));
        let mut rng = Rng::with_seed(seed);
        let thread = helper(move || {
            while !ends.load(Ordering::SeqCst) {
                let mut jobs = from.take_pending();
                rng.shuffle(&mut jobs);
                for job in jobs {
                    let result =
                        if rng.bool() { to.execute_job(job) } else { from.execute_job(job) };
                    result.expect("there is room, and a thread");
                }
                std::thread::yield_now();
            }
        });
        Self { is_over, _thread: thread }
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

/// The `n`-th number of Fibonacci, with a job for each sum.
fn fork_join(pool: &Handle, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let inside = pool.clone();
    let left = pool.submit(move || fork_join(&inside, n - 1)).expect("there is room");
    let right = fork_join(pool, n - 2);
    left.join().expect("it neither panics nor is lost") + right
}

#[test]
fn fork_join_ends_while_its_jobs_are_taken_out_and_queued_again() {
    for run in 0..repeat(2) {
        let pool = Arc::new(ThreadPoolExecutor::fixed(2).expect("a pool of two threads"));
        let mover = Mover::start(&pool, pool.handle(), run as u64);
        let inside = pool.handle();
        let job = pool.submit(move || fork_join(&inside, 16)).expect("there is room");
        assert_eq!(soon(job), 987);
        drop(mover);
        finish(&pool);
    }
}

#[test]
fn a_job_that_goes_to_another_pool_is_noticed_by_who_waits_for_it() {
    for run in 0..repeat(2) {
        let pool = Arc::new(ThreadPoolExecutor::fixed(2).expect("a pool of two threads"));
        // A thread for each job: here one waits for jobs of the first pool, whose workers wait for
        // others of this.
        let other = ThreadPoolExecutor::cached().expect("a pool that grows");
        let mover = Mover::start(&pool, other.handle(), run as u64);
        let outer: Vec<_> = (0..300_u64)
            .map(|n| {
                let inside = pool.handle();
                let job = move || {
                    let inner = [0, 1, 2].map(|m| inside.submit(move || n + m));
                    let inner = inner.map(|job| job.expect("there is room").join());
                    inner.map(|result| result.expect("it is not lost")).iter().sum::<u64>()
                };
                pool.submit(job).expect("there is room")
            })
            .collect();
        for (n, job) in (0..).zip(outer) {
            assert_eq!(soon(job), 3 * n + 3);
        }
        drop(mover);
        finish(&pool);
        finish(&other);
    }
}
