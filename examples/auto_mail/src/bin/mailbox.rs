//! An SMTP server that puts each mail into a file of its own, before it says that it has it.

#![expect(clippy::print_stdout, reason = "the output of a program")]

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use clap::Parser;
use mailin::response::{Action, INTERNAL_ERROR, OK};
use mailin::{Handler, Response, SessionBuilder};
use workcrew::interrupt;

/// Takes mails and writes them to files.
#[derive(Parser)]
struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// Where the mails are put
    #[arg(long)]
    folder: PathBuf,
    /// How long it takes to accept a mail, in ms
    #[arg(long, default_value_t = 0)]
    delay: u64,
}

/// One connection's mails.
struct Inbox {
    shelf: Arc<Shelf>,
    mail: Vec<u8>,
}

/// Where all mails go.
struct Shelf {
    folder: PathBuf,
    delay: Duration,
    mails: AtomicU64,
}

impl Shelf {
    /// Writes the mail so that its file is there as a whole or not at all.
    fn put(&self, mail: &[u8]) -> io::Result<()> {
        let number = self.mails.fetch_add(1, Ordering::Relaxed);
        let draft = self.folder.join(format!("{number}.part"));
        fs::write(&draft, mail)?;
        fs::rename(&draft, self.folder.join(format!("{number}.eml")))
    }
}

impl Handler for Inbox {
    fn data_start(&mut self, _: &str, _: &str, _: bool, _: &[String]) -> Response {
        self.mail.clear();
        OK
    }

    fn data(&mut self, line: &[u8]) -> io::Result<()> {
        self.mail.extend_from_slice(line);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        interrupt::sleep(self.shelf.delay).expect("this is no job");
        self.shelf.put(&self.mail).map_or(INTERNAL_ERROR, |()| OK)
    }
}

fn serve(stream: TcpStream, client: IpAddr, shelf: Arc<Shelf>) -> io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let mut session =
        SessionBuilder::new("mailbox").build(client, Inbox { shelf, mail: Vec::new() });
    session.greeting().write_to(&mut writer)?;
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        let response = session.process(&line);
        line.clear();
        match response.action {
            Action::NoReply => {}
            Action::Reply | Action::UpgradeTls => writer.write_all(&response.buffer()?)?,
            Action::Close => return writer.write_all(&response.buffer()?),
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let Args { listen, folder, delay } = Args::parse();
    let shelf = Shelf { folder, delay: Duration::from_millis(delay), mails: AtomicU64::new(0) };
    let shelf = Arc::new(shelf);
    let listener = match TcpListener::bind(&listen) {
        Ok(listener) => listener,
        Err(error) => return stopping::unavailable(&format!("{listen}: {error}")),
    };
    match listener.local_addr() {
        Ok(address) => println!("ready {address}"),
        Err(error) => return stopping::unavailable(&error.to_string()),
    }
    loop {
        let Ok((stream, client)) = listener.accept() else { continue };
        let shelf = Arc::clone(&shelf);
        // A connection that ends early is its client's to report.
        thread::spawn(move || serve(stream, client.ip(), shelf));
    }
}
