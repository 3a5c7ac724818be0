//! The resources of the demo's MCP server: three fixed ones, and every note
//! through a template.
//!
//! It must never read a file: an address names a constant or a note, nothing
//! else.

use rmcp::ErrorData;
use rmcp::model::{
    ListResourceTemplatesResult, ListResourcesResult, ReadResourceResult, Resource, ResourceContents,
    ResourceTemplate,
};
use serde_json::json;

use super::notes::Notes;

/// Every note by its title.
pub(super) const TEMPLATE: &str = "notes://note/{title}";
/// What the template begins with.
const NOTE: &str = "notes://note/";

const HANDBOOK: &str = "notes://handbook";
const HOURS: &str = "notes://opening-hours";
const ZONES: &str = "notes://zones";

const PLAIN: &str = "text/plain";
const MARKDOWN: &str = "text/markdown";
const JSON: &str = "application/json";

const HANDBOOK_TEXT: &str = "# Heron Parcels\n\n\
    1. A parcel is never left in the rain.\n\
    2. A parcel that ticks is a clock until proven otherwise.\n\
    3. Whatever the dog says, the dog has not signed for it.\n";
const HOURS_TEXT: &str = "Monday to Friday 7 to 19, Saturday 8 to 12, never at high tide.\n";

/// The fixed resources.
pub(super) fn list() -> ListResourcesResult {
    ListResourcesResult::with_all_items(vec![
        Resource::new(HANDBOOK, "handbook").with_title("The handbook").with_mime_type(MARKDOWN),
        Resource::new(HOURS, "opening-hours").with_title("Opening hours").with_mime_type(PLAIN),
        Resource::new(ZONES, "zones").with_title("Delivery zones and their prices").with_mime_type(JSON),
    ])
}

/// The template that reaches the notes.
pub(super) fn templates() -> ListResourceTemplatesResult {
    ListResourceTemplatesResult::with_all_items(vec![
        ResourceTemplate::new(TEMPLATE, "note").with_title("One note").with_mime_type(PLAIN),
    ])
}

/// The contents behind `uri`.
pub(super) fn read(notes: &Notes, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let (text, kind) = match uri {
        HANDBOOK => (HANDBOOK_TEXT.to_owned(), MARKDOWN),
        HOURS => (HOURS_TEXT.to_owned(), PLAIN),
        ZONES => (zones(), JSON),
        _ => (note(notes, uri)?, PLAIN),
    };
    let contents = ResourceContents::text(text, uri).with_mime_type(kind);
    Ok(ReadResourceResult::new(vec![contents]))
}

fn note(notes: &Notes, uri: &str) -> Result<String, ErrorData> {
    uri.strip_prefix(NOTE)
        .and_then(|title| notes.get(title))
        .ok_or_else(|| ErrorData::resource_not_found("there is no such resource", None))
}

fn zones() -> String {
    json!({
        "currency": "EUR",
        "zones": [
            { "name": "harbour", "price_cents": 350, "days": 1 },
            { "name": "hills", "price_cents": 520, "days": 2 },
            { "name": "islands", "price_cents": 990, "days": 4, "form": "C-7" },
        ],
    })
    .to_string()
}
