//! Tests of the line that a report is.

use std::panic::Location;

use super::*;

fn line(outcome: ShutdownOutcome, unstopped: usize, unbegun: usize) -> String {
    let job = RunningJob {
        name: Some("mail 7".into()),
        submitted_at: Location::caller(),
        worker_index: 1,
        thread: None,
        running_for: Duration::from_millis(4200),
    };
    let verdict = Verdict {
        outcome,
        grace_time: Duration::from_secs(2),
        interrupt_time: Duration::from_secs(1),
        completed: 3,
        panicked: 0,
        handed_back: 0,
        unstopped: vec![job; unstopped],
        unbegun,
    };
    ShutdownReport::new(&"mail".into(), verdict, Vec::new()).to_string()
}

#[test]
fn it_tells_of_each_wait_that_there_was_and_of_what_is_left() {
    let tail = "; meanwhile 3 jobs completed, 0 panicked";
    let clean = line(ShutdownOutcome::Clean, 0, 0);
    assert_eq!(clean, format!("pool mail: ended cleanly; grace 2.0s{tail}"));
    let interrupted = line(ShutdownOutcome::Interrupted, 0, 0);
    let waits = "grace 2.0s, after the interrupt 1.0s";
    assert_eq!(interrupted, format!("pool mail: ended after an interrupt; {waits}{tail}"));

    let left = |unstopped, unbegun| {
        let line = line(ShutdownOutcome::NotTerminated, unstopped, unbegun);
        let head = format!("pool mail: has not ended; {waits}{tail}; ");
        line.strip_prefix(&head).unwrap_or_else(|| panic!("{line}")).to_owned()
    };
    assert_eq!(left(0, 0), "no job is running, but its threads and hooks have not all ended");
    assert_eq!(left(0, 2), "2 taken by a worker and about to begin");
    let stuck = left(1, 0);
    assert!(
        stuck.starts_with(r#"1 did not stop: "mail 7" on a thread without a name, "#),
        "{stuck}"
    );
    assert!(stuck.ends_with("running for 4.2s"), "{stuck}");
    assert!(left(1, 2).ends_with("running for 4.2s; 2 taken by a worker and about to begin"));
}
