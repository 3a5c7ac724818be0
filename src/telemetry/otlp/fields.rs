//! What messages of every kind are made of: attributes, the resource, the request around the records.

use super::queue::RECORD_FIELD;
use crate::wire::protobuf::Writer;

/// In attributes, lists of them, and what holds them: numbers of fields.
const KEY: u32 = 1;
const VALUE: u32 = 2;
const STRING: u32 = 1;
const TRUTH: u32 = 2;
const INTEGER: u32 = 3;

/// An attribute that is a text.
pub(super) fn text(message: &mut Writer, field: u32, key: &str, value: &str) {
    attribute(message, field, key, |any| any.some_text(STRING, value));
}

/// An attribute that is a number.
pub(super) fn integer(message: &mut Writer, field: u32, key: &str, value: u64) {
    attribute(message, field, key, |any| any.some_number(INTEGER, value));
}

/// An attribute that is true.
pub(super) fn truth(message: &mut Writer, field: u32, key: &str) {
    attribute(message, field, key, |any| any.some_number(TRUTH, 1));
}

fn attribute(message: &mut Writer, field: u32, key: &str, write: impl FnOnce(&mut Writer)) {
    message.message(field, |attribute| {
        attribute.text(KEY, key);
        attribute.message(VALUE, write);
    });
}

/// What everything that is sent is said to come from, and by whom.
#[derive(Debug)]
pub(super) struct Source {
    resource: Vec<u8>,
    scope: Vec<u8>,
}

impl Source {
    pub(super) fn new(instance: &str) -> Self {
        let (mut resource, mut scope) = (Writer::new(), Writer::new());
        text(&mut resource, 1, "service.name", "tollgate");
        text(&mut resource, 1, "service.version", env!("CARGO_PKG_VERSION"));
        text(&mut resource, 1, "service.instance.id", instance);
        scope.text(1, "tollgate");
        scope.text(2, env!("CARGO_PKG_VERSION"));
        Self { resource: resource.into_bytes(), scope: scope.into_bytes() }
    }

    /// The request that tells these records.
    pub(super) fn request(&self, records: &Writer) -> Vec<u8> {
        let mut request = Writer::new();
        // The same numbers for spans, log records and metrics.
        request.message(1, |of_resource| {
            of_resource.some_text(1, &self.resource);
            of_resource.message(RECORD_FIELD, |of_scope| {
                of_scope.some_text(1, &self.scope);
                of_scope.append(records.bytes());
            });
        });
        request.into_bytes()
    }
}
