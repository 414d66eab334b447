//! Owns what an order is.

use std::fmt;
use std::str::FromStr;

/// Something sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) amount: i64,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "order {} of {}", self.id, self.amount)
    }
}

impl FromStr for Order {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let wanted = || "an order is its number, a space and its amount".to_owned();
        let (id, amount) = line.split_once(' ').ok_or_else(wanted)?;
        let number = |text: &str| text.trim().parse().map_err(|_| wanted());
        Ok(Self { id: number(id)?, amount: number(amount)? })
    }
}
