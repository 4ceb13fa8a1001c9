//! Limits the memory for received frames, over all peers.
//!
//! A frame needs a reservation before its body is read. A peer without a reservation is not read, so its own connection
//! backs up. Short frames (at most [`SHORT_BYTES`]) count only against their peer's budget, so votes, status and questions
//! always pass. Long frames also need room in a pool for all peers, in order of arrival.
//!
//! A reservation is limited in size and in time. While no other frame needs the room, a frame may arrive as slowly as
//! the stall deadline and [`SLOWEST_BYTES_PER_SECOND`] allow; a bad link needs that. Once a frame has waited for
//! [`PATIENCE`] in vain, frames slower than [`WANTED_BYTES_PER_SECOND`] are dropped with their connections. So members
//! that send only the first bytes of long frames cannot block the others for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

/// Longest frame that needs no room in the pool. Most messages are shorter, and a single record is hardly longer.
pub(super) const SHORT_BYTES: usize = 64 * 1024;

/// A peer's budget in kilobytes: one frame being read, and one that waits to be taken.
const PEER_KILOBYTES: usize = 2 * SHORT_BYTES / 1024;

/// The slowest rate for a frame, which an old modem reaches. With the stall deadline it limits how long a reservation lasts.
const SLOWEST_BYTES_PER_SECOND: u64 = 4 * 1024;

/// The slowest rate for a long frame while others wait in vain.
const WANTED_BYTES_PER_SECOND: u64 = 512 * 1024;

/// How long a frame waits for room before it counts as waiting in vain, and the time that every frame may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// The budget of one peer.
pub(super) type PeerBudget = Arc<Semaphore>;

/// The budget of a new peer.
pub(super) fn peer_budget() -> PeerBudget {
    Arc::new(Semaphore::new(PEER_KILOBYTES))
}

/// The pool for long frames.
pub(super) struct ReceiveBudget {
    pool: Arc<Semaphore>,
    pool_kilobytes: usize,
    /// Frames that have waited for too long.
    starved: AtomicUsize,
    changed: Notify,
}

/// The reservation of one frame, until it is dropped.
#[derive(Default)]
pub(super) struct Reservation {
    _own: Option<OwnedSemaphorePermit>,
    pooled: Option<OwnedSemaphorePermit>,
}

impl Reservation {
    /// Whether it is that of a long frame.
    pub(super) fn is_long(&self) -> bool {
        self.pooled.is_some()
    }
}

/// Counts one frame that waits in vain, until it is dropped.
struct Starved<'a>(&'a ReceiveBudget);

impl<'a> Starved<'a> {
    fn new(budget: &'a ReceiveBudget) -> Self {
        budget.starved.fetch_add(1, Ordering::SeqCst);
        budget.changed.notify_waiters();
        Self(budget)
    }
}

impl Drop for Starved<'_> {
    fn drop(&mut self) {
        self.0.starved.fetch_sub(1, Ordering::SeqCst);
    }
}

fn kilobytes(bytes: usize, most: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024).clamp(1, most)).unwrap_or(u32::MAX)
}

impl ReceiveBudget {
    /// A pool of this many bytes. A longer frame takes all of it.
    pub(super) fn new(pool_bytes: usize) -> Self {
        let pool_kilobytes = pool_bytes.div_ceil(1024).max(1);
        Self {
            pool: Arc::new(Semaphore::new(pool_kilobytes)),
            pool_kilobytes,
            starved: AtomicUsize::new(0),
            changed: Notify::new(),
        }
    }

    /// Waits for room for a frame of this length. Dropping the future releases everything.
    pub(super) async fn reserve(&self, peer: &PeerBudget, length: usize) -> Reservation {
        let own = kilobytes(length, PEER_KILOBYTES / 2);
        // No semaphore is ever closed.
        let own = peer.clone().acquire_many_owned(own).await.ok();
        let pooled = if length > SHORT_BYTES {
            self.pooled(kilobytes(length, self.pool_kilobytes)).await
        } else {
            None
        };
        Reservation { _own: own, pooled }
    }

    async fn pooled(&self, kilobytes: u32) -> Option<OwnedSemaphorePermit> {
        let waiting = self.pool.clone().acquire_many_owned(kilobytes);
        // The frame keeps its turn in the queue.
        tokio::pin!(waiting);
        if let Ok(permit) = timeout(PATIENCE, &mut waiting).await {
            return permit.ok();
        }
        let _counted = Starved::new(self);
        waiting.await.ok()
    }

