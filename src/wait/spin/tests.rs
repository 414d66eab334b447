//! Tests of what a thread learns of its waits.

use super::*;

/// The moment so long after another.
fn later(moment: Instant, time: Duration) -> Instant {
    moment.checked_add(time).expect("the clock goes on")
}

/// The luck of a thread that has looked in vain so many times in a row.
fn after(vain: u32) -> Luck {
    (0..vain).fold(Luck::Looks(0), |luck, _| luck.looked_in_vain())
}

#[test]
fn a_thread_that_has_looked_in_vain_several_times_in_a_row_sleeps_at_once() {
    assert_eq!(after(VAIN - 1), Luck::Looks(VAIN - 1));
    assert_eq!(after(VAIN), Luck::Sleeps(None));
}

#[test]
fn a_thread_that_is_woken_late_looks_again() {
    let began = Instant::now();
    assert_eq!(after(VAIN).slept(began, later(began, QUICK)), Luck::Looks(0));
}

#[test]
fn a_thread_that_is_woken_soon_sleeps_at_once_for_a_while() {
    let began = Instant::now();
    let first = after(VAIN).slept(began, later(began, QUICK / 2));
    assert_eq!(first, Luck::Sleeps(Some(began)));
    let then = later(began, WHILE / 2);
    assert_eq!(first.slept(then, later(then, QUICK / 2)), first);
    assert_eq!(
        first.slept(then, later(then, QUICK)),
        Luck::Looks(0),
        "but not when it is late once"
    );
    let after_all = later(began, WHILE);
    assert_eq!(first.slept(after_all, after_all), Luck::Looks(0), "nor for ever");
}

#[test]
fn a_wait_looks_until_the_answer_is_there_or_it_is_time_to_sleep() {
    let mut looks = 0;
    let spin = Spin::begin();
    let third = spin.until(|| {
        looks += 1;
        (looks == 3).then_some(looks)
    });
    assert_eq!(third, Some(3));
    assert_eq!(spin.until(|| None::<()>), None);
}
