//! Documents that the code writes about itself. A test fails when one of them drifts.
//!
//! The program prints them: whoever builds this does not build the gateway first.

use crate::step::{Done, cargo, root};

/// Writes `config/tollgate.toml` and `config/tollgate.schema.json`.
pub(crate) fn documents() -> Done {
    for (file, arguments) in [
        ("config/tollgate.toml", &["schema", "--toml"][..]),
        ("config/tollgate.schema.json", &["schema"][..]),
    ] {
        let printed = cargo(&[&["run", "--quiet", "--bin", "tollgate", "--"], arguments].concat()).output();
        let printed = printed.map_err(|fault| format!("cargo: {fault}"))?;
        if !printed.status.success() {
            return Err(String::from_utf8_lossy(&printed.stderr).into_owned());
        }
        std::fs::write(root().join(file), printed.stdout).map_err(|fault| format!("{file}: {fault}"))?;
        println!("{file}");
    }
    Ok(())
}
