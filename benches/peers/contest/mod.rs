//! Owns what makes a contest: a workload, those who take part in it, and the ratio to be reached.

mod list; // all contests, in the order of the report

pub(crate) use self::list::all;

use crate::contender::{Contender, Workcrew};
use crate::workload::{Setup, Workload};

/// The pool that the others are compared with.
pub(crate) const OURS: &str = Workcrew::NAME;

/// How an entrant counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Ours,
    /// It can be the best peer.
    Peer,
    /// It does less than the contest asks for, or something else, and is only shown.
    Shown,
}

/// With how many workers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crews {
    /// As many as asked for.
    Asked,
    /// A number that belongs to the workload.
    Only(usize),
}

/// Whether another program runs meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    Alone,
    /// One that keeps a processor busy.
    Spinning,
}

/// One who takes part.
pub(crate) struct Entrant {
    pub(crate) name: &'static str,
    pub(crate) part: Part,
    /// Says what it does less than the rest, or otherwise.
    pub(crate) note: String,
    pub(crate) run: fn(&Setup) -> f64,
}

impl Entrant {
    fn new(name: &'static str, run: fn(&Setup) -> f64) -> Self {
        let part = if name == OURS { Part::Ours } else { Part::Peer };
        Self { name, part, note: String::new(), run }
    }

    fn of<C: Contender, W: Workload>() -> Self {
        Self { note: C::NOTE.to_owned(), ..Self::new(C::NAME, W::run::<C>) }
    }
}

/// A workload and those who are given it.
pub(crate) struct Contest {
    /// Its short name, for `--only`.
    pub(crate) name: &'static str,
    /// Its name in tables and in the picture.
    pub(crate) title: &'static str,
    pub(crate) unit: &'static str,
    /// The most that this crate's figure may be, as a multiple of the best peer's of the same turn.
    pub(crate) reach: f64,
    pub(crate) crews: Crews,
    pub(crate) company: Company,
    pub(crate) entrants: Vec<Entrant>,
}

impl Contest {
    fn new(
        name: &'static str,
        title: &'static str,
        unit: &'static str,
        reach: f64,
        entrants: Vec<Entrant>,
    ) -> Self {
        let (crews, company) = (Crews::Asked, Company::Alone);
        Self { name, title, unit, reach, crews, company, entrants }
    }

    /// With so many workers, whatever is asked for.
    fn with(self, workers: usize) -> Self {
        Self { crews: Crews::Only(workers), ..self }
    }

    /// This peer alone is compared with; the others are shown.
    fn against(mut self, name: &str) -> Self {
        for entrant in &mut self.entrants {
            if entrant.part == Part::Peer && entrant.name != name {
                entrant.part = Part::Shown;
            }
        }
        self
    }

    /// Only shows these.
    fn showing(mut self, names: &[&str]) -> Self {
        for name in names {
            self.entrant(name).part = Part::Shown;
        }
        self
    }

    /// Adds to what is noted of an entrant.
    fn noting(mut self, name: &str, note: &str) -> Self {
        let noted = &mut self.entrant(name).note;
        if !noted.is_empty() {
            noted.push_str("; ");
        }
        noted.push_str(note);
        self
    }

    fn entrant(&mut self, name: &str) -> &mut Entrant {
        let entrant = self.entrants.iter_mut().find(|entrant| entrant.name == name);
        entrant.expect("it takes part")
    }
}
