//! Models of a pool that ends while jobs come: each is run, returned or refused, and one of these.

use super::{Count, end, explore, pool, spawn};
use crate::Phase;

#[test]
fn after_shutdown_nothing_is_accepted_and_the_rest_runs() {
    explore("submit against shutdown", 3, || {
        let pool = pool(1);
        let runs = Count::default();
        let submit = |handle: &crate::Handle| {
            let runs = runs.clone();
            let refused = handle.execute(move || runs.add()).err();
            assert!(refused.as_ref().is_none_or(crate::Rejected::is_shutdown));
            refused.is_none()
        };
        let accepted = usize::from(submit(&pool.handle())) + usize::from(submit(&pool.handle()));
        assert_eq!(accepted, 2);
        let handle = pool.handle();
        let ender = spawn(move || {
            handle.shutdown();
            assert!(handle.execute(|| ()).is_err_and(|refused| refused.is_shutdown()));
        });
        let accepted = accepted + usize::from(submit(&pool.handle()));
        ender.join().expect("it does not panic");
        let stats = end(pool);
        assert_eq!(runs.get(), accepted);
        assert_eq!(stats.completed, accepted as u64);
        assert_eq!(stats.rejected, 4 - accepted as u64);
    });
}

#[test]
fn after_shutdown_now_each_job_is_in_one_place() {
    explore("submit against shutdown_now", 3, || {
        let pool = pool(1);
        let runs = Count::default();
        let handle = pool.handle();
        let ender = spawn(move || {
            let returned = handle.shutdown_now();
            let stats = handle.stats();
            assert!(stats.phase >= Phase::Stop);
            assert_eq!(stats.queued, 0, "what is left would be started after the stop");
            returned.into_iter().for_each(crate::Job::run);
        });
        for _ in 0..3 {
            let runs = runs.clone();
            if let Err(refused) = pool.execute(move || runs.add()) {
                assert!(refused.is_shutdown());
                refused.into_job().run();
            }
        }
        ender.join().expect("it does not panic");
        let stats = end(pool);
        assert_eq!(runs.get(), 3);
        assert_eq!(stats.completed + stats.handed_back + stats.rejected, 3);
    });
}
