//! The scenarios that need the depot behind: questions, subscriptions, resumed streams.
//!
//! They must never go around the client either.

use std::time::{Duration, Instant};

use rmcp::model::{ServerNotification, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams};
use rmcp::service::Subscription;
use serde_json::json;
use tokio::time::timeout;

use crate::Fault;
use crate::report::Report;
use crate::scenarios::{Session, call, counted, millis, noticed, text_of};

/// What the depot's callers follow.
const PARCEL: &str = "depot://parcels/7";
/// How long one move may take to be heard of.
const ONE_MOVE: Duration = Duration::from_millis(500);
/// Until nothing is on its way any more.
const QUIET: Duration = Duration::from_millis(300);
const COME_BACK: Duration = Duration::from_secs(10);

/// Is asked, and answers.
pub(super) async fn ask(session: &Session, report: &Report) -> Result<(), Fault> {
    let answer = call(session, "parcel_return", &json!({ "parcel": "parcel-7" })).await?;
    report.step("asked", session.service().asked().join("\n"));
    report.step("parcel_return", text_of(&answer));
    Ok(())
}

/// Follows a resource, hears of a change, and leaves.
pub(super) async fn follow(session: &Session, report: &Report, modern: bool) -> Result<(), Fault> {
    let mut followed = Followed::begin(session, modern).await?;
    followed.moved(session).await?;
    // Streams of subscriptions/listen: one in the modern era, none before.
    let listening = counted(session, "depot_status", "listening").await;
    report.step("listening", listening.unwrap_or_default().to_string());
    followed.leave(session).await?;
    report.step("left", noticed(session, "depot_status", "listening", 0).await);
    Ok(())
}

/// Loses its GET stream, and the stream of a call, and gets all of both.
pub(super) async fn resume(session: &Session, report: &Report) -> Result<(), Fault> {
    let mut followed = Followed::begin(session, false).await?;
    followed.moved(session).await?;
    while timeout(QUIET, followed.heard(session)).await.is_ok() {}
    let start = Instant::now();
    call(session, "stream_drop", &json!({ "uri": PARCEL })).await?;
    timeout(COME_BACK, followed.heard(session)).await??;
    report.step("get_resumed", format!("after {} ms", millis(start.elapsed())));
    followed.leave(session).await?;
    let before = session.service().progress().len();
    let built = call(session, "manifest_build", &json!({})).await?;
    let pages: Vec<String> =
        session.service().progress().iter().skip(before).map(|(_, page)| page.to_string()).collect();
    report.step("manifest_build", format!("{} [{}]", text_of(&built), pages.join(", ")));
    let replays = counted(session, "depot_status", "replays").await;
    report.step("replays", replays.unwrap_or_default().to_string());
    Ok(())
}

/// A resource that is followed, in either era.
enum Followed {
    Subscribed,
    Listening(Box<Subscription>),
}

#[expect(deprecated, reason = "the legacy era has these requests and no others")]
impl Followed {
    async fn begin(session: &Session, modern: bool) -> Result<Self, Fault> {
        if !modern {
            session.subscribe(SubscribeRequestParams::new(PARCEL)).await?;
            return Ok(Self::Subscribed);
        }
        let wanted = SubscriptionFilter::builder().resource_subscription(PARCEL).build();
        let subscription = session.listen(wanted.clone()).await?;
        if *subscription.acknowledged() != wanted {
            return Err(format!("acknowledged: {:?}", subscription.acknowledged()).into());
        }
        Ok(Self::Listening(Box::new(subscription)))
    }

    async fn heard(&mut self, session: &Session) -> Result<(), Fault> {
        match self {
            Self::Subscribed => session.service().updated().await,
            Self::Listening(subscription) => match subscription.next().await? {
                Some(ServerNotification::ResourceUpdatedNotification(_)) => {}
                other => return Err(format!("heard {other:?}, {:?}", subscription.end()).into()),
            },
        }
        Ok(())
    }

    /// Moves the parcel until it is heard of. A GET stream opens whenever it opens, and what
    /// was said before went nowhere.
    async fn moved(&mut self, session: &Session) -> Result<(), Fault> {
        for _ in 0..20 {
            call(session, "parcel_move", &json!({ "uri": PARCEL })).await?;
            if let Ok(heard) = timeout(ONE_MOVE, self.heard(session)).await {
                return heard;
            }
        }
        Err("moved, and never heard of it".into())
    }

    async fn leave(self, session: &Session) -> Result<(), Fault> {
        match self {
            Self::Subscribed => session.unsubscribe(UnsubscribeRequestParams::new(PARCEL)).await?,
            Self::Listening(mut subscription) => subscription.cancel().await?,
        }
        Ok(())
    }
}
