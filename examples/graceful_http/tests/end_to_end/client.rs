//! Owns an HTTP client that tells exactly what became of its request.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// As long as no server takes that answers at all.
const LONG: Duration = Duration::from_mins(1);

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Answered, with this status and the whole body.
    Answered(u16),
    /// Not even connected.
    Refused,
    /// Sent, the last byte at this moment, and not answered completely.
    Broken(Instant, String),
}

impl Outcome {
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Answered(status) => Some(*status),
            Self::Refused | Self::Broken(..) => None,
        }
    }
}

pub(crate) fn get(server: &str, path: &str) -> Outcome {
    let Ok(mut stream) = TcpStream::connect(server) else { return Outcome::Refused };
    stream.set_read_timeout(Some(LONG)).expect("a time limit above 0");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    if stream.write_all(request.as_bytes()).is_err() {
        return Outcome::Refused;
    }
    let sent = Instant::now();
    match answer(&mut stream) {
        Ok(status) => Outcome::Answered(status),
        Err(error) => Outcome::Broken(sent, error.to_string()),
    }
}

/// The status of an answer that has come completely.
fn answer(stream: &mut TcpStream) -> io::Result<u16> {
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let cut = || {
        let reason = end.as_ref().map_or_else(ToString::to_string, |_| "cut short".to_owned());
        io::Error::other(format!("{reason} after {} bytes", bytes.len()))
    };
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(cut)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        if is_length { value.trim().parse::<usize>().ok() } else { None }
    });
    match (status, length) {
        (Some(status), Some(length)) if length == body.len() => Ok(status),
        (Some(status), _) => Err(io::Error::other(format!("{status} with half a body"))),
        (None, _) => Err(cut()),
    }
}
