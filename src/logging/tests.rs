//! Tests of the limit of lines, as a function of the moments in which they would be written.

use super::*;

/// How many lines each of these moments says were left out, if it lets one through. They are in
/// milliseconds.
fn let_through<const N: usize>(moments: [u64; N]) -> [Option<u64>; N] {
    let start = Instant::now();
    let mut written = Written::default();
    moments.map(|moment| {
        let left_out = written.admit(start + Duration::from_millis(moment));
        left_out.map(|left_out| left_out.0)
    })
}

#[test]
fn the_first_line_is_written_at_once_and_the_next_a_second_later() {
    assert_eq!(let_through([0, 0, 999, 1_000]), [Some(0), None, None, Some(2)]);
}

#[test]
fn a_second_counts_from_the_last_line_that_was_written() {
    let moments = [0, 600, 1_200, 1_800, 2_199, 2_200];
    assert_eq!(let_through(moments), [Some(0), None, Some(1), None, None, Some(2)]);
}

#[test]
fn lines_that_are_rare_are_all_written() {
    assert_eq!(let_through([0, 1_000, 5_000, 6_000]), [Some(0); 4]);
}

#[test]
fn a_clock_that_another_thread_has_read_later_lets_nothing_through() {
    assert_eq!(let_through([500, 0, 1_499, 1_500]), [Some(0), None, None, Some(2)]);
}

#[test]
fn a_line_says_how_many_were_left_out_if_any_were() {
    assert_eq!(LeftOut(0).to_string(), "");
    assert_eq!(LeftOut(7).to_string(), " (7 such lines were left out before)");
}
