//! Limits the work for one file; the errors of expressions.

use std::cell::Cell;

/// Most steps for one file: a value, a call or 16 octets of text cost one step.
const STEPS: u64 = 10_000_000;
/// Most nested expressions, counted through parameters, variables and references.
const DEPTH: u32 = 1_000;

/// Counts steps and nesting.
#[derive(Debug)]
pub(super) struct Meter {
    left: Cell<u64>,
    depth: Cell<u32>,
}

/// Why an expression has no value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The expression is invalid; only its value becomes unknown.
    Wrong(String),
    /// The limit of steps is reached; the file is refused.
    Spent,
}

impl Fault {
    pub(super) fn wrong(why: impl Into<String>) -> Self {
        Self::Wrong(why.into())
    }
}

impl Meter {
    pub(super) const fn new() -> Self {
        Self { left: Cell::new(STEPS), depth: Cell::new(0) }
    }

    /// # Errors
    /// If the limit is reached.
    pub(super) fn spend(&self, steps: u64) -> Result<(), Fault> {
        let left = self.left.get().checked_sub(steps);
        self.left.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or(Fault::Spent)
    }

    pub(super) const fn is_spent(&self) -> bool {
        self.left.get() == 0
    }

    /// Enters a level of nesting, until the guard is dropped.
    ///
    /// # Errors
    /// If the nesting is too deep.
    pub(super) fn enter(&self) -> Result<Level<'_>, Fault> {
        self.spend(1)?;
        if self.depth.get() == DEPTH {
            return Err(Fault::wrong(format!("expressions are nested more than {DEPTH} deep, or refer to themselves")));
        }
        self.depth.set(self.depth.get() + 1);
        Ok(Level(self))
    }
}

/// A level of nesting.
pub(super) struct Level<'m>(&'m Meter);

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.0.depth.set(self.0.depth.get() - 1);
    }
}
