//! How long things take: counts by duration, in buckets that never change.

use crate::proto::prometheus::Seconds;

/// Upper bounds of the buckets, in microseconds: 1, 2.5, 5 of each decade from 10 µs to 10 s.
pub(crate) const BOUNDS_US: [u64; 19] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000,
    500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// Durations since the start.
#[derive(Default)]
pub(crate) struct Histogram {
    /// By bucket, each without those before it; the last is everything above the greatest bound.
    counts: [u64; BOUNDS_US.len() + 1],
    sum_us: u64,
}

impl Histogram {
    pub fn add(&mut self, us: u64) {
        self.counts[BOUNDS_US.partition_point(|&bound| bound < us)] += 1;
        self.sum_us += us;
    }

    /// Each bound, and how many were at most that.
    pub fn up_to(&self) -> impl Iterator<Item = (Seconds, u64)> {
        BOUNDS_US.iter().zip(&self.counts).scan(0, |sum, (&bound, &count)| {
            *sum += count;
            Some((Seconds(bound), *sum))
        })
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub fn sum(&self) -> Seconds {
        Seconds(self.sum_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_own_bucket() {
        let mut histogram = Histogram::default();
        for us in [0, 10, 11, 25, 10_000_000, 10_000_001] {
            histogram.add(us);
        }
        let up_to: Vec<(Seconds, u64)> = histogram.up_to().collect();
        assert_eq!(up_to[..3], [(Seconds(10), 2), (Seconds(25), 4), (Seconds(50), 4)]);
        assert_eq!(up_to.last(), Some(&(Seconds(10_000_000), 5)));
        assert_eq!((histogram.count(), histogram.sum()), (6, Seconds(20_000_047)));
    }
}
