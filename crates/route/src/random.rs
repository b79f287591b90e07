use alloc::vec::Vec;

use waypoint_l4_config::Weight;

/// Picks by chance: each backend has its weight over the sum of all.
#[derive(Clone, Debug)]
pub struct Random {
    /// For each backend, the sum of the weights up to and with its own. A u64 holds the sum of any
    /// list that fits in memory: 2^64 / 1,000,000 is more than 10^13 backends.
    upto: Vec<u64>,
    total: u64,
}

impl Random {
    pub fn new(weights: impl IntoIterator<Item = Weight>) -> Self {
        let mut total = 0_u64;
        let upto = weights
            .into_iter()
            .map(|weight| {
                total = total.saturating_add(weight.value().into());
                total
            })
            .collect();
        Self { upto, total }
    }

    /// The index of the backend that the draw falls on; none if no weight is above zero.
    ///
    /// A `draw` that is uniform over all of u64 gives each backend its share, to within sum / 2^64.
    pub fn pick(&self, draw: u64) -> Option<usize> {
        let point = scale(draw, self.total)?;
        // A backend of weight zero ends where the one before it ends, so no point lies in it.
        Some(self.upto.partition_point(|upto| *upto <= point))
    }
}

/// Maps a draw over all of u64 to 0..total; none if that is empty.
pub(crate) fn scale(draw: u64, total: u64) -> Option<u64> {
    if total == 0 {
        return None;
    }
    let product = u128::from(draw).saturating_mul(u128::from(total));
    u64::try_from(product >> u64::BITS).ok()
}
