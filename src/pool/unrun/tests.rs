//! Tests of what the log says of jobs.

use super::*;

#[test]
fn jobs_are_named_in_their_order_and_twenty_at_most() {
    let of = |count: usize| {
        let jobs: Vec<_> = (1..=count).map(|n| Job::named(format!("job {n}"), || ())).collect();
        Named(&jobs).to_string()
    };
    assert_eq!(of(0), "");
    assert_eq!(of(1), r#""job 1""#);
    assert_eq!(of(2), r#""job 1", "job 2""#);
    assert!(of(20).ends_with(r#", "job 20""#), "{}", of(20));
    assert!(of(21).ends_with(r#", "job 20", …"#), "{}", of(21));
    assert_eq!(of(19).matches(", ").count(), 18);
    let anonymous = Named(&[Job::new(|| ())]).to_string();
    assert!(anonymous.starts_with("one submitted at src/pool/unrun/tests.rs:"), "{anonymous}");
}
