//! How errors are passed on, by `?` into the types that programs collect errors in, and across
//! threads; what a rejected submission gives back; and what may be used around a caught panic.

use std::error::Error;
use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use workcrew::interrupt::{self, Interrupt, Interrupted, RecvError, RecvTimeoutError, SendError};
use workcrew::policy::Discard;
use workcrew::{
    AwaitError, BuildError, CancelReason, DirectExecutor, Executor, ExecutorExt, Handle,
    InvokeAllError, InvokeAnyError, Job, JobHandle, JobState, JoinError, JoinSet, ManualExecutor,
    PanicPayload, Queue, RejectReason, Rejected, RejectedSubmit, ScopeError, ScopedRejected,
    ScopedRejectedSubmit, ThreadPerJob, ThreadPoolExecutor,
};

use crate::support::{Gate, LONG, block_worker, finish, helper, settled, single, soon};

type Boxed = Box<dyn Error + Send + Sync>;

/// What is only Send, as a result or a payload may be.
struct OnlySend(std::cell::Cell<u8>);

fn only_send() -> OnlySend {
    OnlySend(std::cell::Cell::new(7))
}

#[test]
fn every_error_goes_anywhere() {
    fn goes_anywhere<T: Error + Send + Sync + 'static>() {}
    fn is_shared<T: Error + Send + Sync>() {}
    fn of_a_scope<'scope>(_: &'scope str) {
        is_shared::<ScopedRejectedSubmit<'scope, OnlySend>>();
    }
    goes_anywhere::<AwaitError>();
    goes_anywhere::<BuildError>();
    goes_anywhere::<Interrupted>();
    goes_anywhere::<InvokeAllError>();
    goes_anywhere::<InvokeAnyError<std::io::Error>>();
    goes_anywhere::<JoinError>();
    goes_anywhere::<RecvError>();
    goes_anywhere::<RecvTimeoutError>();
    goes_anywhere::<Rejected>();
    goes_anywhere::<RejectedSubmit<OnlySend>>();
    goes_anywhere::<ScopeError>();
    goes_anywhere::<ScopedRejected>();
    goes_anywhere::<SendError<u8>>();
    of_a_scope("");
}

// `?`, into both.

/// A function that collects errors of every kind, in a program's one error type.
macro_rules! passing {
    ($name:ident, $error:ty) => {
        fn $name(pool: &ThreadPoolExecutor, call: Call, value: &mut usize) -> Result<(), $error> {
            match call {
                Call::Join => *value = pool.submit(|| 7)?.join()?,
                Call::Panic => pool.submit(|| panic_any(only_send()))?.join()?,
                Call::Execute => pool.execute(|| ())?,
                Call::All => *value = pool.invoke_all([|| 7])?.len(),
                Call::Any => *value = pool.invoke_any([|| "7".parse::<usize>()])?,
                Call::Set => {
                    let mut set = pool.join_set();
                    set.submit(|| 7)?;
                    if let Some((_, result)) = set.join_next()? {
                        *value = result?;
                    }
                }
                Call::Await => pool.await_termination(Duration::ZERO)?,
                Call::Build => drop(ThreadPoolExecutor::builder().max_threads(0).build()?),
                Call::Scope => pool.scope(|s| -> Result<(), $error> {
                    s.execute(|| *value = 7)?;
                    Ok(())
                })??,
                Call::ScopedSubmit => {
                    *value = pool.scope(|s| -> Result<usize, $error> {
                        Ok(s.submit(|| 7).map_err(ScopedRejected::from)?.join()?)
                    })??;
                }
            }
            Ok(())
        }
    };
}

passing!(with_anyhow, anyhow::Error);
passing!(with_boxes, Boxed);

#[derive(Clone, Copy)]
enum Call {
    Join,
    Panic,
    Execute,
    All,
    Any,
    Set,
    Await,
    Build,
    Scope,
    ScopedSubmit,
}

const CALLS: [Call; 10] = [
    Call::Join,
    Call::Panic,
    Call::Execute,
    Call::All,
    Call::Any,
    Call::Set,
    Call::Await,
    Call::Build,
    Call::Scope,
    Call::ScopedSubmit,
];

/// What the calls say, in the order of `CALLS`, of a pool that was shut down.
const REFUSED: [&str; 10] = [
    "the pool is shut down and takes no more jobs",
    "the pool is shut down and takes no more jobs",
    "the pool is shut down and takes no more jobs",
    "a job was not accepted: the pool is shut down and takes no more jobs",
    "a job was not accepted: the pool is shut down and takes no more jobs",
    "the pool is shut down and takes no more jobs",
    "timed out waiting for the pool",
    "max_threads is 0, but must be at least 1",
    "the pool is shut down and takes no more jobs",
    "the pool is shut down and takes no more jobs",
];

