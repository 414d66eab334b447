//! Where a job comes from.

use std::fmt;
use std::panic::Location;

use crate::sync::Arc;

/// Where a program made a job, or submitted its closure.
pub(crate) type Site = &'static Location<'static>;

/// Where a job comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) site: Site,
    pub(crate) name: Option<Arc<str>>,
}

/// `"mail 7" (submitted at src/main.rs:31:10)`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name:?} (submitted at {})", self.site),
            None => write!(f, "a job submitted at {}", self.site),
        }
    }
}
