//! Tests of the sizes: what is learnt from how long items took.

use super::*;

fn learnt(from: usize, items: usize, took: Duration) -> usize {
    let mut size = Size::Measured(from);
    size.learn(items, took);
    size.items()
}

#[test]
fn quick_items_double_the_size_up_to_what_is_worth_a_job() {
    let mut size = Size::Measured(1);
    let sizes = [2, 4, 8, 16, 32, 64, 100, 100];
    for expected in sizes {
        let items = size.items();
        size.learn(items, Duration::from_nanos(200 * items as u64));
        assert_eq!(size.items(), expected);
    }
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
    let mut size = Size::Measured(MOST);
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
    assert_eq!(size, Size::Fixed(7));
    assert!(size.haste(7).is_none());
}

#[test]
fn gathering_is_over_once_it_has_taken_as_long_as_a_job_is_to_take() {
    let mut haste = Size::Measured(8).haste(8).expect("it is measured");
    while haste.since.elapsed() <= WORTH_A_JOB {}
    assert!(haste.is_over());
    let mut late = Haste { since: Instant::now(), gathered: 3 };
    while late.since.elapsed() <= WORTH_A_JOB {}
    let looks: Vec<_> = (4..=16).filter(|_| late.is_over()).collect();
    assert_eq!(looks, [8, 16], "the clock is not read for each item");
    assert!(Size::Measured(1).haste(1).is_none(), "one item waits for no other");
}
