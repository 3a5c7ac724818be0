//! Documents that the code writes about itself. A test fails when one of them drifts.

use tollgate::config::{json_schema, toml_document};

use crate::step::{Done, root};

/// Writes `config/tollgate.toml` and `config/tollgate.schema.json`.
pub(crate) fn documents() -> Done {
    let written = [
        ("config/tollgate.toml", toml_document()),
        ("config/tollgate.schema.json", format!("{:#}\n", json_schema())),
    ];
    for (file, text) in written {
        std::fs::write(root().join(file), text).map_err(|fault| format!("{file}: {fault}"))?;
        println!("{file}");
    }
    Ok(())
}
