//! Limits that are part of a format or of the house, and that nobody configures.
//!
//! What an operator may change lives in the configuration's `[bounds]`; each number here says
//! where it comes from. Nothing here may be raised without the test that holds it.

/// Nesting of arrays and objects in a JSON body. `serde_json` and most servers stop at 128;
/// a deeper body would be refused upstream by some and read by others.
pub const JSON_DEPTH: usize = 128;

/// Longest name of a tool or prompt, in bytes. The specification recommends 128 characters
/// of ASCII; four bytes for each leaves room for any script.
pub const NAME_BYTES: usize = 512;

/// Longest resource URI, in bytes; what servers and proxies commonly accept as a URL.
pub const URI_BYTES: usize = 8 * 1024;

/// Resource URIs in one `subscriptions/listen`.
pub const SUBSCRIPTIONS: usize = 256;

/// Scopes of one key, and scopes that one rule may ask for.
pub const SCOPES: usize = 64;

/// Bytes of one scope.
pub const SCOPE_BYTES: usize = 128;

/// Rules of one server; more is a generated file gone wrong.
pub const RULES: usize = 4_096;

/// Servers of one configuration.
pub const SERVERS: usize = 1_024;

/// Bytes of a configuration file. The largest sensible one (1,024 servers of a few rules) is
/// far below.
pub const CONFIG_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes of one key record as JSON.
pub const RECORD_BYTES: usize = 64 * 1024;

/// Distinct keys whose last use one worker remembers between two flushes.
pub const USED_PER_FLUSH: usize = 65_536;

/// Batches of last-used times that may wait for the registry.
pub const USED_BATCHES: usize = 16;

/// Entries of a registry's change log before old ones are trimmed.
pub const CHANGES_KEPT: i64 = 100_000;

/// Records between two words in the log while all are being read.
pub const LOAD_STEP: usize = 250_000;

/// Changes that are read and published together.
pub const CHANGES_AT_ONCE: usize = 10_000;

/// An answer of known length up to this size is gathered and leaves in one write with its
/// head; a longer one is streamed. One TLS record holds 16 KiB.
pub const GATHERED_REPLY_BYTES: u64 = 16 * 1024;

/// Bytes of a session id that an upstream mints; the sealed one that clients hold is a third
/// longer and some 80 bytes.
pub const SESSION_ID_BYTES: usize = 1024;

/// An answer that has to be looked into is gathered up to this size, and withheld beyond it.
/// The largest such answer lists versions; it takes a few hundred bytes.
pub const FILTERED_REPLY_BYTES: usize = 1024 * 1024;

/// A request body above this size counts against the configuration's `bounds.bodies`; smaller
/// ones are bounded by the number of requests.
pub const COUNTED_BODY_BYTES: usize = 64 * 1024;

/// A request body above this size is read beside the worker's thread: 4 MiB of JSON take tens of
/// milliseconds, in which no other client of the worker would be served.
pub const ASIDE_BODY_BYTES: usize = 64 * 1024;

/// Bytes of a request's id that a refusal repeats. Clients count or draw UUIDs; whoever sends
/// megabytes gets a refusal without an id instead of having them held and sent back.
pub const ECHOED_ID_BYTES: usize = 4 * 1024;

/// Idle upstream connections that one worker keeps per endpoint.
pub const IDLE_PER_ENDPOINT: usize = 256;

/// Bytes of the head of an upstream's answer. Node.js stops at 16 KiB, nginx at 8 KiB by
/// default; the rest is room.
pub const RESPONSE_HEAD_BYTES: usize = 64 * 1024;

/// Headers of an upstream's answer; what hyper and most servers allow.
pub const RESPONSE_HEADERS: usize = 100;

/// Headers of a client's request; what hyper and most servers allow.
pub const REQUEST_HEADERS: usize = 100;

/// Bytes that a client may send ahead while its request is being answered; beyond it nothing
/// is read until the answer has left.
pub const AHEAD_BYTES: usize = 16 * 1024;

/// Bytes of a refused request's body that are read and thrown away, so that the connection can
/// serve on, or at least the refusal arrives.
pub const DRAINED_BYTES: u64 = 64 * 1024;

/// Bytes of a refused request that are read and thrown away before its connection is closed:
/// common clients look for an answer only when they have sent all they have, and lose it where
/// the connection breaks meanwhile. Four bodies of the default bound; time is bounded as well.
pub const LINGERED_BYTES: u64 = 16 * 1024 * 1024;

/// Bytes of an answer that are gathered into one write.
pub const WRITE_BYTES: usize = 16 * 1024;

/// Bytes that one connection moves before the others of its worker have their turn. The runtime
/// would let it go on for 128 reads or writes, 2 MiB, while somebody's small answer waits.
pub const TURN_BYTES: usize = 64 * 1024;

/// What a piece of a body counts beside its bytes: a chunk of one byte is work as well.
pub const PIECE_BYTES: usize = 128;

/// Connections that a worker takes in before those that it has have their turn. The runtime
/// runs some sixty tasks in between: what comes in can be served, and a flood waits outside.
pub const ACCEPTED_AT_ONCE: usize = 16;

/// Bytes of the line with a chunk's size, extensions included.
pub const CHUNK_LINE_BYTES: usize = 4 * 1024;

/// Bytes of the lines with sizes that all chunks of a body may have beyond what their data
/// excuses; what Go allows.
pub const CHUNK_EXCESS_BYTES: usize = 16 * 1024;

/// Interim answers (1xx) that may come before an upstream's answer; servers send one or two.
pub const INTERIM_ANSWERS: usize = 16;

/// Bytes of all trailers of a chunked answer.
pub const TRAILER_BYTES: usize = 16 * 1024;

/// A request body up to this size is copied behind its head and leaves with it in one write;
/// a longer one is written from where it lies.
pub const JOINED_BODY_BYTES: usize = 16 * 1024;

/// Bytes that are read from an upstream at once.
pub const READ_BYTES: usize = 16 * 1024;

/// Networks of proxies that one configuration believes; more is a generated file gone wrong.
pub const PROXIES: usize = 64;

/// Bytes of a header of the PROXY protocol: 232 at most with its addresses, and what is told beside them,
/// which nobody reads here; as much as nginx takes.
pub const PROXY_HEADER_BYTES: usize = 4 * 1024;

/// Addresses of an `X-Forwarded-For` that are looked at, from the nearest; chains have two or three.
pub const FORWARDED_HOPS: usize = 32;

/// Pointers in the allow-list of one rule; the way down to a value is held against all of them at
/// once, in the bits of one number.
pub const POINTERS: usize = 64;

/// Bytes of one of these pointers.
pub const POINTER_BYTES: usize = 512;

/// Names in one of these pointers; as deep as arguments are written.
pub const POINTER_DEPTH: usize = INPUT_DEPTH;

/// Bytes of what is written of a call's arguments; with them a line of the audit log still fits
/// into what collectors take (Docker's splits at 16 KiB, journald at 48).
pub const INPUT_BYTES: usize = 12 * 1024;

/// Nesting of what is written of a call's arguments.
pub const INPUT_DEPTH: usize = 32;

/// Members of one object and elements of one array that are written; the rest is counted.
pub const INPUT_PARTS: usize = 128;

/// Bytes of one string that are written.
pub const INPUT_TEXT_BYTES: usize = 2 * 1024;

/// Bytes of a member's name up to which it is written: a longer one is data.
pub const INPUT_NAME_BYTES: usize = 256;
