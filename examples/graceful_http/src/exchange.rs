//! Owns a request until it is answered. INVARIANT: an exchange is answered once; one that is dropped
//! is answered with 503, so that a job handed back unrun leaves nobody waiting, and with 500 if its
//! handler panicked.

use std::thread;
use std::time::Duration;

use tiny_http::{Header, Request, Response};
use workcrew::interrupt;

/// Enough that an answer cut short is seen to be.
const BODY: usize = 100_000;

pub(crate) struct Exchange {
    request: Option<Request>,
}

enum Route {
    Sleep(Duration),
    Stuck,
    Panic,
    Unknown,
}

impl Route {
    fn of(path: &str) -> Self {
        let sleep = path.strip_prefix("/sleep/").and_then(|number| number.parse().ok());
        match (path, sleep) {
            (_, Some(time)) => Self::Sleep(Duration::from_millis(time)),
            ("/stuck", None) => Self::Stuck,
            ("/panic", None) => Self::Panic,
            (_, None) => Self::Unknown,
        }
    }
}

impl Exchange {
    pub(crate) fn new(request: Request) -> Self {
        Self { request: Some(request) }
    }

    /// Does what is asked for, and answers.
    pub(crate) fn handle(self) {
        let route =
            self.request.as_ref().map_or(Route::Unknown, |request| Route::of(request.url()));
        match route {
            Route::Sleep(time) => match interrupt::sleep(time) {
                Ok(()) => self.answer(200, "x".repeat(BODY)),
                Err(interrupt::Interrupted) => self.answer(503, "the server stops\n".to_owned()),
            },
            Route::Stuck => loop {
                thread::park();
            },
            Route::Panic => panic!("asked to"),
            Route::Unknown => self.answer(404, "there is no such thing\n".to_owned()),
        }
    }

    fn answer(mut self, status: u16, body: String) {
        self.send(status, body);
    }

    #[expect(clippy::print_stderr, reason = "a client that is gone is worth a line")]
    fn send(&mut self, status: u16, body: String) {
        let Some(request) = self.request.take() else { return };
        // With its length in front, so that a client sees whether it has all.
        let mut response =
            Response::from_string(body).with_status_code(status).with_chunked_threshold(usize::MAX);
        if status == 503 {
            response.add_header(header("Retry-After", "1"));
            response.add_header(header("Connection", "close"));
        }
        if let Err(error) = request.respond(response) {
            eprintln!("a client has not taken its answer: {error}");
        }
    }
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).expect("both are ASCII")
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let status = if thread::panicking() { 500 } else { 503 };
        self.send(status, "not handled\n".to_owned());
    }
}
