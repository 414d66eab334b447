//! Owns the events: a mail is due, and listeners hear of it.

use std::fmt;

use workcrew::Rejected;

/// A mail is due.
#[derive(Clone, Debug)]
pub(crate) struct AutoMailSend {
    pub(crate) number: u32,
    pub(crate) address: String,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) attachment: String,
}

impl AutoMailSend {
    pub(crate) fn due(number: u32) -> Self {
        Self {
            number,
            address: format!("customer{number}@example.org"),
            title: format!("Invoice {number}"),
            body: "Dear customer,\n\nyou find the invoice attached.\n".to_owned(),
            attachment: format!("item;amount\nsubscription;{number}.00\n"),
        }
    }
}

impl fmt::Display for AutoMailSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mail {} to {}", self.number, self.address)
    }
}

type Listener = Box<dyn Fn(&AutoMailSend) -> Result<(), Rejected>>;

/// Tells its listeners, in the order of their subscription and on the publisher's thread.
#[derive(Default)]
pub(crate) struct Publisher {
    listeners: Vec<Listener>,
}

impl Publisher {
    pub(crate) fn subscribe(
        &mut self,
        listener: impl Fn(&AutoMailSend) -> Result<(), Rejected> + 'static,
    ) {
        self.listeners.push(Box::new(listener));
    }

    pub(crate) fn publish(&self, event: &AutoMailSend) -> Result<(), Rejected> {
        self.listeners.iter().try_for_each(|listener| listener(event))
    }
}