#[test]
fn errors_pass_by_a_question_mark_into_what_programs_collect_them_in() {
    for (call, refused) in CALLS.into_iter().zip(REFUSED) {
        let (pool, mut value) = (single(), 0);
        let open = with_anyhow(&pool, call, &mut value).map_err(|error| error.to_string());
        let boxed = with_boxes(&pool, call, &mut value).map_err(|error| error.to_string());
        assert_eq!(open, boxed);
        match call {
            Call::Panic => assert_eq!(open, Err("the job panicked".to_owned())),
            Call::Await | Call::Build => assert_eq!(open, Err(refused.to_owned())),
            Call::Execute => assert_eq!((open, value), (Ok(()), 0)),
            Call::All => assert_eq!((open, value), (Ok(()), 1)),
            Call::Join | Call::Any | Call::Set | Call::Scope | Call::ScopedSubmit => {
                assert_eq!((open, value), (Ok(()), 7));
            }
        }
        finish(&pool);

        // A worker that does not end: one that was shut down and waited for has.
        let (pool, gate) = (single(), Gate::new());
        block_worker(&pool, &gate);
        pool.shutdown();
        let shut = with_anyhow(&pool, call, &mut value).expect_err("refused");
        let boxed = with_boxes(&pool, call, &mut value).expect_err("refused");
        assert_eq!((shut.to_string(), boxed.to_string()), (refused.to_owned(), refused.to_owned()));
        gate.open();
    }
}

#[test]
fn a_join_error_can_be_found_again_in_the_error_that_it_became() {
    fn run(pool: &ThreadPoolExecutor) -> anyhow::Result<()> {
        pool.submit(|| panic_any(only_send()))?.join()?;
        Ok(())
    }
    let pool = single();
    let error = run(&pool).expect_err("it panics");
    // Shared with another thread, which sees the text alone.
    let error = Arc::new(error);
    let shared = Arc::clone(&error);
    assert_eq!(helper(move || shared.to_string()).join(), "the job panicked");
    let error = Arc::into_inner(error).expect("the other is gone").downcast::<JoinError>();
    let payload = error.expect("it was one").into_panic().expect("it panicked");
    assert_eq!(payload.downcast::<OnlySend>().expect("the very payload").0.get(), 7);
    finish(&pool);
}

// What a panic carried.

#[test]
fn a_payload_comes_out_as_it_went_in_and_gives_its_message_alone() {
    let payloads: [(Box<dyn std::any::Any + Send>, _); 3] = [
        (Box::new("literal"), Some("literal")),
        (Box::new(String::from("text")), Some("text")),
        (Box::new(only_send()), None),
    ];
    for (payload, message) in payloads {
        let kind = (*payload).type_id();
        let payload = PanicPayload::from(payload);
        assert_eq!(payload.message(), message);
        assert_eq!(format!("{payload:?}"), format!("PanicPayload({message:?})"));
        let error = JoinError::Panicked(payload);
        assert_eq!(
            (error.message(), error.is_panic(), error.cancel_reason()),
            (message, true, None)
        );
        let payload = error.into_panic().expect("it is one");
        assert_eq!((*payload).type_id(), kind);
    }
    assert!(size_of::<JoinError>() <= 2 * size_of::<usize>(), "results carry it");
}

// Rejected submissions.

/// Calls that make a handle, each to an executor that accepts nothing.
fn refusing() -> Vec<Result<JobHandle<usize>, RejectedSubmit<usize>>> {
    let pool = single();
    let threads = ThreadPerJob::new();
    let (direct, manual) = (DirectExecutor::new(), ManualExecutor::new());
    pool.shutdown();
    threads.shutdown();
    direct.shutdown();
    manual.shutdown();
    vec![
        pool.submit(|| 7),
        pool.submit_named("seven", || 7),
        pool.handle().submit(|| 7),
        pool.handle().submit_named("seven", || 7),
        threads.submit(|| 7),
        threads.submit_named("seven", || 7),
        direct.submit(|| 7),
        manual.submit(|| 7),
        (&direct as &dyn Executor).submit(|| 7),
    ]
}

#[test]
fn a_rejected_submission_gives_job_and_handle_back_and_they_belong_together() {
    for result in refusing() {
        let rejected = result.expect_err("nothing is accepted");
        assert_eq!(rejected.reason(), RejectReason::Shutdown);
        assert!(rejected.is_shutdown() && !rejected.is_saturated());
        assert_eq!(format!("{rejected:?}"), "RejectedSubmit { reason: Shutdown, .. }");
        assert_eq!(rejected.to_string(), "the pool is shut down and takes no more jobs");
        let (rejected, handle) = rejected.into_parts();
        assert_eq!(handle.state(), JobState::Pending);
        rejected.into_job().run();
        assert_eq!(soon(handle), 7);
    }
}

