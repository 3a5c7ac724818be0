//! Where a call's tokens are taken from: a bucket of this process, or a lease of one that replicas share.

use std::sync::Arc;
use std::time::Duration;

use super::gcra::{Bucket, Level};
use super::shared::{Footing, Lease, Note, Sharing};
use crate::base::lease::{Ahead, LeaseId};
use crate::base::{Limit, Nanos};
use crate::policy::Applied;

/// A bucket, or a lease.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Own(&'a Bucket),
    Shared(&'a Arc<Lease>, &'a Ahead),
}

/// Why there are no tokens.
#[derive(Clone, Copy)]
pub(super) enum Lack {
    /// They come in so long.
    Wait(Duration),
    /// Nobody can say: the ledger is out of reach.
    Unknown,
}

impl Place<'_> {
    /// Whether there are tokens, without taking them.
    #[inline]
    pub(super) fn has(&self, applied: &Applied, by: Footing, now: Nanos, weight: u32) -> Result<(), Lack> {
        let limit = applied.limit;
        match self {
            Self::Own(bucket) => bucket.has(limit, now, weight).map_err(Lack::Wait),
            Self::Shared(..) if weight > limit.burst() => Err(Lack::Wait(never(limit, weight))),
            Self::Shared(lease, ahead) => match by {
                Footing::Ledger => lease.has(**ahead, now, weight).map_err(Lack::Wait),
                Footing::Share(of) => {
                    lease.share.has(limit.share(of, ahead.dearest), now, weight).map_err(Lack::Wait)
                }
                Footing::Refuse => Err(Lack::Unknown),
                Footing::Allow => Ok(()),
            },
        }
    }

    /// Takes tokens: all or none.
    #[inline]
    pub(super) fn take(&self, applied: &Applied, by: Footing, now: Nanos, weight: u32) -> Result<(), Lack> {
        let limit = applied.limit;
        match self {
            Self::Own(bucket) => bucket.take(limit, now, weight).map_err(Lack::Wait),
            Self::Shared(..) if weight > limit.burst() => Err(Lack::Wait(never(limit, weight))),
            Self::Shared(lease, ahead) => match by {
                Footing::Ledger => lease.take(**ahead, now, weight).map_err(Lack::Wait),
                Footing::Share(of) => {
                    lease.share.take(limit.share(of, ahead.dearest), now, weight).map_err(Lack::Wait)
                }
                Footing::Refuse => Err(Lack::Unknown),
                Footing::Allow => Ok(()),
            },
        }
    }

    /// Gives back what was taken a moment ago.
    pub(super) fn give_back(&self, applied: &Applied, by: Footing, weight: u32) {
        let limit = applied.limit;
        match self {
            Self::Own(bucket) => bucket.give_back(limit, weight),
            Self::Shared(lease, ahead) => match by {
                Footing::Ledger => lease.give_back(weight),
                Footing::Share(of) => lease.share.give_back(limit.share(of, ahead.dearest), weight),
                Footing::Refuse | Footing::Allow => {}
            },
        }
    }

    /// How full it is; of a lease as far as is known here, or what this replica has by itself. Nothing where
    /// nothing is known.
    pub(super) fn level(&self, limit: Limit, by: Footing, now: Nanos) -> Option<Level> {
        let of = |bucket: &Bucket, limit| Level {
            tokens: bucket.tokens(limit, now),
            full_in: bucket.full_in(limit, now),
        };
        match (self, by) {
            (Self::Own(bucket), _) => Some(of(bucket, limit)),
            (Self::Shared(lease, ahead), Footing::Share(of_all)) => {
                Some(of(&lease.share, limit.share(of_all, ahead.dearest)))
            }
            (Self::Shared(lease, ..), _) => lease.level(limit, now),
        }
    }

    /// A call did not find its tokens here.
    pub(super) fn miss(&self, by: Footing, weight: u32) {
        if let (Self::Shared(lease, ..), Footing::Ledger) = (self, by) {
            lease.miss(weight);
        }
    }
}

/// Tells the keeper of a lease, where it has to know.
#[inline]
pub(super) fn tell(lease: &Arc<Lease>, id: LeaseId, (limit, ahead): (Limit, Ahead), sharing: &Sharing) {
    if lease.wants_keeper() && !sharing.note(Note { id, lease: Arc::clone(lease), limit, ahead }) {
        lease.unnoted();
    }
}

/// What is told of a call that costs more than the whole bucket, as of any that costs as much.
fn never(limit: Limit, weight: u32) -> Duration {
    Duration::from_nanos(limit.time_of(weight))
}
