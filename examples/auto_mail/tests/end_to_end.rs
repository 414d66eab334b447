//! The program, run as a child and judged by the mailbox of the SMTP server that it sends to.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use harness::{Ended, Program, Seed, for_each_seed, must_lose};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_auto_mail");
const SERVER: &str = env!("CARGO_BIN_EXE_mailbox");
/// For tests that are not about the time limit.
const PATIENT: [&str; 4] = ["--grace", "none", "--interrupt-wait", "none"];

/// An SMTP server and what has come to it.
struct Mailbox {
    server: Program,
    address: String,
    folder: TempDir,
}

impl Mailbox {
    fn start(delay: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the mails");
        let path = folder.path().to_string_lossy().into_owned();
        let mut server = Program::start(SERVER, ["--folder", &path, "--delay", &delay.to_string()]);
        let address = server.ready();
        Self { server, address, folder }
    }

    fn send(&self, more: &[&str]) -> Program {
        let arguments = ["--smtp", &self.address, "--mails", "150"];
        Program::start(PROGRAM, arguments.iter().chain(more))
    }

    /// How often each mail has come, each with its attachment.
    fn mails(&self) -> BTreeMap<u32, usize> {
        let mut mails = BTreeMap::new();
        for entry in fs::read_dir(self.folder.path()).expect("the server's folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|extension| extension != "eml") {
                continue;
            }
            let mail = fs::read_to_string(path).expect("a mail");
            let subject = mail.lines().find_map(|line| line.strip_prefix("Subject: Invoice "));
            let number = subject.and_then(|text| text.trim().parse().ok()).expect("a title");
            assert!(mail.contains(&format!("filename=\"invoice-{number}.csv\"")), "{mail}");
            assert!(mail.contains(&format!("subscription;{number}.00")), "{mail}");
            *mails.entry(number).or_default() += 1;
        }
        mails
    }
}

/// The accepted mails that are not in the mailbox.
fn missing(ended: &Ended, mailbox: &Mailbox) -> Vec<u32> {
    let mails = mailbox.mails();
    assert!(mails.values().all(|copies| *copies == 1), "a mail came twice: {mails:?}\n{ended}");
    let accepted = ended.lines("accepted").map(|number| number.parse().expect("a mail's number"));
    accepted.filter(|number| !mails.contains_key(number)).collect()
}

/// Whatever is not in the mailbox is named.
fn assert_named(ended: &Ended, missing: &[u32]) {
    for number in missing {
        ended.expect_error(&format!("lost: mail {number} to"));
    }
    let (accepted, sent) = (ended.ledger("accepted"), ended.ledger("done"));
    assert_eq!(accepted, sent + ended.ledger("lost"), "{ended}");
    assert!(ended.ledger("lost") >= missing.len(), "{ended}");
}

/// Sends the seed's signal at a moment of the seed's.
fn stopped(seed: &mut Seed, mailbox: &Mailbox, arguments: &[&str]) -> Ended {
    let mut program = mailbox.send(arguments);
    program.ready();
    seed.pass_time(Duration::from_millis(400));
    program.signal(seed.signal());
    program.finish()
}

#[test]
fn every_accepted_mail_comes_once_whenever_it_is_stopped() {
    let losses = for_each_seed(|seed| {
        let mailbox = Mailbox::start(20);
        let ended = stopped(seed, &mailbox, &PATIENT);
        assert_eq!(missing(&ended, &mailbox), [0; 0], "{ended}");
        ended.expect_code(0);
        assert_eq!(ended.ledger("lost"), 0, "{ended}");

        let mailbox = Mailbox::start(20);
        let ended = stopped(seed, &mailbox, &["--variant", "naive"]);
        let missing = missing(&ended, &mailbox);
        assert_named(&ended, &missing);
        missing.len()
    });
    must_lose(&losses);
}

#[test]
fn inline_is_slow_and_loses_nothing() {
    for_each_seed(|seed| {
        let mailbox = Mailbox::start(5);
        let ended = stopped(seed, &mailbox, &["--variant", "inline"]);
        assert_eq!(missing(&ended, &mailbox), [0; 0], "{ended}");
        ended.expect_code(0);
    });
}

