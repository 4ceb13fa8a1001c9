//! How much of what peers send is kept at once, over all of them.
//!
//! A frame takes its place before its body is read; who gets none is not read from, so that its own connection fills and slows
//! it down. Short frames (at most [`SHORT_BYTES`]) need room in their peer's own share only, so votes, status and questions
//! always pass. Long ones need room in a pool for all peers besides, in the order in which they ask.
//!
//! What holds a place is bounded, and so is how long: as long as nobody else needs it a frame may arrive as slowly as the
//! stall deadline and [`SLOWEST_BYTES_PER_SECOND`] allow, which a bad link needs. Once somebody has waited for [`PATIENCE`] in vain,
//! frames that arrive more slowly than [`WANTED_BYTES_PER_SECOND`] have to go, with their connections. So a crowd of members
//! that send the first bytes of long frames and then nothing keeps nobody from blocks for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

/// What a frame is at most that needs no room in the pool: most messages are shorter, and one record with what surrounds it
/// never is much longer.
pub(super) const SHORT_BYTES: usize = 64 * 1024;

/// What may wait of one peer, in kilobytes: a frame that is read, and one that waits to be taken.
const SHARE_KILOBYTES: usize = 2 * SHORT_BYTES / 1024;

/// The slowest that a frame may arrive: a modem of the last century. Together with the stall deadline it bounds how long a frame,
/// and the memory for it, can be held.
const SLOWEST_BYTES_PER_SECOND: u64 = 4 * 1024;

/// The slowest that a long frame may arrive while others wait in vain.
const WANTED_BYTES_PER_SECOND: u64 = 512 * 1024;

/// How long a frame waits for room before it is said to wait in vain, and what every frame gets before it is slow.
const PATIENCE: Duration = Duration::from_secs(1);

/// The share of one peer.
pub(super) type Share = Arc<Semaphore>;

/// The share of a peer that comes.
pub(super) fn share() -> Share {
    Arc::new(Semaphore::new(SHARE_KILOBYTES))
}

/// Room for long frames, shared by all peers.
pub(super) struct Intake {
    pool: Arc<Semaphore>,
    pool_kilobytes: usize,
    /// How many have waited for too long.
    in_vain: AtomicUsize,
    changed: Notify,
}

/// The place of one frame, until it is dropped.
#[derive(Default)]
pub(super) struct Place {
    _share: Option<OwnedSemaphorePermit>,
    pooled: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// Whether it is the place of a long frame.
    pub(super) fn is_long(&self) -> bool {
        self.pooled.is_some()
    }
}

/// Counts one who waits in vain, also if it gives up.
struct InVain<'a>(&'a Intake);

impl<'a> InVain<'a> {
    fn new(intake: &'a Intake) -> Self {
        intake.in_vain.fetch_add(1, Ordering::SeqCst);
        intake.changed.notify_waiters();
        Self(intake)
    }
}

impl Drop for InVain<'_> {
    fn drop(&mut self) {
        self.0.in_vain.fetch_sub(1, Ordering::SeqCst);
    }
}

fn kilobytes(bytes: usize, most: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024).clamp(1, most)).unwrap_or(u32::MAX)
}

impl Intake {
    /// Room for so many bytes of long frames; a frame that is longer takes all of it.
    pub(super) fn new(pool_bytes: usize) -> Self {
        let pool_kilobytes = pool_bytes.div_ceil(1024).max(1);
        Self {
            pool: Arc::new(Semaphore::new(pool_kilobytes)),
            pool_kilobytes,
            in_vain: AtomicUsize::new(0),
            changed: Notify::new(),
        }
    }

    /// Waits for room for a frame of this length. Nothing is held if the future is dropped.
    pub(super) async fn place(&self, share: &Share, length: usize) -> Place {
        let own = kilobytes(length, SHARE_KILOBYTES / 2);
        // Neither semaphore is ever closed.
        let share = share.clone().acquire_many_owned(own).await.ok();
        let pooled = if length > SHORT_BYTES {
            self.pooled(kilobytes(length, self.pool_kilobytes)).await
        } else {
            None
        };
        Place {
            _share: share,
            pooled,
        }
    }

