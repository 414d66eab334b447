//! Tests of the desk, one step at a time: of what shows from outside only in a race, or as time and
//! memory.

use std::thread::scope;
use std::time::Duration;

use super::parked::SHORT_WAIT;
use super::*;
use crate::job::Job;
use crate::job::waiting::Parting;
use crate::settings::{CoreTimeout, Growth, Tenure};
use crate::sync::{Instant, Receiver, bounded, thread};

fn desk(max: usize, tenure: Tenure) -> Desk {
    let settings = Settings {
        core: 0,
        max,
        capacity: None,
        keep_alive: Duration::MAX,
        core_timeout: CoreTimeout::Never,
        growth: Growth::ThreadsFirst,
        tenure,
    };
    Desk::new(settings, Arc::new(Shelf::default()))
}

fn enqueue(desk: &mut Desk, jobs: usize) {
    for _ in 0..jobs {
        desk.enqueue(&mut Slot::holding(Job::new(|| ())));
    }
}

#[test]
fn no_job_is_queued_beside_a_free_worker_though_more_were_popped_than_seen() {
    let mut desk = desk(2, Tenure::OneJob);
    let first = desk.recruit().index;
    desk.recruit_arrived(first);
    enqueue(&mut desk, 2);
    let (shelf, mut dead) = (Arc::clone(&desk.shelf), Vec::new());
    let mut outbox = shelf.lock();
    let mut slot = Slot::empty();
    while desk.next_job(&mut outbox, &mut slot, &mut dead) {
        drop(slot.take());
    }
    drop(outbox);
    let (mailbox, _mail) = bounded(2);
    let (rest, wakes) = desk.rest(first, &mailbox);
    wakes.wake();
    assert_ne!(rest, admission::Rest::Leave);
    drop(desk.recruit());
    assert_eq!(desk.seen_pending(), 2, "the desk has not looked since");
    assert_eq!(desk.decide(Attempt::First), Decision::HandOff);
}

#[test]
fn while_nothing_changes_jobs_are_let_in_without_a_new_decision() {
    let mut desk = desk(1, Tenure::Lasting);
    desk.set(Settings { capacity: Some(10), ..desk.settings() });
    let index = desk.recruit().index;
    desk.recruit_arrived(index);
    assert_eq!(desk.decide(Attempt::First), Decision::Enqueue);
    assert_eq!(desk.clear, 9, "places beside that of the first");
    for left in (0..9).rev() {
        assert_eq!(desk.decide(Attempt::First), Decision::Enqueue);
        assert_eq!(desk.clear, left);
    }
}

#[test]
fn a_worker_looks_before_each_job_only_where_it_may_have_to_leave() {
    let mut lasting = desk(1, Tenure::Lasting);
    assert!(!lasting.calls_workers());
    drop(lasting.recruit());
    assert!(!lasting.calls_workers());
    drop(lasting.recruit());
    assert!(lasting.calls_workers(), "one is too many");
    assert!(desk(1, Tenure::OneJob).calls_workers());
}

#[test]
fn a_worker_that_has_left_is_employed_no_more() {
    let mut desk = desk(1, Tenure::Lasting);
    let index = desk.recruit().index;
    desk.recruit_arrived(index);
    assert!(desk.employs(index));
    desk.retire(index).wake();
    assert!(!desk.employs(index));
}

#[test]
fn a_job_without_a_worker_is_stranded_until_the_pool_stops() {
    let mut desk = desk(1, Tenure::Lasting);
    assert!(!desk.is_stranded());
    enqueue(&mut desk, 1);
    for (phase, is_stranded) in
        [(Phase::Running, true), (Phase::Shutdown, true), (Phase::Stop, false)]
    {
        desk.enter(phase);
        assert_eq!(desk.is_stranded(), is_stranded, "{phase:?}");
    }
}

#[test]
fn the_queue_is_swept_once_enough_of_it_is_dead_and_no_less_than_half() {
    let mut desk = desk(1, Tenure::Lasting);
    enqueue(&mut desk, 200);
    let mut until_due = || (1..=200).find(|_| desk.drop_out() == Sweep::Due);
    assert_eq!(until_due(), Some(100), "as many are dead as pending");
    assert_eq!(until_due(), Some(64), "fewer are not worth it");
}

#[test]
fn who_was_told_of_a_pause_has_not_missed_it() {
    let mut desk = desk(1, Tenure::Lasting);
    let waiter = Waiter::new();
    desk.idle_waiters.push(Arc::clone(&waiter));
    desk.note_idle().wake();
    assert!(waiter.is_woken());
    assert!(!desk.missed_pause(&waiter));
    desk.idle_waiters.push(Arc::clone(&waiter));
    assert!(desk.missed_pause(&waiter));
    assert!(desk.idle_waiters.is_empty());
}

