//! Owns the errors of waits that an interrupt can end.

use std::fmt;

/// The job, or the thread, was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted: the job was asked to stop")
    }
}

impl std::error::Error for Interrupted {}

/// Why a receive ended without a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// The job was asked to stop.
    Interrupted,
    /// The channel is empty, and nobody can send any more.
    Disconnected,
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupted => "interrupted while receiving",
            Self::Disconnected => "receiving on an empty channel without senders",
        })
    }
}

impl std::error::Error for RecvError {}

/// Why a receive with a time limit ended without a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// The job was asked to stop.
    Interrupted,
    /// The channel is empty, and nobody can send any more.
    Disconnected,
    /// The time was over.
    TimedOut,
}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupted => "interrupted while receiving",
            Self::Disconnected => "receiving on an empty channel without senders",
            Self::TimedOut => "timed out while receiving",
        })
    }
}

impl std::error::Error for RecvTimeoutError {}

/// Why a send ended without the message being taken; gives it back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendError<T> {
    /// The job was asked to stop.
    Interrupted(T),
    /// Nobody can receive any more.
    Disconnected(T),
}

impl<T> SendError<T> {
    /// Returns the message that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            Self::Interrupted(message) | Self::Disconnected(message) => message,
        }
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupted(_) => "Interrupted(..)",
            Self::Disconnected(_) => "Disconnected(..)",
        })
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupted(_) => "interrupted while sending",
            Self::Disconnected(_) => "sending on a channel without receivers",
        })
    }
}

impl<T> std::error::Error for SendError<T> {}
