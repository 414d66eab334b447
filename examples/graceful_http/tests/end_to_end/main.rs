//! The server, run as a child and judged by its clients: who got no answer?

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use harness::{Program, Signal, for_each_seed, must_lose};

use crate::client::{Outcome, get};

mod client; // who asks, and remembers

const PROGRAM: &str = env!("CARGO_BIN_EXE_graceful_http");
const CLIENTS: u64 = 8;
/// For tests that are not about the time limit.
const PATIENT: [&str; 2] = ["--interrupt-wait", "none"];

/// The server, and its address.
fn start(arguments: &[&str]) -> (Program, String) {
    let mut program = Program::start(PROGRAM, arguments);
    let address = program.ready();
    (program, address)
}

/// Asks on a thread of its own.
fn ask(server: &str, path: &str) -> thread::JoinHandle<Outcome> {
    let (server, path) = (server.to_owned(), path.to_owned());
    thread::spawn(move || get(&server, &path))
}

/// Asks again and again until the server does not want any more.
fn ask_on(server: &str, path: String) -> thread::JoinHandle<Vec<Outcome>> {
    let server = server.to_owned();
    thread::spawn(move || {
        let mut outcomes = Vec::new();
        loop {
            let outcome = get(&server, &path);
            let goes_on = outcome.status() == Some(200);
            outcomes.push(outcome);
            if !goes_on {
                return outcomes;
            }
        }
    })
}

fn soon(client: thread::JoinHandle<Outcome>) -> Outcome {
    client.join().expect("a client does not panic")
}

/// Sends the seed's signal at a moment of the seed's under load, and returns the requests that were
/// sent before and were not answered, and the exit code.
fn unanswered(seed: &mut harness::Seed, arguments: &[&str]) -> (Vec<String>, Option<i32>) {
    let (program, server) = start(arguments);
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| ask_on(&server, format!("/sleep/{}", seed.below(30)))).collect();
    seed.pass_time(Duration::from_millis(200));
    let signalled = Instant::now();
    program.signal(seed.signal());
    let outcomes = clients.into_iter().flat_map(|client| client.join().expect("it ends"));
    let broken = outcomes.filter_map(|outcome| match outcome {
        Outcome::Broken(sent, error) if sent < signalled => Some(error),
        Outcome::Broken(..) | Outcome::Answered(_) | Outcome::Refused => None,
    });
    let broken = broken.collect();
    (broken, program.finish().code)
}

#[test]
fn every_request_that_came_before_the_signal_is_answered() {
    let losses = for_each_seed(|seed| {
        let (broken, code) = unanswered(seed, &PATIENT);
        assert!(broken.is_empty(), "{seed}: without an answer: {broken:?}");
        assert_eq!(code, Some(0), "{seed}");
        unanswered(seed, &["--variant", "naive"]).0.len()
    });
    must_lose(&losses);
}

#[test]
fn with_little_time_the_accepted_are_refused_and_not_forgotten() {
    for_each_seed(|seed| {
        let grace = seed.below(20).to_string();
        let hurried = ["--workers", "1", "--grace", &grace, "--interrupt-wait", "none"];
        let (broken, code) = unanswered(seed, &hurried);
        assert!(broken.is_empty(), "{seed}: without an answer: {broken:?}");
        assert!(matches!(code, Some(0 | 1)), "{seed}: {code:?}");
    });
}

#[test]
fn while_it_drains_it_answers_503_and_a_second_signal_hurries_it() {
    let (mut program, server) = start(&["--grace", "none", "--interrupt-wait", "none"]);
    let long = ask(&server, "/sleep/600000");
    program.line("accepted GET /sleep/600000");
    program.signal(Signal::SIGINT);
    program.line("draining");
    assert_eq!(get(&server, "/sleep/0").status(), Some(503));
    program.terminate();
    assert_eq!(soon(long).status(), Some(503));
    program.finish().expect_code(1).expect_error("asked again");
}

#[test]
fn a_stuck_handler_is_named() {
    let (mut program, server) = start(&["--grace", "0", "--interrupt-wait", "50"]);
    let stuck = ask(&server, "/stuck");
    program.line("handling GET /stuck (1)");
    program.terminate();
    program.finish().expect_code(2).expect_error("GET /stuck (1)");
    assert!(matches!(soon(stuck), Outcome::Broken(..)));
}

#[test]
fn without_any_time_the_waiting_are_answered_and_the_running_named() {
    let (mut program, server) =
        start(&["--workers", "1", "--grace", "none", "--budget", "0", "--interrupt-wait", "none"]);
    let clients = [ask(&server, "/stuck"), ask(&server, "/stuck"), ask(&server, "/stuck")];
    program.line("handling GET /stuck (1)");
    for number in 1..=clients.len() {
        program.line(&format!("accepted GET /stuck ({number})"));
    }
    program.terminate();
    program.finish().expect_code(2).expect_error("GET /stuck (1)");
    let outcomes: Vec<_> = clients.into_iter().map(soon).collect();
    let refused = outcomes.iter().filter(|outcome| outcome.status() == Some(503)).count();
    assert_eq!(refused, 2, "{outcomes:?}");
}

#[test]
fn a_full_server_says_so() {
    let (mut program, server) =
        start(&["--workers", "1", "--queue", "1", "--grace", "0", "--interrupt-wait", "none"]);
    let long = [ask(&server, "/sleep/600000"), ask(&server, "/sleep/600000")];
    for number in 1..=long.len() {
        program.line(&format!("accepted GET /sleep/600000 ({number})"));
    }
    assert_eq!(get(&server, "/sleep/0").status(), Some(503));
    program.terminate();
    for client in long {
        assert_eq!(soon(client).status(), Some(503));
    }
    program.finish().expect_code(1);
}

#[test]
fn a_panic_is_an_answer_and_the_server_goes_on() {
    let (program, server) = start(&PATIENT);
    assert_eq!(get(&server, "/panic").status(), Some(500));
    assert_eq!(get(&server, "/sleep/0").status(), Some(200));
    assert_eq!(get(&server, "/elsewhere").status(), Some(404));
    program.terminate();
    program.finish().expect_code(0);
}

#[test]
fn a_signal_during_start_up_ends_it() {
    for_each_seed(|seed| {
        let program = Program::start(PROGRAM, ["--linger", "10"]);
        seed.pass_time(Duration::from_millis(10));
        program.terminate();
        let ended = program.finish();
        assert!(
            ended.signal.is_some() && ended.stdout.is_empty() || ended.code == Some(0),
            "{ended}"
        );
    });
}

#[test]
fn a_port_in_use_is_named() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = other.local_addr().expect("it is bound").to_string();
    let ended = Program::start(PROGRAM, ["--listen", &address]).finish();
    ended.expect_code(69).expect_error(&address).expect_error("in use");
}
