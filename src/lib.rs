//! Tollgate: the gateway in front of MCP servers.
//!
//! Seven floors; a module names modules on lower floors only, and modules on one floor do not
//! know each other. `docs/ARCHITECTURE.md` draws the house, `tests/` holds it to the drawing.

pub mod admin;
pub mod app;
pub mod base;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod control;
pub mod gateway;
pub mod link;
pub mod net;
pub mod policy;
pub mod registry;
pub mod state;
pub mod telemetry;
pub mod upstream;
pub mod wire;
