//! Floor 2: what operators see: metric cells, their exposition, the log.
//!
//! Labels come from the configuration and from closed lists, never from a client. Recording
//! costs one add on a cell of the worker's own; nothing here may block.

pub mod cells;
pub mod exposition;
pub mod log;

pub use cells::{Cells, Metrics, Outcome, PolicyCells, Protocol, ServerCells, Shut};
