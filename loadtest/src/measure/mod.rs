//! How targets are measured side by side: who takes part, in which rounds, and each kind of
//! figure: CPU per request, latency, handshakes, memory.
//!
//! What is compared is measured in the same run, on the same core, under the same load. A figure
//! that could not be measured is an error or absent, never an estimate, and nothing here prints
//! one.

mod flood;
pub(crate) mod handshakes;
pub(crate) mod idle;
mod latency;
pub(crate) mod lineup;
pub(crate) mod measurement;
pub(crate) mod observed;
pub(crate) mod rounds;