#[test]
fn a_rejected_submission_may_be_submitted_elsewhere_and_its_handle_is_told() {
    let other = single();
    for result in refusing() {
        let (rejected, handle) = result.expect_err("nothing is accepted").into_parts();
        other.execute_job(rejected.into_job()).expect("it is open");
        assert_eq!(soon(handle), 7);
    }
    for result in refusing() {
        let (rejected, handle) = result.expect_err("nothing is accepted").into_parts();
        drop(rejected);
        let error = settled(handle).expect_err("it did not run");
        assert_eq!(error.cancel_reason(), Some(CancelReason::Dropped));
    }
    finish(&other);
}

#[test]
fn a_rejected_submission_whose_handle_is_not_wanted_is_a_rejection() {
    for result in refusing() {
        let rejected = Rejected::from(result.expect_err("nothing is accepted"));
        assert!(rejected.is_shutdown());
        rejected.into_job().run();
    }
    // The handle is gone, so that a panic unwinds out of `run`.
    let pool = single();
    pool.shutdown();
    let rejected = pool.submit(|| panic_any("nobody's")).expect_err("it is shut down");
    let job = rejected.into_job();
    let payload = catch_unwind(move || job.run()).expect_err("the panic is the caller's");
    assert_eq!(payload.downcast_ref(), Some(&"nobody's"));
}

#[test]
fn an_executor_of_ones_own_can_reject() {
    struct Full;
    impl Executor for Full {
        fn execute_job(&self, job: Job) -> Result<(), Rejected> {
            Err(Rejected::new(job, RejectReason::Saturated))
        }
    }
    let (rejected, handle) = Full.submit(|| 7).expect_err("it is full").into_parts();
    assert!(rejected.is_saturated());
    assert!(rejected.job().submitted_at().file().ends_with("errors.rs"));
    assert_eq!(rejected.job().name(), None);
    rejected.into_job().run();
    assert_eq!(soon(handle), 7);
}

// Around caught panics.

#[test]
fn what_programs_hold_may_be_used_on_both_sides_of_a_caught_panic() {
    fn is_safe<T: UnwindSafe + RefUnwindSafe>() {}
    is_safe::<ThreadPoolExecutor>();
    is_safe::<ThreadPerJob>();
    is_safe::<DirectExecutor>();
    is_safe::<ManualExecutor>();
    is_safe::<Handle>();
    is_safe::<JobHandle<OnlySend>>();
    is_safe::<JoinSet<OnlySend>>();
    is_safe::<Interrupt>();
    is_safe::<interrupt::Guard>();
    is_safe::<Job>();
    is_safe::<JoinError>();
    is_safe::<Rejected>();
    is_safe::<RejectedSubmit<OnlySend>>();
    is_safe::<ScopedRejected>();
}

#[test]
fn a_panic_that_is_caught_around_them_leaves_them_usable() {
    let builder = ThreadPoolExecutor::builder().threads(1).queue(Queue::Unbounded);
    let pool = builder.rejection_policy(Discard).build().expect("a possible pool");
    let (handle, stop) = (pool.handle(), Interrupt::new());
    let calls = Arc::new(AtomicUsize::new(0));
    let caught = catch_unwind(|| {
        let calls = Arc::clone(&calls);
        handle.execute(move || _ = calls.fetch_add(1, Ordering::SeqCst)).expect("it is open");
        stop.interrupt();
        panic_any("between two calls");
    });
    assert_eq!(caught.expect_err("it panics").downcast_ref(), Some(&"between two calls"));
    assert!(stop.is_interrupted());

    let job = handle.submit(|| 7).expect("it is open");
    let caught = catch_unwind(|| {
        assert!(matches!(job.state(), JobState::Pending | JobState::Running | JobState::Finished));
        panic_any("before the join");
    });
    assert!(caught.is_err());
    assert_eq!(catch_unwind(|| soon(job)).expect("no panic"), 7);

    let mut set = pool.join_set();
    set.submit(|| 7).expect("it is open");
    let joined = catch_unwind(move || set.join_next_timeout(LONG).expect("in time"));
    assert_eq!(joined.expect("no panic").map(|(_, result)| result.expect("it returns")), Some(7));

    // One that unwinds through a call of the crate.
    let caught = catch_unwind(|| pool.scope(|_| -> () { panic_any("in a scope") }));
    assert!(caught.is_err());
    let caught = catch_unwind(|| {
        pool.invoke_all((0..2).map(|n| {
            assert_eq!(n, 0, "the iterator's");
            move || n
        }))
    });
    assert!(caught.is_err());
    let stats = finish(&pool);
    assert_eq!((calls.load(Ordering::SeqCst), stats.panicked), (1, 0));
}
