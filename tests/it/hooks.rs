//! Hooks: when they run and on which thread; and that no code of the user's runs under a lock.

use std::panic::panic_any;
use std::sync::{Arc, OnceLock};
use std::thread::{self, ThreadId};
use std::time::Duration;

use parking_lot::Mutex;
use workcrew::{
    AwaitError, Builder, CancelOutcome, Handle, Job, Outcome, Phase, Queue, Rejected,
    RejectionPolicy, Saturation, ThreadPoolExecutor, Worker, interrupt, policy,
};

use crate::support::{
    Counter, Gate, Helper, LONG, Own, block_worker, eventually, finish, helper, repeat, soon,
};

// When they run.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    ThreadStarts,
    Before,
    Body,
    After(Outcome),
    ThreadStops,
}

/// What happened, where, and as which worker.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<(ThreadId, usize, Event)>>>);

impl Diary {
    fn note(&self, worker: &Worker, event: Event) {
        self.0.lock().push((thread::current().id(), worker.index(), event));
    }

    /// A body does not know its worker.
    fn note_body(&self) {
        self.0.lock().push((thread::current().id(), usize::MAX, Event::Body));
    }

    fn hooks(&self, builder: Builder) -> Builder {
        let [start, before, after, stop] = [self.clone(), self.clone(), self.clone(), self.clone()];
        builder
            .on_thread_start(move |worker| start.note(worker, Event::ThreadStarts))
            .before_job(move |worker| before.note(worker, Event::Before))
            .after_job(move |worker, outcome| after.note(worker, Event::After(outcome)))
            .on_thread_stop(move |worker| stop.note(worker, Event::ThreadStops))
    }

    fn of_thread(&self, thread: ThreadId) -> Vec<Event> {
        self.0.lock().iter().filter(|entry| entry.0 == thread).map(|entry| entry.2).collect()
    }

    fn threads(&self) -> Vec<(ThreadId, usize)> {
        let starts = |entry: &&(ThreadId, usize, Event)| entry.2 == Event::ThreadStarts;
        self.0.lock().iter().filter(starts).map(|entry| (entry.0, entry.1)).collect()
    }

    fn count(&self, event: Event) -> usize {
        self.0.lock().iter().filter(|entry| entry.2 == event).count()
    }
}

#[test]
fn each_job_is_between_its_hooks_and_each_thread_between_its_own() {
    let diary = Diary::default();
    let pool = diary.hooks(ThreadPoolExecutor::builder()).threads(3).build().unwrap();
    for n in 0..60 {
        let notes = diary.clone();
        let body = move || {
            notes.note_body();
            assert!(n % 3 > 0, "every third panics");
        };
        if n % 2 == 0 {
            pool.execute(body).unwrap();
        } else {
            drop(pool.submit(body).unwrap());
        }
    }
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.panicked), (40, 20));
    assert_eq!(diary.count(Event::After(Outcome::Completed)), 40);
    assert_eq!(diary.count(Event::After(Outcome::Panicked)), 20);
    let threads = diary.threads();
    let mut indices: Vec<_> = threads.iter().map(|(_, index)| *index).collect();
    indices.sort_unstable();
    assert_eq!(indices, [1, 2, 3]);
    for (thread, index) in threads {
        let events = diary.of_thread(thread);
        let (first, rest) = events.split_first().unwrap();
        let (last, jobs) = rest.split_last().unwrap();
        assert_eq!((*first, *last), (Event::ThreadStarts, Event::ThreadStops));
        for job in jobs.chunks(3) {
            assert!(
                matches!(job, [Event::Before, Event::Body, Event::After(_)]),
                "{job:?} in {events:?}"
            );
        }
        let as_worker = |entry: &&(ThreadId, usize, Event)| {
            entry.0 == thread && entry.2 != Event::Body && entry.1 != index
        };
        assert_eq!(diary.0.lock().iter().filter(as_worker).count(), 0, "another worker's number");
    }
}

#[test]
fn hooks_know_the_worker_and_the_pool() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let pool = ThreadPoolExecutor::builder()
        .threads(1)
        .name("mail")
        .queue(Queue::Handoff)
        .rejection_policy(policy::CallerRuns)
        .before_job(move |worker| {
            notes.lock().push((worker.to_string(), worker.pool_name().to_owned(), worker.index()));
        })
        .build()
        .unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    pool.execute(|| ()).unwrap();
    gate.open();
    finish(&pool);
    let mail = String::from("mail");
    assert_eq!(
        *seen.lock(),
        [
            (String::from("worker 1 of mail"), mail.clone(), 1),
            (String::from("a caller of mail"), mail, 0),
        ]
    );
}

