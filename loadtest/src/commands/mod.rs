//! What a person types: a file or a folder for each command, with its options, its help, and what
//! it says when it is done.
//!
//! A command puts together what the other rooms can do. Nothing below may know of one, and no
//! command knows another. The servers of our own, which only a measurement starts, have their
//! options with them, in `floors/`.

pub(crate) mod compare;
pub(crate) mod drive;
pub(crate) mod limits;
pub(crate) mod overhead;
pub(crate) mod replicas;
pub(crate) mod report;
mod side_by_side;
pub(crate) mod size;
pub(crate) mod soak;
