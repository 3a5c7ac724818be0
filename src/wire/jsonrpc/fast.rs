//! The fast reader: a simd-json tape on scratch that is reused from request to request.
//!
//! simd-json unescapes into its input, so the body is copied once (7 ns for 300 bytes); the
//! original is what goes upstream. Whatever its parser refuses is not refused here but handed
//! to the slow reader, since it also refuses some legal numbers and texts.

use simd_json::{Buffers, INPUT_PADDING, Node, StaticNode, Tape};

use super::envelope::Envelope;
use super::read::{Fault, read};
use super::slow;
use super::view::{Found, Integer, Kind, Unreadable, View};
use crate::base::bounds;

/// Bodies beyond it go to the slow reader, which needs no memory beside the body: a tape takes
/// up to thirteen times as much. Most bodies are below 4 KiB; 64 KiB holds nearly all.
const KEPT_BYTES: usize = 64 * 1024;

/// One worker's scratch memory for reading envelopes.
pub struct Scratch {
    input: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Scratch {
    /// Empty scratch; it grows to what bodies need, at most 64 KiB and what the parser
    /// keeps beside them.
    pub fn new() -> Self {
        Self {
            input: Vec::new(),
            buffers: Buffers::with_max_depth(0, bounds::JSON_DEPTH),
            tape: Tape(Vec::new()),
        }
    }

    /// Reads one message: by the tape, or by the slow reader where the tape will not commit
    /// itself. Both give the same answer where both give one.
    pub fn read(&mut self, body: &[u8]) -> Result<Envelope, Fault> {
        if body.len() > KEPT_BYTES {
            return slow::read_envelope(body);
        }
        self.read_fast(body).unwrap_or_else(|Unsure| slow::read_envelope(body))
    }

    /// What the tape says; the fuzz target and the tests hold it against the slow reader.
    pub fn read_fast(&mut self, body: &[u8]) -> Result<Result<Envelope, Fault>, Unsure> {
        self.input.clear();
        self.input.extend_from_slice(body);
        self.input.resize(body.len() + INPUT_PADDING, 0);
        let mut tape = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let origin = Origin { scratch: self.input.as_ptr().addr(), body };
        let parsed = simd_json::fill_tape_padded(&mut self.input, body.len(), &mut self.buffers, &mut tape);
        let answer = match parsed {
            Ok(()) => Ok(read(&TapeView { nodes: &tape.0, origin })),
            Err(_) => Err(Unsure),
        };
        self.tape = tape.reset();
        answer
    }
}

/// The tape's parser refused; the slow reader has to say why, or that it was wrong.
#[derive(Debug)]
pub struct Unsure;

/// One value on the tape, with what follows it.
struct TapeView<'t, 'v> {
    nodes: &'t [Node<'v>],
    origin: Origin<'t>,
}

/// Where the tape's texts came from: the scratch's address and the body that was copied there.
#[derive(Clone, Copy)]
struct Origin<'t> {
    scratch: usize,
    body: &'t [u8],
}

impl TapeView<'_, '_> {
    /// Nodes that this value takes on the tape.
    fn extent(&self) -> usize {
        match self.nodes.first() {
            Some(Node::Object { count, .. } | Node::Array { count, .. }) => count + 1,
            _ => 1,
        }
    }
}

impl<'t, 'v> View<'v> for TapeView<'t, 'v> {
    #[inline]
    fn kind(&self) -> Kind {
        match self.nodes.first() {
            Some(Node::String(_)) => Kind::String,
            Some(Node::Object { .. }) => Kind::Object,
            Some(Node::Array { .. }) => Kind::Array,
            Some(Node::Static(StaticNode::Bool(_))) => Kind::Bool,
            Some(Node::Static(StaticNode::I64(_) | StaticNode::U64(_))) => Kind::Integer,
            Some(Node::Static(StaticNode::F64(_))) => Kind::Fraction,
            Some(Node::Static(StaticNode::Null)) | None => Kind::Null,
        }
    }

    #[inline]
    fn text(&self) -> Result<Found<'v>, Unreadable> {
        let Some(Node::String(text)) = self.nodes.first() else { return Err(Unreadable) };
        Ok(self.origin.locate(text))
    }

    #[inline]
    fn integer(&self) -> Option<Integer> {
        match self.nodes.first() {
            Some(Node::Static(StaticNode::I64(number))) => Some(Integer::Short((*number).into())),
            Some(Node::Static(StaticNode::U64(number))) => Some(Integer::Short((*number).into())),
            _ => None,
        }
    }

    #[inline]
    fn members<E: From<Unreadable>>(
        &self,
        mut each: impl FnMut(&str, Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(Node::Object { len, .. }) = self.nodes.first() else { return Ok(()) };
        let mut rest: &'t [Node<'v>] = self.nodes.get(1..).unwrap_or_default();
        for _ in 0..*len {
            let Some((Node::String(name), after)) = rest.split_first() else { break };
            let value = TapeView { nodes: after, origin: self.origin };
            let extent = value.extent();
            each(name, value)?;
            rest = after.get(extent..).unwrap_or_default();
        }
        Ok(())
    }

    fn items<E: From<Unreadable>>(&self, mut each: impl FnMut(Self) -> Result<(), E>) -> Result<(), E> {
        let Some(Node::Array { len, .. }) = self.nodes.first() else { return Ok(()) };
        let mut rest: &'t [Node<'v>] = self.nodes.get(1..).unwrap_or_default();
        for _ in 0..*len {
            let value = TapeView { nodes: rest, origin: self.origin };
            let extent = value.extent();
            each(value)?;
            rest = rest.get(extent..).unwrap_or_default();
        }
        Ok(())
    }
}

impl Origin<'_> {
    /// Finds a text in the original body. The parser unescapes in place, so a text without
    /// escapes stands at the same offset in both; the comparison makes sure, and a text with
    /// escapes is copied.
    #[inline]
    fn locate<'v>(&self, text: &'v str) -> Found<'v> {
        let start = text.as_ptr().addr().wrapping_sub(self.scratch);
        let end = start.wrapping_add(text.len());
        match self.body.get(start..end) {
            Some(same) if same == text.as_bytes() => Found::At(start, text),
            _ => Found::Owned(text.into()),
        }
    }
}
