//! What a client is told of a limit, in the form of draft-ietf-httpapi-ratelimit-headers-10: a quota `q`
//! in a window of `w` seconds, and `r` left of it.
//!
//! `t` is when there is more: the seconds until the bucket is full, or, where a call was refused, until
//! the same call is within its limits. Never another client's: only limits that the call took from.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::base::Limit;
use crate::state::limiter::Left;

/// `RateLimit-Policy` and `RateLimit` of a limit that is called `which`.
pub(super) fn tell(headers: &mut HeaderMap, which: &str, limit: Limit, tokens: u32, seconds: u64) {
    let window = limit.window().as_millis().div_ceil(1_000).max(1);
    let told = [
        ("ratelimit-policy", format!("\"{which}\";q={};w={window}", limit.burst())),
        ("ratelimit", format!("\"{which}\";r={tokens};t={seconds}")),
    ];
    for (name, value) in told {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// The same of a limit that a call was within.
pub(super) fn tell_left(headers: &mut HeaderMap, left: &Left) {
    let seconds = left.full_in.as_nanos().div_ceil(1_000_000_000).try_into().unwrap_or(u64::MAX).max(1);
    tell(headers, left.which.word(), left.limit, left.tokens, seconds);
}
