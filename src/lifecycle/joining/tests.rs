//! Tests of threads that were to be joined and were not.

use super::*;
use crate::ThreadPoolExecutor;
use crate::sync::thread;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn threads_that_were_not_joined_are_for_who_waits() {
    let owner = ThreadPoolExecutor::fixed(2).expect("valid settings");
    owner.prestart_all_core_threads().expect("two threads can be had");
    let handle = owner.handle();
    let pool = handle.pool();
    pool.shutdown();
    let end = Deadline::after(LONG);
    pool.wait_over(end, Heed::Nothing).expect("no job is there");
    let joining = pool.joining(pool.desk.lock().threads.take_gone());
    let taken = joining.gone.len();
    assert!(taken > 0, "a leaving worker joins only those before it");
    let at_once = Deadline::after(Duration::ZERO);
    assert_eq!(pool.wait_end(at_once, Heed::Nothing), Err(AwaitError::TimedOut));
    thread::scope(|scope| {
        let waits = scope.spawn(|| pool.wait_end(end, Heed::Nothing));
        // It waits for this thread, which gives up.
        while pool.desk.lock().end_waiters.is_empty() {
            thread::park_timeout(Duration::from_millis(1));
        }
        drop(joining);
        assert_eq!(waits.join().expect("it does not panic"), Ok(()));
    });
    assert!(pool.desk.lock().threads.all_joined());
}
