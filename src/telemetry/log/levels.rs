//! How much is logged: a level for all of the gateway, and others for modules of it.
//!
//! Other people's modules are told from warnings on and cannot be told more of: what they log in detail may hold
//! credentials.

use std::str::FromStr;

use tracing_subscriber::EnvFilter;

/// The levels, from few lines to many.
pub const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What other people's modules tell. The demo's MCP server takes every cancelled call for an error of its own.
const OTHERS: &str = "warn,rmcp=off";

/// Levels in the order in which they were written, e.g. `info,tollgate::net=debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels(String);

/// A text that names no levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoLevels;

impl Default for Levels {
    /// What is told where nobody asks for more or less.
    fn default() -> Self {
        Self(format!("{OTHERS},tollgate=info"))
    }
}

impl FromStr for Levels {
    type Err = NoLevels;

    fn from_str(text: &str) -> Result<Self, NoLevels> {
        let (mut filter, mut general) = (String::from(OTHERS), 0);
        for part in text.split(',').map(str::trim) {
            let (module, level) = part.split_once('=').unwrap_or(("", part));
            let module = match module.trim() {
                "" if !part.contains('=') => {
                    general += 1;
                    "tollgate"
                }
                module if is_ours(module) => module,
                _ => return Err(NoLevels),
            };
            let level = level.trim();
            if !LEVELS.contains(&level) {
                return Err(NoLevels);
            }
            filter.push_str(&format!(",{module}={level}"));
        }
        if general > 1 { Err(NoLevels) } else { Ok(Self(filter)) }
    }
}

impl Levels {
    /// As the subscriber takes them.
    pub(super) fn filter(&self) -> EnvFilter {
        EnvFilter::new(&self.0)
    }
}

/// Whether it is the path of a module of the gateway.
fn is_ours(module: &str) -> bool {
    let mut names = module.split("::");
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    names.next() == Some("tollgate") && names.all(is_name)
}

#[cfg(test)]
mod tests {
    use super::{Levels, NoLevels};

    #[test]
    fn levels_are_read_or_refused() {
        for (text, filter) in [
            ("info", Ok("warn,rmcp=off,tollgate=info")),
            ("info,tollgate::net=debug", Ok("warn,rmcp=off,tollgate=info,tollgate::net=debug")),
            (" off , tollgate::http1 = trace ", Ok("warn,rmcp=off,tollgate=off,tollgate::http1=trace")),
            ("tollgate::requests=off", Ok("warn,rmcp=off,tollgate::requests=off")),
            ("", Err(NoLevels)),
            ("loud", Err(NoLevels)),
            ("Info", Err(NoLevels)),
            ("info,debug", Err(NoLevels)),
            ("info,", Err(NoLevels)),
            ("=info", Err(NoLevels)),
            ("hyper=trace", Err(NoLevels)),
            ("tollgateway=info", Err(NoLevels)),
            ("tollgate::=info", Err(NoLevels)),
            ("tollgate::net[span]=info", Err(NoLevels)),
            ("tollgate::net=info=debug", Err(NoLevels)),
        ] {
            let read = text.parse::<Levels>();
            assert_eq!(
                read.as_ref().map(|levels| levels.0.as_str()),
                filter.as_ref().map(|f| &**f),
                "{text}"
            );
            if let Ok(levels) = read {
                // The subscriber leaves out what it does not understand.
                assert_eq!(levels.filter().to_string().matches('=').count(), levels.0.matches('=').count());
            }
        }
    }
}
