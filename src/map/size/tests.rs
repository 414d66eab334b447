//! Tests of the sizes: what is learnt from how long items took.

use super::*;

/// A size of which enough jobs were measured.
fn known(items: usize) -> Size {
    Size::Measured { items, jobs: FIRST }
}

fn learnt(from: usize, items: usize, took: Duration) -> usize {
    let mut size = known(from);
    size.learn(items, took);
    size.items()
}

#[test]
fn quick_items_double_the_size_up_to_what_is_worth_a_job() {
    let mut size = known(1);
    let sizes = [2, 4, 8, 16, 32, 64, 100, 100];
    for expected in sizes {
        let items = size.items();
        size.learn(items, Duration::from_nanos(2_000 * items as u64));
        assert_eq!(size.items(), expected);
    }
}

#[test]
fn the_first_jobs_take_one_item_each() {
    let mut size = Size::UNKNOWN;
    for _ in 0..FIRST {
        size.learn(1, Duration::ZERO);
        assert_eq!(size.items(), 1);
    }
    size.learn(1, Duration::ZERO);
    assert_eq!(size.items(), 2);
    size.source_is_slow();
    assert_eq!(size.items(), 1);
    size.learn(1, Duration::ZERO);
    assert_eq!(size.items(), 2, "that is quickly made up for");
}

#[test]
fn the_size_has_a_bound_however_quick_the_items_are() {
    for took in [Duration::ZERO, Duration::from_nanos(1), Duration::from_nanos(256)] {
        assert_eq!(learnt(MOST, MOST, took), MOST);
        assert_eq!(learnt(MOST - 1, MOST - 1, took), MOST);
    }
}

#[test]
fn slow_items_have_jobs_of_their_own_after_some_steps() {
    let mut size = known(MOST);
    for expected in [64, 16, 4, 1, 1] {
        let items = size.items();
        size.learn(items, Duration::from_secs(1));
        assert_eq!(size.items(), expected);
    }
    assert_eq!(learnt(1, 1, Duration::MAX), 1);
    assert_eq!(learnt(1, 0, Duration::ZERO), 2, "no items at all took no time");
}

#[test]
fn a_size_that_was_set_stays() {
    let mut size = Size::Fixed(7);
    size.learn(7, Duration::from_secs(1));
    size.learn(7, Duration::ZERO);
    size.source_is_slow();
    assert_eq!(size, Size::Fixed(7));
    assert!(size.haste(7).is_none());
}

#[test]
fn gathering_is_over_once_it_has_taken_long_enough() {
    let mut haste = known(8).haste(8).expect("it is measured");
    while haste.since.elapsed() <= GATHERING {}
    assert!(haste.is_over());
    let mut late = Haste { since: Instant::now(), gathered: 3 };
    while late.since.elapsed() <= GATHERING {}
    let looks: Vec<_> = (4..=16).filter(|_| late.is_over()).collect();
    assert_eq!(looks, [8, 16], "the clock is not read for each item");
    assert!(known(1).haste(1).is_none(), "one item waits for no other");
}
