//! Owns the sending of mails: one SMTP connection for each.

use std::error::Error;
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::{Message, SmtpTransport, Transport};
use workcrew::interrupt;

use crate::event::AutoMailSend;

/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_mins(1);

#[derive(Clone)]
pub(crate) struct Mailer {
    transport: SmtpTransport,
    sender: Mailbox,
}

impl Mailer {
    /// Checks that the server at `address` is there.
    pub(crate) fn connect(address: &str) -> Result<Self, Box<dyn Error>> {
        let wanted = || format!("an SMTP server is host:port, and not {address:?}");
        let (host, port) = address.split_once(':').ok_or_else(wanted)?;
        let transport = SmtpTransport::builder_dangerous(host)
            .port(port.parse().map_err(|_| wanted())?)
            .timeout(Some(SILENCE))
            .build();
        match transport.test_connection() {
            Ok(true) => Ok(Self { transport, sender: "Invoices <invoices@example.org>".parse()? }),
            Ok(false) => Err(format!("the SMTP server {address} wants no mails").into()),
            Err(error) => Err(format!("no SMTP server at {address}: {error:?}").into()),
        }
    }

    /// Sends the mail, unless the job that does it has been interrupted. Once begun it is not cut
    /// off by an interrupt: nobody could tell then whether the server has it.
    pub(crate) fn send(&self, event: &AutoMailSend) -> Result<(), Box<dyn Error>> {
        interrupt::check()?;
        let name = format!("invoice-{}.csv", event.number);
        let attachment =
            Attachment::new(name).body(event.attachment.clone(), ContentType::parse("text/csv")?);
        let message = Message::builder()
            .from(self.sender.clone())
            .to(event.address.parse()?)
            .subject(&event.title)
            .multipart(
                MultiPart::mixed()
                    .singlepart(SinglePart::plain(event.body.clone()))
                    .singlepart(attachment),
            )?;
        self.transport.send(&message)?;
        Ok(())
    }
}
