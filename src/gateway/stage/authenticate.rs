//! Authenticate: one key, in one of two headers, and whose it is.
//!
//! `Authorization: Bearer` or `X-API-Key`; both only when they are the same. Malformed,
//! unknown and wrong keys get one answer.

use super::{Routed, Vetted};
use crate::base::key::RawKey;
use crate::base::{Clock, Denial, KeyId, UnixSeconds};
use crate::gateway::refusal::Refusal;
use crate::policy::{Server, Verified, authenticate as verify};
use crate::wire::fields::{Field, Fields, Twice};

/// Who calls, proved by a key.
pub(in crate::gateway) struct Caller<'s> {
    vetted: Vetted<'s>,
    verified: Verified,
    seen: UnixSeconds,
}

impl<'s> Caller<'s> {
    pub(super) fn routed(&self) -> &Routed<'s> {
        self.vetted.routed()
    }

    /// The server that is called.
    pub(in crate::gateway) fn server(&self) -> &'s Server {
        self.vetted.server()
    }

    pub(in crate::gateway) fn verified(&self) -> &Verified {
        &self.verified
    }

    pub(in crate::gateway) fn id(&self) -> KeyId {
        self.verified.id
    }

    pub(in crate::gateway) fn by_previous(&self) -> bool {
        self.verified.by_previous
    }

    /// When the key was proved.
    pub(in crate::gateway) fn seen(&self) -> UnixSeconds {
        self.seen
    }
}

/// Proves the caller. `in_vain` is told whose key was proved that does not stand.
pub(in crate::gateway) fn authenticate<'s>(
    vetted: Vetted<'s>,
    fields: &Fields<'_>,
    clock: &Clock,
    in_vain: impl FnOnce(KeyId),
) -> Result<Caller<'s>, Refusal> {
    let now = clock.now();
    let key = RawKey::parse(presented(fields)?).ok_or(Denial::InvalidKey)?;
    let snapshot = vetted.routed().snapshot();
    // What is too old to tell that a key was revoked cannot tell that it is unknown either.
    if snapshot.fresh.is_over(now, clock) {
        return Err(Denial::StaleRegistry.into());
    }
    let keys = &snapshot.keys;
    let digests = keys.hasher().digests(key.secret());
    let verified = verify(keys, key.id(), &digests, now).inspect_err(|denial| {
        if matches!(denial, Denial::ExpiredKey | Denial::RevokedKey) {
            in_vain(key.id());
        }
    })?;
    Ok(Caller { vetted, verified, seen: now })
}

/// The one text that is presented as a key.
fn presented<'h>(fields: &Fields<'h>) -> Result<&'h [u8], Denial> {
    let authorization = single(fields.authorization)?.map(bearer);
    let api_key = single(fields.api_key)?;
    match (authorization, api_key) {
        (None, None) => Err(Denial::MissingKey),
        (Some(Some(key)), None) | (None, Some(key)) => Ok(key),
        // Another scheme carries no key of ours.
        (Some(None), None) => Err(Denial::InvalidKey),
        (Some(Some(bearer)), Some(key)) if bearer == key => Ok(key),
        (Some(_), Some(_)) => Err(Denial::ConflictingKeys),
    }
}

fn single(field: Field<'_>) -> Result<Option<&[u8]>, Denial> {
    field.single().map_err(|Twice| Denial::ConflictingKeys)
}

/// The token after the scheme, which is compared without case (RFC 9110 §11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(6)?;
    let token = token.strip_prefix(b" ")?;
    scheme.eq_ignore_ascii_case(b"Bearer").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::presented;
    use crate::base::Denial;
    use crate::wire::fields::Fields;
    use crate::wire::lines::Lines;
    use http::{HeaderMap, HeaderName, HeaderValue};

    fn given(lines: &[(&'static str, &'static str)]) -> Result<Vec<u8>, Denial> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        presented(&Fields::gather(&Lines::from(&headers))).map(<[u8]>::to_vec)
    }

    #[test]
    fn one_key_in_one_of_two_headers() {
        let (auth, api) = ("authorization", "x-api-key");
        assert_eq!(given(&[(auth, "Bearer k")]), Ok(b"k".to_vec()));
        assert_eq!(given(&[(auth, "bearer  k")]), Ok(b"k".to_vec()));
        assert_eq!(given(&[(api, "k")]), Ok(b"k".to_vec()));
        assert_eq!(given(&[(auth, "Bearer k"), (api, "k")]), Ok(b"k".to_vec()));
        assert_eq!(given(&[]), Err(Denial::MissingKey));
        assert_eq!(given(&[(auth, "Basic k")]), Err(Denial::InvalidKey));
        assert_eq!(given(&[(auth, "Bearer")]), Err(Denial::InvalidKey));
        assert_eq!(given(&[(auth, "Bearer k"), (api, "l")]), Err(Denial::ConflictingKeys));
        assert_eq!(given(&[(auth, "Basic k"), (api, "k")]), Err(Denial::ConflictingKeys));
        assert_eq!(given(&[(auth, "Bearer k"), (auth, "Bearer k")]), Err(Denial::ConflictingKeys));
        assert_eq!(given(&[(api, "k"), (api, "k")]), Err(Denial::ConflictingKeys));
    }
}
