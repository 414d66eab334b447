//! Tests of the stamps: that the clock is read seldom, and never so seldom that it matters.

use super::*;

/// The stamp of a job that comes at that moment.
fn next_at(stamps: &mut Stamps, now: u64) -> Stamp {
    if stamps.given < stamps.run {
        stamps.given += 1;
        return stamps.last;
    }
    stamps.note(Stamp(now))
}

/// Stamps that jobs get which come this many nanoseconds after one another, by their number.
fn stamps(gaps: impl IntoIterator<Item = u64>) -> Vec<(u64, Stamp)> {
    let mut stamps = Stamps::new();
    let mut now = 1_000_000_000;
    gaps.into_iter()
        .map(|gap| {
            now += gap;
            (now, next_at(&mut stamps, now))
        })
        .collect()
}

#[test]
fn jobs_that_come_slowly_have_stamps_of_their_own() {
    for (now, stamp) in stamps(std::iter::repeat_n(QUICK + 1, 300)) {
        assert_eq!(stamp, Stamp(now));
    }
}

#[test]
fn jobs_that_come_quickly_share_stamps_that_are_never_too_young() {
    let given = stamps(std::iter::repeat_n(30, 10_000));
    assert!(given.iter().all(|(now, stamp)| stamp.0 <= *now), "no age is told too low");
    assert!(given.iter().all(|(now, stamp)| now - stamp.0 <= 30 * u64::from(MOST)));
    let mut reads: Vec<_> = given.iter().map(|(_, stamp)| *stamp).collect();
    reads.dedup();
    assert!(reads.len() <= 10_000 / MOST as usize + 10, "{} reads of the clock", reads.len());
}

#[test]
fn behind_a_rush_no_more_jobs_than_one_run_are_told_too_old() {
    for rush in [1, 2, 10, 1000] {
        let gaps = std::iter::repeat_n(30, rush).chain(std::iter::repeat_n(1_000_000_000, 300));
        let given = stamps(gaps);
        let wrong = given[rush..].iter().filter(|(now, stamp)| stamp.0 != *now).count();
        assert!(wrong < rush.min(MOST as usize), "{wrong} after {rush}");
        let (now, stamp) = given.last().expect("there were some");
        assert_eq!(stamp.0, *now, "then all are right again");
    }
}

#[test]
fn after_a_pause_the_next_job_has_a_stamp_of_its_own() {
    let mut stamps = Stamps::new();
    for now in 1..1000 {
        next_at(&mut stamps, now);
    }
    stamps.pause();
    assert_eq!(next_at(&mut stamps, 5_000_000_000), Stamp(5_000_000_000));
}

#[test]
fn an_age_is_that_of_the_clock() {
    let (mut stamps, epoch) = (Stamps::new(), Instant::now());
    let stamp = stamps.renew(&epoch).expect("the first has one of its own");
    while epoch.elapsed() < Duration::from_millis(2) {}
    let age = age(epoch, stamp);
    assert!(age >= Duration::from_millis(1) && age <= epoch.elapsed());
}
