//! Tests of the books on threads: nothing stays in them, whichever comes first.

use super::*;

fn thread() -> JoinHandle<()> {
    thread::spawn(|| ())
}

fn assert_blank(threads: &Threads) {
    assert!(threads.all_joined() && threads.are_over());
    assert!(threads.running.is_empty() && threads.gone.is_empty());
    assert!(threads.joining.is_empty());
    assert!(threads.early.is_empty() && threads.handleless.is_empty());
    assert!(threads.given_up.is_empty());
}

#[test]
fn nothing_is_kept_of_a_thread_that_was_given_up() {
    let mut threads = Threads::default();
    for _ in 1..=4 {
        threads.expect();
    }
    // Before its factory returns.
    threads.give_up(1);
    let foreign = threads.made(1, Some(thread())).expect("it is not the worker's");
    foreign.join().expect("an empty thread");
    threads.give_up(2);
    assert!(threads.made(2, None).is_none());
    // And after.
    assert!(threads.made(3, Some(thread())).is_none());
    threads.give_up(3);
    assert!(threads.made(4, None).is_none());
    threads.give_up(4);
    assert_blank(&threads);
}

#[test]
fn nothing_is_kept_of_a_thread_that_has_ended() {
    let mut threads = Threads::default();
    for _ in 1..=4 {
        threads.expect();
    }
    let (early, late) = (thread(), thread());
    let (first, second) = (early.thread().id(), late.thread().id());
    threads.ended(1, first);
    assert!(!threads.has_gone(), "its handle is still to come");
    assert!(threads.made(1, Some(early)).is_none());
    assert!(threads.made(2, Some(late)).is_none());
    threads.ended(2, second);
    // Without a handle there is nothing to join.
    threads.ended(3, first);
    assert!(threads.made(3, None).is_none());
    assert!(threads.made(4, None).is_none());
    threads.ended(4, second);
    assert!(threads.are_over() && !threads.all_joined());
    let mut gone = threads.take_gone();
    assert_eq!(gone.len(), 2);
    assert!(threads.are_over() && !threads.all_joined(), "they are being joined");
    threads.put_back(gone.pop().expect("two were taken"));
    assert!(threads.are_over() && !threads.all_joined(), "one is to be joined again");
    gone.extend(threads.take_gone());
    for gone in gone {
        let thread = gone.ran_on();
        assert!(gone.join());
        threads.joined(thread);
    }
    assert_blank(&threads);
}

#[test]
fn the_handle_of_another_thread_is_left_alone() {
    let mut threads = Threads::default();
    threads.expect();
    assert!(threads.made(1, Some(thread())).is_none());
    threads.ended(1, thread::current().id());
    assert!(threads.take_gone().into_iter().all(|gone| !gone.join()));
}
