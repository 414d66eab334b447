//! The program, run as a child and judged by its lines: each of its four jobs has a last word.

use std::time::Duration;

use harness::{Ended, Program, for_each_seed, must_lose};

const PROGRAM: &str = env!("CARGO_BIN_EXE_shutdown_and_await");
const TASKS: [&str; 4] = ["taskA", "taskB", "taskC", "longTask"];
/// For tests that are not about the time limit: however busy the machine, the jobs get their time.
const PATIENT: [&str; 4] = ["--scale", "0.01", "--interrupt-wait", "none"];

fn start(arguments: &[&str]) -> Program {
    Program::start(PROGRAM, arguments)
}

/// What a line says, without time and thread.
fn text(line: &str) -> &str {
    line.split_once("] ").map_or(line, |(_, text)| text)
}

fn at(ended: &Ended, wanted: &str) -> usize {
    let place = ended.stdout.iter().position(|line| text(line) == wanted);
    place.unwrap_or_else(|| panic!("no line {wanted:?}\n{ended}"))
}

/// Seconds since the program's start.
fn time(ended: &Ended, wanted: &str) -> f64 {
    let line = &ended.stdout[at(ended, wanted)];
    let number = line.split_whitespace().next().expect("a time");
    number.parse().unwrap_or_else(|error| panic!("{error} in {line:?}"))
}

fn assert_order(ended: &Ended, lines: &[&str]) {
    for pair in lines.windows(2) {
        assert!(at(ended, pair[0]) < at(ended, pair[1]), "{pair:?} the wrong way round\n{ended}");
    }
}

/// How many of the jobs nobody hears of: neither done, nor interrupted, nor handed back.
fn lost(ended: &Ended) -> usize {
    let has_last_word = |line: &&String| {
        let text = text(line);
        text.ends_with(" 완료") && text.contains("ask")
            || text.ends_with(" 반환")
            || text == "인터럽트 발생, sleep interrupted"
    };
    TASKS.len() - ended.stdout.iter().filter(has_last_word).count()
}

#[test]
fn the_articles_lines_come_in_its_order() {
    let ended = start(&["--scale", "0.1", "--interrupt-wait", "none"]).finish();
    ended.expect_code(1).expect_error("interrupt");
    assert_order(
        &ended,
        &[
            "[pool=2, active=2, queuedTasks=2, completedTasks=0]",
            "== shutdown 시작",
            "서비스 정상 종료 시도",
            "taskC 시작",
            "taskC 완료",
            "서비스 정상 종료 실패 -> 강제 종료 시도",
            "인터럽트 발생, sleep interrupted",
            "== shutdown 완료",
            "[pool=0, active=0, queuedTasks=0, completedTasks=4]",
        ],
    );
    assert_order(&ended, &["서비스 정상 종료 시도", "taskA 완료", "longTask 시작"]);
    assert_order(&ended, &["서비스 정상 종료 시도", "taskB 완료", "longTask 시작"]);
    let waited = time(&ended, "서비스 정상 종료 실패 -> 강제 종료 시도")
        - time(&ended, "서비스 정상 종료 시도");
    assert!(waited >= 0.99, "ten seconds at a tenth of the time are one\n{ended}");
    assert_eq!(lost(&ended), 0, "{ended}");
}

#[test]
fn a_job_that_ignores_its_interrupt_is_named() {
    let ended = start(&["--scale", "0.1", "--stubborn", "--interrupt-wait", "10000"]).finish();
    ended.expect_code(2).expect_error("longTask");
    assert_order(
        &ended,
        &[
            "서비스 정상 종료 시도",
            "서비스 정상 종료 실패 -> 강제 종료 시도",
            "서비스가 종료되지 않았습니다.",
            "== shutdown 완료",
            "[pool=1, active=1, queuedTasks=0, completedTasks=3]",
        ],
    );
}

#[test]
fn no_signal_makes_it_forget_a_job() {
    let losses = for_each_seed(|seed| {
        let mut graceful = start(&PATIENT);
        graceful.ready();
        seed.pass_time(Duration::from_millis(120));
        graceful.signal(seed.signal());
        let ended = graceful.finish();
        assert_eq!(lost(&ended), 0, "{ended}");
        assert!(matches!(ended.code, Some(0 | 1)), "{ended}");

        let mut naive = start(&["--scale", "0.01", "--variant", "naive"]);
        naive.ready();
        seed.pass_time(Duration::from_millis(120));
        naive.signal(seed.signal());
        lost(&naive.finish())
    });
    must_lose(&losses);
}

#[test]
fn a_signal_during_start_up_ends_it_before_or_after_its_work() {
    for_each_seed(|seed| {
        let program = start(&PATIENT);
        seed.pass_time(Duration::from_millis(8));
        program.terminate();
        let ended = program.finish();
        if ended.signal.is_some() {
            assert!(ended.stdout.is_empty(), "it was cut off when it had begun\n{ended}");
        } else {
            assert_eq!(lost(&ended), 0, "{ended}");
        }
    });
}

#[test]
fn with_all_the_time_it_needs_it_ends_cleanly() {
    for limit in ["none", "18446744073709551615"] {
        let ended = start(&["--scale", "0.002", "--grace", limit]).finish();
        ended.expect_code(0);
        assert_eq!(lost(&ended), 0, "{ended}");
        at(&ended, "longTask 완료");
    }
}

#[test]
fn without_any_time_every_job_is_done_handed_back_or_named() {
    let ended = start(&["--budget", "0"]).finish();
    assert!(matches!(ended.code, Some(1 | 2)), "{ended}");
    for task in ["taskC", "longTask"] {
        at(&ended, &format!("{task} 반환"));
    }
    let named = |task: &str| ended.stderr.iter().any(|line| line.contains(task));
    let unstopped = ["taskA", "taskB"].iter().filter(|task| named(task)).count();
    assert!(lost(&ended) <= unstopped, "{ended}");
}

#[test]
fn a_wrong_argument_is_explained() {
    start(&["--grace", "soon"]).finish().expect_code(64).expect_error("milliseconds");
    start(&["--scale=-1"]).finish().expect_code(64).expect_error("from 0 to 1000");
}