#[test]
fn jobs_run_by_callers_and_waiters_have_hooks_too() {
    let diary = Diary::default();
    let pool = diary
        .hooks(ThreadPoolExecutor::builder())
        .threads(1)
        .queue(Queue::Bounded(1))
        .rejection_policy(policy::CallerRuns)
        .build()
        .unwrap();
    let (inner, notes) = (pool.handle(), diary.clone());
    // The first child is queued and run by the join, the second finds no room.
    soon(
        pool.submit(move || {
            let (first, second) = (notes.clone(), notes);
            let first = inner.submit(move || first.note_body()).unwrap();
            let second = inner.submit(move || second.note_body()).unwrap();
            assert!(second.is_finished() && !first.is_finished());
            first.join().unwrap();
        })
        .unwrap(),
    );
    let (thread, _) = diary.threads()[0];
    let done = Event::After(Outcome::Completed);
    let child = [Event::Before, Event::Body, done];
    let expected = [vec![Event::ThreadStarts, Event::Before], child.to_vec(), child.to_vec()];
    assert_eq!(diary.of_thread(thread)[..8], expected.concat());

    let gate = Gate::new();
    block_worker(&pool, &gate);
    pool.execute(|| ()).unwrap();
    let notes = diary.clone();
    pool.execute(move || notes.note_body()).unwrap();
    assert_eq!(diary.of_thread(thread::current().id()), child);
    gate.open();
    let stats = finish(&pool);
    assert_eq!((stats.completed, stats.caller_ran), (6, 2));
    assert_eq!(diary.count(Event::Before), 6);
    assert_eq!(diary.count(done), 6);
}

#[test]
fn a_cancelled_or_handed_back_job_has_no_hooks() {
    let diary = Diary::default();
    let pool = diary.hooks(ThreadPoolExecutor::builder()).threads(1).build().unwrap();
    let gate = Gate::new();
    block_worker(&pool, &gate);
    let cancelled = pool.submit(|| ()).unwrap();
    assert_eq!(cancelled.cancel(), CancelOutcome::Removed);
    pool.execute(|| ()).unwrap();
    for job in pool.shutdown_now() {
        job.run(); // under no pool
    }
    gate.open();
    finish(&pool);
    assert_eq!((diary.count(Event::Before), diary.count(Event::Body)), (1, 0));
    assert_eq!(diary.count(Event::After(Outcome::Completed)), 1);
}

#[test]
fn a_handle_tells_only_after_the_hook_after_its_job() {
    let ended = Counter::new();
    let count = ended.clone();
    let pool = ThreadPoolExecutor::builder()
        .threads(2)
        .after_job(move |_, _| {
            thread::yield_now();
            count.add();
        })
        .build()
        .unwrap();
    for n in 1..=repeat(200) {
        soon(pool.submit(|| ()).unwrap());
        assert_eq!(ended.get(), n);
    }
    finish(&pool);
}

#[test]
fn the_last_hook_runs_once_after_everything_else_and_before_anybody_is_told() {
    for _ in 0..repeat(30) {
        let (stops, ends) = (Counter::new(), Counter::new());
        let (stopped, ended, seen) = (stops.clone(), ends.clone(), stops.clone());
        let own: Arc<OnceLock<Handle>> = Arc::default();
        let in_hook = Arc::clone(&own);
        let pool = ThreadPoolExecutor::builder()
            .threads(2)
            .on_thread_stop(move |_| {
                stopped.add();
            })
            .on_terminated(move || {
                let pool = in_hook.get().expect("set before the shutdown");
                assert_eq!((pool.phase(), seen.get()), (Phase::Tidying, 2));
                assert_eq!(pool.await_termination(Duration::ZERO), Err(AwaitError::FromWorker));
                assert_eq!(pool.wait_idle(LONG), Err(AwaitError::FromWorker));
                assert!(pool.execute(|| ()).unwrap_err().is_shutdown());
                ended.add();
            })
            .build()
            .unwrap();
        own.set(pool.handle()).unwrap();
        assert_eq!(pool.prestart_all_core_threads().unwrap(), 2);
        let gate = Gate::new();
        let rivals: Vec<_> = (0..4)
            .map(|n| {
                let (pool, gate) = (pool.handle(), gate.clone());
                helper(move || {
                    gate.pass();
                    if n % 2 == 0 {
                        pool.shutdown();
                    } else {
                        assert!(pool.shutdown_now().is_empty());
                    }
                    pool.await_termination(LONG).unwrap();
                })
            })
            .collect();
        gate.open();
        rivals.into_iter().for_each(Helper::join);
        assert_eq!(ends.get(), 1);
        assert_eq!(finish(&pool).panicked, 0);
        assert_eq!(ends.get(), 1);
    }
}

