//! Owns the channel of a model. Unlike crossbeam's it never disconnects: a worker holds a sender of
//! its own mailbox, and what is sent to one that has left must not be, and is found as lost.

use std::collections::VecDeque;

pub(crate) use crossbeam_channel::RecvTimeoutError;
use crossbeam_channel::{RecvError, TryRecvError, TrySendError};

use super::Instant;
use super::gate::Gate;
use crate::sync::Arc;

type Mail<T> = Arc<Gate<VecDeque<T>>>;

pub(crate) struct Sender<T> {
    mail: Mail<T>,
    room: usize,
}

pub(crate) struct Receiver<T> {
    mail: Mail<T>,
}

pub(crate) fn bounded<T: Send + 'static>(room: usize) -> (Sender<T>, Receiver<T>) {
    let mail = Gate::new(VecDeque::new());
    (Sender { mail: Arc::clone(&mail), room }, Receiver { mail })
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { mail: Arc::clone(&self.mail), room: self.room }
    }
}

impl<T: Send + 'static> Sender<T> {
    pub(crate) fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.mail.change(|mail| {
            if mail.len() == self.room {
                return Err(TrySendError::Full(message));
            }
            mail.push_back(message);
            Ok(())
        })
    }
}

impl<T: Send + 'static> Receiver<T> {
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        self.mail.look(VecDeque::pop_front).ok_or(TryRecvError::Empty)
    }

    pub(crate) fn recv(&self) -> Result<T, RecvError> {
        self.mail.wait(None, VecDeque::pop_front).ok_or(RecvError)
    }

    pub(crate) fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.mail.wait(Some(deadline), VecDeque::pop_front).ok_or(RecvTimeoutError::Timeout)
    }
}
