//! Records on standard output, for collectors that read it.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::sync::atomic::AtomicBool;

use super::{Batch, Sink};

/// Writes lines to standard output.
///
/// To a descriptor of its own: the library's handle is locked by whoever prints.
#[derive(Debug)]
pub struct Stdout(File);

impl Stdout {
    /// Standard output as it is now.
    pub fn new() -> io::Result<Self> {
        io::stdout().as_fd().try_clone_to_owned().map(File::from).map(Self)
    }
}

impl Sink for Stdout {
    fn name(&self) -> &'static str {
        "stdout"
    }

    fn write(&mut self, lines: &Batch, _: &AtomicBool) -> io::Result<()> {
        self.0.write_all(lines.bytes())
    }
}