/// Waits for a job of the pool, on its first call.
type Wait = fn(&Own, &Counter);

/// Sets one hook or another that waits.
type Hook = fn(Builder, Own, Counter, Wait) -> Builder;

#[test]
fn hooks_may_wait_for_jobs_of_their_own_pool() {
    // Each waits on its first call only, or there would be no end to it.
    let wait: Wait = |own, calls| {
        if calls.add() == 1 {
            let pool = own.get().expect("set before the first job");
            soon(pool.submit(|| ()).expect("accepted"));
        }
    };
    let hooks: [Hook; 3] = [
        |builder, own, calls, wait| builder.on_thread_start(move |_| wait(&own, &calls)),
        |builder, own, calls, wait| builder.before_job(move |_| wait(&own, &calls)),
        |builder, own, calls, wait| builder.after_job(move |_, _| wait(&own, &calls)),
    ];
    for hook in hooks {
        let (own, calls) = (Own::default(), Counter::new());
        let builder = ThreadPoolExecutor::builder().threads(1);
        let pool = hook(builder, own.clone(), calls.clone(), wait).build().unwrap();
        own.set(pool.handle());
        soon(pool.submit(|| ()).unwrap());
        assert!(calls.get() >= 1);
        let stats = finish(&pool);
        assert_eq!((stats.completed, stats.spare), (2, 0));
        own.clear();
    }
}

#[test]
fn the_panic_hook_may_wait_for_a_job_of_its_own_pool() {
    for with_handle in [false, true] {
        let own = Own::default();
        let (in_hook, waited) = (own.clone(), Counter::new());
        let count = waited.clone();
        let pool = ThreadPoolExecutor::builder()
            .threads(1)
            .on_panic(move |_| {
                let job = in_hook.get().expect("set before").submit(|| ()).expect("accepted");
                // Not LONG: a worker that waits for itself shall fail the test soon.
                if job.join_timeout(Duration::from_secs(5)).is_ok() {
                    count.add();
                }
            })
            .build()
            .unwrap();
        own.set(pool.handle());
        let gate = Gate::new();
        let open = gate.clone();
        let body = move || {
            open.pass();
            panic!("for the hook");
        };
        if with_handle {
            drop(pool.submit(body).unwrap());
        } else {
            pool.execute(body).unwrap();
        }
        gate.open();
        eventually("both have ended", || {
            let stats = pool.stats();
            stats.panicked == 1 && stats.completed == 1 && stats.idle == 1
        });
        pool.wait_idle(LONG).unwrap();
        assert_eq!(waited.get(), 1, "it waited for a job that had been given to its own worker");
        finish(&pool);
        own.clear();
    }
}

// No code of the user's runs under a lock: it may call the pool from everywhere.

/// What such code does.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// It calls everything that does not end the pool.
    Use,
    /// It ends the pool too.
    End,
}

/// A pool whose code calls it, up to a number of times.
#[derive(Clone)]
struct Scene {
    own: Own,
    deed: Deed,
    calls: Counter,
}

/// Calls the pool when it is dropped.
struct Meddler(Scene);

impl Drop for Meddler {
    fn drop(&mut self) {
        self.0.meddle();
    }
}

impl Scene {
    fn meddler(&self) -> Meddler {
        Meddler(self.clone())
    }

    fn meddle(&self) {
        // What is submitted here has hooks that call this again.
        if self.calls.add() > 20 {
            return;
        }
        let Some(pool) = self.own.get() else { return };
        assert!(pool.stats().submitted < 10_000);
        assert!(format!("{pool:?}").contains("stats"));
        pool.execute(|| ()).ok();
        pool.try_execute(|| ()).ok();
        pool.execute_timeout(|| (), Duration::ZERO).ok();
        if let Ok(handle) = pool.submit(|| ()) {
            handle.cancel();
        }
        pool.execute_job(Job::new(|| ())).ok();
        pool.await_termination(Duration::ZERO).ok();
        pool.wait_idle(Duration::ZERO).ok();
        match self.deed {
            Deed::Use => {}
            Deed::End => {
                pool.shutdown();
                drop(pool.shutdown_now());
            }
        }
    }
}