    async fn pooled(&self, kilobytes: u32) -> Option<OwnedSemaphorePermit> {
        let waiting = self.pool.clone().acquire_many_owned(kilobytes);
        // Its turn in the queue is kept.
        tokio::pin!(waiting);
        if let Ok(permit) = timeout(PATIENCE, &mut waiting).await {
            return permit.ok();
        }
        let _counted = InVain::new(self);
        waiting.await.ok()
    }

    /// Resolves when a frame that began to arrive at this time has to go.
    pub(super) async fn end(&self, place: &Place, length: usize, began: Instant, stall: Duration) {
        let seconds = |rate: u64| Duration::from_secs((length as u64).div_ceil(rate));
        let last = sleep_until(began + stall + seconds(SLOWEST_BYTES_PER_SECOND));
        tokio::select! {
            () = last => {}
            () = self.is_wanted(began + PATIENCE + seconds(WANTED_BYTES_PER_SECOND)), if place.is_long() => {}
        }
    }

    /// Resolves when somebody waits in vain, at this time or later.
    async fn is_wanted(&self, from: Instant) {
        sleep_until(from).await;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Whoever comes to wait after this is noticed.
            changed.as_mut().enable();
            if self.in_vain.load(Ordering::SeqCst) > 0 {
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
        let intake = Intake::new(2 * MEGABYTE);
        let shares: Vec<Share> = (0..3).map(|_| share()).collect();
        let long = [
            intake.place(&shares[0], MEGABYTE).await,
            intake.place(&shares[1], MEGABYTE).await,
        ];
        let now = Duration::ZERO;
        let third = intake.place(&shares[2], SHORT_BYTES + 1);
        assert!(passes(third, now).await.is_none());
        let short = intake.place(&shares[2], SHORT_BYTES).await;
        let next = intake.place(&shares[2], 1);
        assert!(passes(next, now).await.is_some());
        drop((long, short));
        let all = intake.place(&shares[2], 100 * MEGABYTE);
        assert!(passes(all, now).await.is_some(), "longer than the pool");
    }

    #[tokio::test]
    async fn one_peer_has_two_frames_at_most() {
        let (intake, own) = (Intake::new(8 * MEGABYTE), share());
        let first = intake.place(&own, MEGABYTE).await;
        let second = intake.place(&own, MEGABYTE).await;
        let third = intake.place(&own, 1);
        assert!(passes(third, Duration::ZERO).await.is_none());
        drop(first);
        assert!(passes(intake.place(&own, 1), STALL).await.is_some());
        drop(second);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_frame_goes_only_when_somebody_waits_in_vain() {
        let intake = Arc::new(Intake::new(MEGABYTE));
        let began = Instant::now();
        let slow = intake.place(&share(), MEGABYTE).await;
        let minutes = Duration::from_mins(2);
        let ends = passes(intake.end(&slow, MEGABYTE, began, STALL), minutes);
        assert!(ends.await.is_none(), "nobody else wants to send");
        let waits = tokio::spawn({
            let intake = intake.clone();
            async move { intake.place(&share(), MEGABYTE).await }
        });
        let asked = Instant::now();
        intake.end(&slow, MEGABYTE, began, STALL).await;
        assert_eq!(asked.elapsed(), PATIENCE);
        drop(slow);
        let next = waits.await.unwrap();
        assert_eq!(intake.in_vain.load(Ordering::SeqCst), 0);
        let fresh = Instant::now();
        intake.end(&next, MEGABYTE, fresh, STALL).await;
        assert_eq!(
            fresh.elapsed(),
            STALL + Duration::from_secs(256),
            "the slowest of all"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_that_arrives_fast_is_not_sent_away() {
        let intake = Arc::new(Intake::new(MEGABYTE));
        let place = intake.place(&share(), MEGABYTE).await;
        let other = intake.clone();
        tokio::spawn(async move { other.place(&share(), MEGABYTE).await });
        let began = Instant::now();
        intake.end(&place, MEGABYTE, began, STALL).await;
        assert_eq!(began.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_frame_is_never_in_the_way() {
        let intake = Arc::new(Intake::new(MEGABYTE));
        let _long = intake.place(&share(), MEGABYTE).await;
        let other = intake.clone();
        tokio::spawn(async move { other.place(&share(), MEGABYTE).await });
        let short = intake.place(&share(), 5).await;
        let began = Instant::now();
        intake.end(&short, 5, began, STALL).await;
        assert_eq!(began.elapsed(), STALL + Duration::from_secs(1));
    }
}
