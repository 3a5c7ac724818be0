//! What is left of the limits of a call that was let in, for who wants to tell it.
//!
//! A look of its own, so that calls of which nobody tells it pay nothing. It must never decide anything:
//! others may have called since.

use std::cmp::Reverse;
use std::time::Duration;

use super::{Asked, Held, Level, Limiter, Which};
use crate::base::{Limit, Nanos, Tick};

/// What is left of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Which one.
    pub which: Which,
    /// The limit.
    pub limit: Limit,
    /// Tokens in its bucket.
    pub tokens: u32,
    /// How long until the bucket is full, if nobody else comes.
    pub full_in: Duration,
}

impl Limiter {
    /// What is left of the limit with the fewest tokens, of those that refuse what exceeds them; of two
    /// with as many the one that takes longer to fill.
    pub fn left(&self, asked: &Asked<'_>) -> Option<Left> {
        // A bucket that was just taken from says the exact time or a little less.
        self.left_at(asked, Tick::exact().nanos())
    }

    fn left_at(&self, asked: &Asked<'_>, now: Nanos) -> Option<Left> {
        let left = self.with_places(asked, now, |held| {
            let by = self.footing(held, asked, now);
            let enforced = held.iter().flatten().filter(|(_, applied, _)| applied.enforced);
            let look = |(which, applied, place): &Held<'_>| {
                let level = place.level(applied.limit, by, now);
                let Level { tokens, full_in } = level.unwrap_or_else(|| Level::full(applied.limit));
                Left { which: *which, limit: applied.limit, tokens, full_in }
            };
            enforced.map(look).min_by_key(|left| (left.tokens, Reverse(left.full_in)))
        });
        left.ok()?
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Left, Limiter, Which};
    use crate::base::lease::WhenGone;
    use crate::base::{KeyId, Limit, Nanos};
    use crate::policy::Applied;
    use crate::state::limiter::ToolBucket;
    use std::time::Duration;

    #[test]
    fn the_limit_that_is_nearest_is_told_and_none_that_only_warns() {
        const NOW: Nanos = Nanos(1_000_000_000_000);
        let key: KeyId = format!("mcp_live_{:016}", 1).parse().unwrap();
        let (limiter, tool) = (Limiter::new(1_000), ToolBucket::default());
        let limit = |rate, burst| Limit::new(rate, Duration::from_secs(1), burst).unwrap();
        let (of_key, of_pair) = (Applied::new(&["key"], limit(10, 5), true), limit(1, 2));
        let of_tool = Applied::new(&["tool"], limit(1, 5), true);
        let [warns, refuses] = [false, true].map(|enforced| Applied::new(&["pair"], of_pair, enforced));
        let asked = |enforced| Asked {
            key,
            of_key: Some(&of_key),
            of_pair: Some(if enforced { &refuses } else { &warns }),
            of_tool: Some((&of_tool, &tool)),
            cost: 1,
            when_gone: WhenGone::default(),
        };
        assert!(limiter.take_at(&asked(true), NOW).is_ok());
        let second = Duration::from_secs(1);
        let left = Left { which: Which::KeyAndTool, limit: of_pair, tokens: 1, full_in: second };
        assert_eq!(limiter.left_at(&asked(true), NOW), Some(left));
        // As many tokens are left of the key's and of the tool's, which fills more slowly.
        let left = Left { which: Which::Tool, limit: of_tool.limit, tokens: 4, full_in: second };
        assert_eq!(limiter.left_at(&asked(false), NOW), Some(left));
        assert!(tool.bucket().take(of_tool.limit, NOW, 4).is_ok());
        let left = Left { tokens: 0, full_in: second * 5, ..left };
        assert_eq!(limiter.left_at(&asked(true), NOW), Some(left));
        let none = Asked {
            key,
            of_key: None,
            of_pair: None,
            of_tool: None,
            cost: 1,
            when_gone: WhenGone::default(),
        };
        assert_eq!(limiter.left_at(&none, NOW), None);
    }
}