/// Plays a scene twice, on a thread of its own: a thread that is locked out fails the test.
#[track_caller]
fn play(configure: fn(Builder, &Scene) -> Builder, act: fn(&ThreadPoolExecutor, &Scene)) {
    for deed in [Deed::Use, Deed::End] {
        let scene = Scene { own: Own::default(), deed, calls: Counter::new() };
        let builder = ThreadPoolExecutor::builder().threads(1).queue(Queue::Bounded(1));
        let pool = configure(builder, &scene).build().expect("a pool");
        scene.own.set(pool.handle());
        let own = scene.own.clone();
        let (over, calls) = (Gate::new(), scene.calls.clone());
        let end = over.clone();
        let player = thread::spawn(move || {
            act(&pool, &scene);
            finish(&pool);
            drop(pool);
            end.open();
        });
        eventually("the scene is over", || over.is_open() || player.is_finished());
        player.join().expect("the scene plays");
        own.clear();
        assert!(calls.get() > 0, "nobody meddled, {deed:?}");
    }
}

fn plain(builder: Builder, _: &Scene) -> Builder {
    builder
}

/// Blocks the worker while `f` acts on the queue behind it.
fn behind(pool: &ThreadPoolExecutor, f: impl FnOnce()) {
    let gate = Gate::new();
    block_worker(pool, &gate);
    f();
    gate.open();
}

#[test]
fn jobs_their_captures_and_results_may_use_the_pool() {
    play(plain, |pool, scene| {
        let body = scene.clone();
        pool.execute(move || body.meddle()).unwrap();
        pool.wait_idle(LONG).unwrap();
    });
    play(plain, |pool, scene| {
        let captured = scene.meddler();
        pool.execute(move || drop(captured)).unwrap();
        pool.wait_idle(LONG).unwrap();
    });
    play(plain, |pool, scene| {
        // A result that nobody takes, one that is dropped with its handle, and one that is taken.
        let (gate, value) = (Gate::new(), scene.meddler());
        let open = gate.clone();
        let dropped = pool
            .submit(move || {
                open.pass();
                value
            })
            .unwrap();
        drop(dropped);
        gate.open();
        pool.wait_idle(LONG).unwrap();
        let value = scene.meddler();
        if let Ok(handle) = pool.submit(move || value) {
            eventually("it has ended", || handle.is_finished());
            drop(handle);
        }
    });
    play(plain, |pool, scene| {
        let (gate, payload) = (Gate::new(), scene.meddler());
        let open = gate.clone();
        drop(pool.submit(move || {
            open.pass();
            panic_any(payload);
        }));
        gate.open();
        pool.wait_idle(LONG).unwrap();
        let payload = scene.meddler();
        pool.execute(move || panic_any(payload)).ok();
    });
}

#[test]
fn captures_of_jobs_that_never_run_may_use_the_pool() {
    play(plain, |pool, scene| {
        let captured = scene.meddler();
        behind(pool, || {
            let handle = pool.submit(move || drop(captured)).unwrap();
            assert_eq!(handle.cancel(), CancelOutcome::Removed);
        });
    });
    play(plain, |pool, scene| {
        let captured = scene.meddler();
        behind(pool, || {
            pool.execute(move || drop(captured)).unwrap();
            drop(pool.take_pending());
        });
    });
    play(plain, |pool, scene| {
        let captured = scene.meddler();
        behind(pool, || {
            pool.execute(move || drop(captured)).unwrap();
            drop(pool.shutdown_now());
        });
    });
    play(plain, |pool, scene| {
        let captured = scene.meddler();
        behind(pool, || {
            pool.execute(|| ()).unwrap();
            drop(pool.execute(move || drop(captured)).unwrap_err());
        });
    });
    play(plain, |pool, scene| {
        // Cancelled before it is submitted, and dropped by the admission.
        let captured = scene.meddler();
        let (job, handle) = Job::with_handle(move || drop(captured));
        assert_eq!(handle.cancel(), CancelOutcome::Removed);
        pool.execute_job(job).ok();
    });
    play(
        |builder, _| builder.rejection_policy(policy::Discard),
        |pool, scene| {
            let captured = scene.meddler();
            behind(pool, || {
                pool.execute(|| ()).unwrap();
                pool.execute(move || drop(captured)).unwrap();
            });
        },
    );
    play(
        |builder, _| builder.rejection_policy(policy::DiscardOldest),
        |pool, scene| {
            let captured = scene.meddler();
            behind(pool, || {
                pool.execute(move || drop(captured)).unwrap();
                pool.execute(|| ()).unwrap();
            });
        },
    );
    // More than the sweep of cancelled jobs waits for.
    play(
        |builder, _| builder.queue(Queue::Unbounded),
        |pool, scene| {
            behind(pool, || {
                let scene = scene.clone();
                for _ in 0..200 {
                    let captured = scene.meddler();
                    let Ok(handle) = pool.submit(move || drop(captured)) else { break };
                    assert_eq!(handle.cancel(), CancelOutcome::Removed);
                }
            });
        },
    );
}

