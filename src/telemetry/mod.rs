//! Floor 2: what operators see: metric cells, their exposition, the log.
//!
//! Labels come from the configuration and from closed lists, never from a client. Recording
//! costs one add on a cell of the worker's own; nothing that a worker calls may block.

pub mod audit;
pub mod books;
pub mod built;
pub mod cells;
pub mod event;
pub mod exposition;
pub mod histogram;
pub mod labels;
pub mod log;
pub mod metrics;
pub mod names;
pub mod otlp;
pub mod told;
pub mod trace;

pub use cells::{Cells, PolicyCells, ServerCells};
pub use histogram::StageCells;
pub use labels::{Lent, Outcome, Protocol, Shut, Stage};
pub use metrics::Metrics;