#[test]
fn who_waits_for_the_end_is_woken_when_it_is_there_and_all_threads_can_be_joined() {
    let mut desk = desk(1, Tenure::Lasting);
    let waiter = Waiter::new();
    desk.end_waiters.push(Arc::clone(&waiter));
    desk.note_over().wake();
    assert!(!waiter.is_woken(), "it has not ended");
    let index = desk.recruit().index;
    desk.enter(Phase::Terminated);
    desk.note_over().wake();
    assert!(!waiter.is_woken(), "a thread is still to come");
    desk.threads.give_up(index);
    desk.note_over().wake();
    assert!(waiter.is_woken());
}

/// Two workers beyond their keep-alive, which stay for as many submitters, and their mail.
fn two_overdue() -> (Desk, [(usize, Receiver<Wake>); 2]) {
    let mut desk = desk(4, Tenure::Lasting);
    desk.set(Settings { keep_alive: Duration::ZERO, ..desk.settings() });
    let workers = [(); 2].map(|()| {
        desk.bring();
        desk.recruit().index
    });
    let overdue = workers.map(|index| {
        desk.recruit_arrived(index);
        let (mailbox, mail) = bounded(2);
        let (rest, wakes) = desk.rest(index, &mailbox);
        wakes.wake();
        assert_eq!(rest, admission::Rest::Overdue);
        (index, mail)
    });
    (desk, overdue)
}

fn is_told(mail: &Receiver<Wake>) -> bool {
    match mail.try_recv() {
        Ok(Wake::Look) => true,
        Ok(Wake::Run(_)) => panic!("there is no job"),
        Err(_) => false,
    }
}

/// A worker looks as it was told; returns what it does then.
fn look(desk: &mut Desk, index: usize) -> Idling {
    let (idling, wakes) = desk.look(index, Prompt::Told, Instant::now());
    wakes.wake();
    idling
}

#[test]
fn a_worker_that_stayed_for_a_submitter_is_told_to_look_once_it_is_not_needed() {
    let (mut desk, [(first, first_mail), (second, second_mail)]) = two_overdue();
    desk.brought();
    assert!(is_told(&first_mail) && !is_told(&second_mail), "the one that waits for longer");
    assert!(matches!(look(&mut desk, first), Idling::Decided(admission::Rest::Leave)));
    desk.brought();
    assert!(is_told(&second_mail));
    assert!(matches!(look(&mut desk, second), Idling::Decided(admission::Rest::Leave)));
    assert!(desk.idle.is_empty());
}

#[test]
fn a_worker_that_was_told_and_is_needed_again_is_told_again() {
    let (mut desk, [(first, first_mail), (_, second_mail)]) = two_overdue();
    desk.brought();
    assert!(is_told(&first_mail));
    // The job has gone to the other one before this one looks.
    assert!(desk.choose_idle().is_some());
    assert!(matches!(look(&mut desk, first), Idling::Decided(admission::Rest::Overdue)));
    assert!(!is_told(&first_mail));
    desk.brought();
    assert!(is_told(&first_mail) && !is_told(&second_mail));
}

#[test]
fn a_worker_within_its_keep_alive_is_not_told_that_a_submitter_decides() {
    let mut desk = desk(4, Tenure::Lasting);
    let index = desk.recruit().index;
    desk.recruit_arrived(index);
    desk.bring();
    let (mailbox, mail) = bounded(2);
    let (rest, wakes) = desk.rest(index, &mailbox);
    wakes.wake();
    assert_eq!(rest, admission::Rest::For(Duration::MAX));
    desk.brought();
    assert!(!is_told(&mail));
}

#[test]
fn a_worker_that_stayed_for_a_kept_place_is_told_to_look_once_the_place_is_not_used() {
    let mut desk = desk(1, Tenure::Lasting);
    desk.set(Settings { capacity: Some(0), keep_alive: Duration::ZERO, ..desk.settings() });
    let index = desk.recruit().index;
    desk.recruit_arrived(index);
    let waiter = Waiter::new();
    desk.wait_for_room(&mut None, Arc::clone(&waiter));
    let (mailbox, mail) = bounded(2);
    let (rest, wakes) = desk.rest(index, &mailbox);
    wakes.wake();
    assert_eq!(rest, admission::Rest::Overdue);
    assert!(waiter.is_woken() && !is_told(&mail));
    desk.release_room();
    assert!(is_told(&mail));
    assert!(matches!(look(&mut desk, index), Idling::Decided(admission::Rest::Leave)));
}

#[test]
fn a_worker_that_leaves_makes_room_though_a_thread_was_refused_before() {
    let mut desk = desk(3, Tenure::OneJob);
    desk.set(Settings { capacity: Some(0), ..desk.settings() });
    let [first, _second] = arrived::<2>(&mut desk);
    let refused = desk.recruit().index;
    desk.recruit_failed(refused).wake();
    let waiter = Waiter::new();
    desk.wait_for_room(&mut None, Arc::clone(&waiter));
    desk.note_change().wake();
    assert!(!waiter.is_woken(), "a thread was refused");
    desk.retire(first).wake();
    assert!(waiter.is_woken());
}

/// Workers that look for their first job.
fn arrived<const N: usize>(desk: &mut Desk) -> [usize; N] {
    [(); N].map(|()| {
        let index = desk.recruit().index;
        desk.recruit_arrived(index);
        index
    })
}