#[test]
fn hooks_may_use_the_pool() {
    let hooks: [fn(Builder, &Scene) -> Builder; 8] = [
        |builder, scene| {
            let scene = scene.clone();
            builder.on_thread_start(move |_| scene.meddle())
        },
        |builder, scene| {
            let scene = scene.clone();
            builder.on_thread_stop(move |_| scene.meddle())
        },
        |builder, scene| {
            let scene = scene.clone();
            builder.before_job(move |_| scene.meddle())
        },
        |builder, scene| {
            let scene = scene.clone();
            builder.after_job(move |_, _| scene.meddle())
        },
        |builder, scene| {
            let scene = scene.clone();
            builder.on_panic(move |_| scene.meddle())
        },
        |builder, scene| {
            let scene = scene.clone();
            builder.on_terminated(move || scene.meddle())
        },
        |builder, scene| {
            let scene = scene.clone();
            builder.thread_name_fn(move |index| {
                scene.meddle();
                format!("named-{index}")
            })
        },
        |builder, scene| {
            let scene = scene.clone();
            builder.thread_factory(move |worker| {
                scene.meddle();
                worker.builder().spawn(move || worker.run())
            })
        },
    ];
    for hook in hooks {
        play(hook, |pool, _| {
            pool.execute(|| ()).ok();
            pool.execute(|| panic!("for a hook")).ok();
            pool.submit(|| panic!("for a hook, whose handle is gone")).map(drop).ok();
            pool.wait_idle(LONG).unwrap();
            pool.execute(|| ()).ok();
        });
    }
}

/// Calls the pool, then gives the job back.
struct MeddlesAndRejects(Scene);

impl RejectionPolicy for MeddlesAndRejects {
    fn rejected(&self, job: Job, saturation: &Saturation<'_>) -> Result<(), Rejected> {
        self.0.meddle();
        assert!(saturation.stats().submitted > 0);
        drop(saturation.take_oldest());
        saturation.wait_for_room(Duration::ZERO).ok();
        saturation.reject(job)
    }
}

#[test]
fn policies_may_use_the_pool() {
    play(
        |builder, scene| builder.rejection_policy(MeddlesAndRejects(scene.clone())),
        |pool, scene| {
            let captured = scene.meddler();
            behind(pool, || {
                pool.execute(move || drop(captured)).ok();
                pool.execute(|| ()).ok();
                pool.execute(|| ()).ok();
            });
        },
    );
    play(
        |builder, _| builder.queue(Queue::Handoff).rejection_policy(policy::CallerRuns),
        |pool, scene| {
            let (body, captured) = (scene.clone(), scene.meddler());
            behind(pool, || {
                pool.execute(move || body.meddle()).ok();
                pool.execute(move || drop(captured)).ok();
            });
        },
    );
}

#[test]
fn callbacks_of_interrupts_may_use_the_pool() {
    play(plain, |pool, scene| {
        let running = Gate::new();
        let (body, started) = (scene.clone(), running.clone());
        let handle = pool
            .submit(move || {
                let own = interrupt::current().unwrap();
                // Not by the flag, which is set first: a job that sees it may be over before the call.
                let called = Gate::new();
                let opened = called.clone();
                let _guard = own.on_interrupt(move || {
                    body.meddle();
                    opened.open();
                });
                started.open();
                called.pass();
            })
            .unwrap();
        running.pass();
        assert_eq!(handle.cancel(), CancelOutcome::Interrupted);
        soon(handle);
    });
    play(plain, |pool, scene| {
        let running = Gate::new();
        let (body, started) = (scene.clone(), running.clone());
        let handle = pool
            .submit(move || {
                // One that is called, and one that is taken back with what it captured.
                let own = interrupt::current().unwrap();
                let captured = body.meddler();
                drop(own.on_interrupt(move || drop(captured)));
                let called = Gate::new();
                let opened = called.clone();
                let _guard = own.on_interrupt(move || {
                    body.meddle();
                    opened.open();
                });
                started.open();
                called.pass();
            })
            .unwrap();
        running.pass();
        drop(pool.shutdown_now());
        soon(handle);
    });
}
