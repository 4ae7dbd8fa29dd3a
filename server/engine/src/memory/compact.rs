//! Numbers in six bytes: what entries have by the million. What they count is not known here.

use crate::clock::Moment;

const NANOS_PER_MICRO: u64 = 1000;
const NANOS_PER_MILLI: u64 = 1_000_000;
const MAX: u64 = (1 << 48) - 1;

/// A count up to 2^48.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count([u16; 3]);

impl Count {
    /// A count; beyond 2^48 it stays there.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "these are the parts")]
    pub(super) fn new(count: u64) -> Self {
        let count = count.min(MAX);
        Self([count as u16, (count >> 16) as u16, (count >> 32) as u16])
    }

    /// The count.
    #[must_use]
    pub(super) fn get(self) -> u64 {
        let [low, middle, high] = self.0.map(u64::from);
        low | middle << 16 | high << 32
    }
}

/// A moment to the microsecond, up to 8.9 years after the clock began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Micros(Count);

impl Micros {
    /// The last microsecond that is not after a moment.
    #[must_use]
    pub(super) fn floor(moment: Moment) -> Self {
        Self(Count::new(moment.0 / NANOS_PER_MICRO))
    }

    /// Whether a moment is one that this can hold to the microsecond.
    #[must_use]
    pub(super) fn holds(moment: Moment) -> bool {
        moment.0 / NANOS_PER_MICRO < MAX
    }

    /// The moment.
    #[must_use]
    pub(super) fn moment(self) -> Moment {
        Moment(self.0.get() * NANOS_PER_MICRO)
    }
}

/// A moment to the millisecond, up to 34 years after the clock began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Millis([u8; 5]);

impl Millis {
    /// The last millisecond that is not after a moment.
    pub(super) fn floor(moment: Moment) -> Self {
        let millis = (moment.0 / NANOS_PER_MILLI).min((1 << 40) - 1);
        let [bytes @ .., _, _, _] = millis.to_le_bytes();
        Self(bytes)
    }

    /// The moment.
    pub(super) fn moment(self) -> Moment {
        let [a, b, c, d, e] = self.0;
        Moment(u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]) * NANOS_PER_MILLI)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_bytes_hold_what_eight_do_up_to_their_bound() {
        for count in [0, 1, 0xffff, 0x1_0000, 0x1234_5678_9abc, MAX] {
            assert_eq!(Count::new(count).get(), count);
        }
        assert_eq!(Count::new(u64::MAX).get(), MAX);
        assert_eq!(Micros::floor(Moment(1_999)).moment(), Moment(1_000));
        assert_eq!(Millis::floor(Moment(7_999_999)).moment(), Moment(7_000_000));
        assert_eq!(Millis::floor(Moment(u64::MAX)).moment(), Moment(((1 << 40) - 1) * NANOS_PER_MILLI));
        assert!(!Micros::holds(Moment(u64::MAX)) && Micros::holds(Moment(MAX * 999)));
    }
}