#[test]
fn with_little_time_every_mail_comes_or_is_named() {
    for_each_seed(|seed| {
        let mailbox = Mailbox::start(20);
        let grace = seed.below(40).to_string();
        let ended = stopped(seed, &mailbox, &["--grace", &grace, "--interrupt-wait", "none"]);
        let missing = missing(&ended, &mailbox);
        assert_named(&ended, &missing);
        // Those that are being sent are waited for, so that none is in doubt.
        assert_eq!(ended.ledger("lost"), missing.len(), "{ended}");
        // Mails that were being sent when the grace was over have come, too.
        assert!(ended.code == Some(1) || ended.code == Some(0) && missing.is_empty(), "{ended}");
    });
}

#[test]
fn a_server_that_dies_leaves_no_mail_unnamed() {
    for_each_seed(|seed| {
        let mailbox = Mailbox::start(20);
        let mut program = mailbox.send(&PATIENT);
        program.ready();
        seed.pass_time(Duration::from_millis(150));
        mailbox.server.kill();
        let ended = program.finish();
        let missing = missing(&ended, &mailbox);
        assert_named(&ended, &missing);
        ended.expect_code(i32::from(ended.ledger("lost") > 0));
    });
}

#[test]
fn without_a_signal_it_sends_all_and_ends() {
    let mailbox = Mailbox::start(0);
    let ended = mailbox.send(&["--budget", "18446744073709551615", "--grace", "none"]).finish();
    ended.expect_code(0);
    assert_eq!(ended.ledger("done"), 150, "{ended}");
    assert_eq!(mailbox.mails().len(), 150);
}

#[test]
fn without_any_time_every_mail_comes_or_is_named() {
    let mailbox = Mailbox::start(60_000);
    let mut program = mailbox.send(&["--mails", "40", "--budget", "0"]);
    program.line("accepted 40");
    program.terminate();
    let ended = program.finish();
    assert!(matches!(ended.code, Some(1 | 2)), "{ended}");
    assert_named(&ended, &missing(&ended, &mailbox));
    assert_eq!(ended.ledger("lost"), 40, "{ended}");
}

#[test]
fn its_threads_bear_the_names_that_were_set() {
    let mailbox = Mailbox::start(20);
    let mut program = mailbox.send(&["--grace", "none", "--mails", "1000000"]);
    // More than wait and run at a time: some thread has done its job, and so has its name.
    program.line("accepted 200");
    let tasks = fs::read_dir(format!("/proc/{}/task", program.id())).expect("a living process");
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    let names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
    assert!(names.iter().any(|name| name.starts_with("EmailAsync-")), "{names:?}");
    program.terminate();
    program.finish().expect_code(0);
}

#[test]
fn a_signal_during_start_up_ends_it_before_or_after_its_work() {
    for_each_seed(|seed| {
        let mailbox = Mailbox::start(5);
        let program = mailbox.send(&PATIENT);
        seed.pass_time(Duration::from_millis(15));
        program.terminate();
        let ended = program.finish();
        if ended.signal.is_some() {
            assert!(mailbox.mails().is_empty(), "{ended}");
        } else {
            assert_eq!(missing(&ended, &mailbox), [0; 0], "{ended}");
            ended.expect_code(0);
        }
    });
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = free.expect("a free port").to_string();
    let ended = Program::start(PROGRAM, ["--smtp", &address]).finish();
    ended.expect_code(69).expect_error(&address);
    Program::start(PROGRAM, ["--smtp", "nowhere"])
        .finish()
        .expect_code(69)
        .expect_error("host:port");
}

#[test]
fn a_port_in_use_is_named() {
    let mailbox = Mailbox::start(0);
    let folder = mailbox.folder.path().to_string_lossy().into_owned();
    let ended =
        Program::start(SERVER, ["--listen", &mailbox.address, "--folder", &folder]).finish();
    ended.expect_code(69).expect_error(&mailbox.address).expect_error("in use");
}
