//! Floor 6: wiring. Settings become parts, parts start in order, and stop in the reverse.
//!
//! No logic of its own beyond that order. `main` calls it and nothing calls `main`.

mod books;
mod demo;
mod descriptors;
mod gateway;
mod gauges;
mod memory;
mod serve;
mod service;
mod signals;
mod telemetry;
mod workers;

pub use demo::{DemoOptions, demo};
pub use gateway::{Gateway, StartFault};
pub use serve::{ServeOptions, serve};
