//! Names of the configuration under numbers, so that an event can carry one for nothing.
//!
//! A name keeps its number for as long as the process lives, over reloads. Names come from the
//! configuration alone, never from a client; and there is a most.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A name's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NameId(u32);

impl NameId {
    /// No name.
    pub const NONE: Self = Self(0);

    /// Its place among all names, in the order in which they came; `None` for no name.
    pub fn place(self) -> Option<usize> {
        (self.0 as usize).checked_sub(1)
    }
}

/// Names that are kept over all reloads; those that come when there are so many are `_other`.
const NAMES: usize = 65_536;
const OTHER: &str = "_other";

/// All names so far.
#[derive(Debug, Default)]
pub struct Names(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    by_number: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, NameId>,
}

impl Known {
    fn add(&mut self, name: &str) -> NameId {
        let name: Arc<str> = name.into();
        self.by_number.push(Arc::clone(&name));
        let number = NameId(u32::try_from(self.by_number.len()).unwrap_or(0));
        self.numbers.insert(name, number);
        number
    }
}

impl Names {
    /// The number of a name, the same one for the same name.
    pub fn number(&self, name: &str) -> NameId {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = known.numbers.get(name) {
            return *number;
        }
        if known.by_number.len() < NAMES {
            return known.add(name);
        }
        known.numbers.get(OTHER).copied().unwrap_or_else(|| known.add(OTHER))
    }

    /// The name of a number; `None` for no name.
    pub fn name(&self, number: NameId) -> Option<Arc<str>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.by_number.get(number.place()?).map(Arc::clone)
    }

    /// Copies the names that came after those that are there, for whoever reads them often.
    pub fn copy_new(&self, copied: &mut Vec<Arc<str>>) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        copied.extend(known.by_number.iter().skip(copied.len()).map(Arc::clone));
    }
}

#[cfg(test)]
mod tests {
    use super::{NAMES, NameId, Names, OTHER};

    #[test]
    fn names_keep_their_numbers_and_are_bounded() {
        let names = Names::default();
        let first = names.number("crm");
        for number in 0..NAMES + 10 {
            names.number(&format!("server-{number}"));
        }
        assert_eq!((names.number("crm"), names.name(first).as_deref()), (first, Some("crm")));
        let late = names.number("one more");
        assert_eq!((names.name(late).as_deref(), names.number("another")), (Some(OTHER), late));
        assert_eq!(names.name(NameId::NONE), None);
        let mut copied = Vec::new();
        names.copy_new(&mut copied);
        assert_eq!(copied.get(late.place().unwrap()).map(|name| &**name), Some(OTHER));
        let count = copied.len();
        names.copy_new(&mut copied);
        assert_eq!((copied.len(), NameId::NONE.place()), (count, None));
    }
}