    /// Resolves when a frame that began to arrive at `began` has used up its time.
    pub(super) async fn end(
        &self,
        reservation: &Reservation,
        length: usize,
        began: Instant,
        stall: Duration,
    ) {
        let seconds = |rate: u64| Duration::from_secs((length as u64).div_ceil(rate));
        let last = sleep_until(began + stall + seconds(SLOWEST_BYTES_PER_SECOND));
        tokio::select! {
            () = last => {}
            () = self.is_wanted(began + PATIENCE + seconds(WANTED_BYTES_PER_SECOND)), if reservation.is_long() => {}
        }
    }

    /// Resolves when a frame waits in vain, at this time or later.
    async fn is_wanted(&self, from: Instant) {
        sleep_until(from).await;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // A later waiter will notify `changed`.
            changed.as_mut().enable();
            if self.starved.load(Ordering::SeqCst) > 0 {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(10);
    const MEGABYTE: usize = 1024 * 1024;

    async fn passes<T>(future: impl Future<Output = T>, time: Duration) -> Option<T> {
        timeout(time, future).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn short_frames_pass_when_the_pool_is_full() {
        let budget = ReceiveBudget::new(2 * MEGABYTE);
        let shares: Vec<PeerBudget> = (0..3).map(|_| peer_budget()).collect();
        let long = [
            budget.reserve(&shares[0], MEGABYTE).await,
            budget.reserve(&shares[1], MEGABYTE).await,
        ];
        let now = Duration::ZERO;
        let third = budget.reserve(&shares[2], SHORT_BYTES + 1);
        assert!(passes(third, now).await.is_none());
        let short = budget.reserve(&shares[2], SHORT_BYTES).await;
        let next = budget.reserve(&shares[2], 1);
        assert!(passes(next, now).await.is_some());
        drop((long, short));
        let all = budget.reserve(&shares[2], 100 * MEGABYTE);
        assert!(passes(all, now).await.is_some(), "longer than the pool");
    }

    #[tokio::test]
    async fn one_peer_has_two_frames_at_most() {
        let (budget, own) = (ReceiveBudget::new(8 * MEGABYTE), peer_budget());
        let first = budget.reserve(&own, MEGABYTE).await;
        let second = budget.reserve(&own, MEGABYTE).await;
        let third = budget.reserve(&own, 1);
        assert!(passes(third, Duration::ZERO).await.is_none());
        drop(first);
        assert!(passes(budget.reserve(&own, 1), STALL).await.is_some());
        drop(second);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_frame_goes_only_when_somebody_waits_in_vain() {
        let budget = Arc::new(ReceiveBudget::new(MEGABYTE));
        let began = Instant::now();
        let slow = budget.reserve(&peer_budget(), MEGABYTE).await;
        let minutes = Duration::from_mins(2);
        let ends = passes(budget.end(&slow, MEGABYTE, began, STALL), minutes);
        assert!(ends.await.is_none(), "nobody else wants to send");
        let waits = tokio::spawn({
            let budget = budget.clone();
            async move { budget.reserve(&peer_budget(), MEGABYTE).await }
        });
        let asked = Instant::now();
        budget.end(&slow, MEGABYTE, began, STALL).await;
        assert_eq!(asked.elapsed(), PATIENCE);
        drop(slow);
        let next = waits.await.unwrap();
        assert_eq!(budget.starved.load(Ordering::SeqCst), 0);
        let fresh = Instant::now();
        budget.end(&next, MEGABYTE, fresh, STALL).await;
        assert_eq!(
            fresh.elapsed(),
            STALL + Duration::from_secs(256),
            "the slowest of all"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_that_arrives_fast_is_not_sent_away() {
        let budget = Arc::new(ReceiveBudget::new(MEGABYTE));
        let reservation = budget.reserve(&peer_budget(), MEGABYTE).await;
        let other = budget.clone();
        tokio::spawn(async move { other.reserve(&peer_budget(), MEGABYTE).await });
        let began = Instant::now();
        budget.end(&reservation, MEGABYTE, began, STALL).await;
        assert_eq!(began.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_frame_is_never_in_the_way() {
        let budget = Arc::new(ReceiveBudget::new(MEGABYTE));
        let _long = budget.reserve(&peer_budget(), MEGABYTE).await;
        let other = budget.clone();
        tokio::spawn(async move { other.reserve(&peer_budget(), MEGABYTE).await });
        let short = budget.reserve(&peer_budget(), 5).await;
        let began = Instant::now();
        budget.end(&short, 5, began, STALL).await;
        assert_eq!(began.elapsed(), STALL + Duration::from_secs(1));
    }
}
