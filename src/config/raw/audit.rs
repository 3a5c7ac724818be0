//! What may be typed about the audit log.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::defaults;

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Audit {
    /// Folder for the log's files, beside the configuration unless absolute; made with mode 0700 where it is not there. Without it no files are kept.
    #[schemars(example = &"audit")]
    pub(in crate::config) folder: Option<String>,
    /// PEM file with the Ed25519 key that signs checkpoints, made by `tollgate audit key`; other users of the machine may not be able to read it. Without it whoever can write the folder can write the log anew.
    #[schemars(example = &"audit.key")]
    pub(in crate::config) signing_key: Option<String>,
    /// What the log calls this gateway, in records and names of files; `registry.replica.name` where that is set, else the machine's name.
    #[schemars(example = &"gateway-1")]
    pub(in crate::config) replica: Option<String>,
    /// What happens when the log cannot keep up, or cannot be written: "refuse" requests, or "drop" records, which is counted and told.
    #[schemars(extend("enum" = ["refuse", "drop"]))]
    pub(in crate::config) when_full: String,
    /// Whether a request's record is on the disk before the request is forwarded. Costs each request the time of a write to the disk.
    pub(in crate::config) sync: bool,
    /// Records of each worker that wait to be written before the log counts as full; some 400 bytes each.
    #[schemars(range(min = 16, max = 1_000_000))]
    pub(in crate::config) queue: u32,
    /// Refusals of one address in a second that each worker tells one by one; those beyond are told as a number, by each worker for itself.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(in crate::config) refusals: u32,
    /// How long a record may be unsafe: a machine that loses its power loses so much.
    #[schemars(extend("format" = "duration"))]
    pub(in crate::config) fsync: String,
    /// How often a checkpoint is written while there is something new; one comes after 50000 records at the latest.
    #[schemars(extend("format" = "duration"))]
    pub(in crate::config) checkpoint: String,
    /// Size at which the next file is begun; the one before is then compressed.
    #[schemars(extend("format" = "size"))]
    pub(in crate::config) rotate_size: String,
    /// Age at which the next file is begun.
    #[schemars(extend("format" = "duration"))]
    pub(in crate::config) rotate_age: String,
    /// For how long finished files are kept; for ever where it is not set.
    #[schemars(extend("format" = "duration"), example = &"90d")]
    pub(in crate::config) retain_age: Option<String>,
    /// How large all files together may be before the oldest are deleted; any size where it is not set.
    #[schemars(extend("format" = "size"), example = &"20GiB")]
    pub(in crate::config) retain_size: Option<String>,
    /// Where records go besides: "stdout", and "redis", a stream in the Redis of a registry that is there. The files never wait for them.
    #[schemars(example = vec!["stdout"])]
    pub(in crate::config) sinks: Vec<String>,
    /// Records that the stream of the sink "redis" holds, of all replicas together; the oldest go first. As many fewer as they are larger than 1 KiB on average, so that the stream takes about so many KiB of Redis' memory at most.
    #[schemars(range(min = 1_000, max = 100_000_000))]
    pub(in crate::config) stream_length: u32,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            folder: None,
            signing_key: None,
            replica: None,
            when_full: defaults::WHEN_FULL.into(),
            sync: false,
            queue: defaults::AUDIT_QUEUE,
            refusals: defaults::AUDIT_REFUSALS,
            fsync: defaults::AUDIT_FSYNC.into(),
            checkpoint: defaults::AUDIT_CHECKPOINT.into(),
            rotate_size: defaults::ROTATE_SIZE.into(),
            rotate_age: defaults::ROTATE_AGE.into(),
            retain_age: None,
            retain_size: None,
            sinks: Vec::new(),
            stream_length: defaults::STREAM_LENGTH,
        }
    }
}