/// A worker parks that runs on another thread; returns that thread.
fn park_elsewhere(desk: &mut Desk, index: usize) -> ThreadId {
    let park = || {
        desk.park(index).wake();
        thread::current().id()
    };
    scope(|scope| scope.spawn(park).join()).expect("it parks")
}

#[test]
fn a_parked_worker_that_goes_on_has_another_look_in_its_place() {
    for (jobs, is_past) in [(0, false), (1, false), (1, true)] {
        let mut desk = desk(3, Tenure::Lasting);
        let [first, second, _busy] = arrived::<3>(&mut desk);
        let other = park_elsewhere(&mut desk, first);
        desk.park(second).wake();
        enqueue(&mut desk, 1);
        assert_eq!(desk.note_queued().map(|looks| looks.id()), Some(thread::current().id()));
        assert!(matches!(desk.stand_in(Patience::Fresh), StandIn::LookIn(_)));
        if jobs == 0 {
            desk.removed += 1;
        }
        let parting = if is_past { Parting::TimedOut } else { Parting::Done };
        if is_past {
            assert!(matches!(desk.stand_in(Patience::None), StandIn::None));
        }
        let looks = desk.unpark(second, parting);
        assert_eq!(looks.map(|looks| looks.id()), (jobs == 1).then_some(other));
    }
}

#[test]
fn a_worker_that_may_have_a_spare_makes_room_only_once_the_spare_is_idle_and_for_the_first() {
    let mut desk = desk(1, Tenure::Lasting);
    desk.set(Settings { capacity: Some(0), ..desk.settings() });
    let index = desk.recruit().index;
    desk.recruit_arrived(index);
    let waiters = [(); 2].map(|()| {
        let waiter = Waiter::new();
        desk.wait_for_room(&mut None, Arc::clone(&waiter));
        waiter
    });
    let are_woken = || waiters.each_ref().map(|waiter| waiter.is_woken());
    desk.park(index).wake();
    assert_eq!(are_woken(), [false, false]);
    let StandIn::Start(spare) = desk.stand_in(Patience::Fresh) else { panic!("a spare is due") };
    desk.recruit_arrived(spare.index);
    let (mailbox, _mail) = bounded(2);
    desk.rest(spare.index, &mailbox).1.wake();
    assert_eq!(are_woken(), [true, false]);
}

#[test]
fn workers_that_poll_have_one_spare_at_a_time_once_nothing_begins_for_a_while() {
    let mut desk = desk(2, Tenure::Lasting);
    let pollers = arrived::<2>(&mut desk);
    enqueue(&mut desk, 3);
    // Never both at the same time.
    let poll = |desk: &mut Desk, index| {
        desk.park(index).wake();
        let stand_in = desk.stand_in(Patience::Fresh);
        desk.unpark(index, Parting::TimedOut);
        match stand_in {
            StandIn::Start(spare) => Some(spare.index),
            StandIn::None | StandIn::LookIn(_) => None,
            StandIn::TooMany => panic!("there is no spare yet"),
        }
    };
    let begin = Instant::now();
    let mut polls = pollers.into_iter().cycle();
    let mut spare = || polls.find_map(|index| poll(&mut desk, index)).expect("it ends so only");
    let first = spare();
    assert!(begin.elapsed() >= SHORT_WAIT);
    let second = spare();
    assert!(begin.elapsed() >= SHORT_WAIT * 2);
    // Each may have one, and one job is promised to each: the third waits for whoever is free first.
    for index in pollers {
        assert_eq!(poll(&mut desk, index), None);
    }
    assert_eq!(desk.parked.spares, 2);
    for index in [first, second] {
        desk.recruit_arrived(index);
    }
    // One that has what it waited for counts as at work.
    desk.park(pollers[0]).wake();
    desk.unpark(pollers[0], Parting::Done);
    let polling = |desk: &Desk| {
        let stall = desk.parked.stall.as_ref().expect("it was noticed");
        stall.polling.iter().copied().collect::<Vec<_>>()
    };
    assert_eq!(polling(&desk), [pollers[1]]);
    // Nor does one that leaves count any more.
    desk.retire(pollers[1]).wake();
    assert_eq!(polling(&desk), []);
}

#[test]
fn a_job_that_is_handed_over_ends_a_stall() {
    let mut desk = desk(2, Tenure::Lasting);
    let [poller, _busy] = arrived::<2>(&mut desk);
    enqueue(&mut desk, 1);
    desk.park(poller).wake();
    assert!(matches!(desk.stand_in(Patience::None), StandIn::None));
    let begin = Instant::now();
    while begin.elapsed() < SHORT_WAIT {}
    desk.tally.started += 1;
    assert!(matches!(desk.stand_in(Patience::None), StandIn::None), "one has just begun");
    // A job that a caller runs was never pending, and ends no stall.
    while !matches!(desk.stand_in(Patience::None), StandIn::Start(_)) {
        desk.caller_starts(Arc::new(Post::new()));
    }
    assert!(begin.elapsed() >= SHORT_WAIT * 2);
}
