use alloc::vec::Vec;

use waypoint_l4_config::Weight;
use xxhash_rust::xxh64::xxh64;

/// Picks the same backend for the same key, by weighted rendezvous hashing.
///
/// Each backend waits for each key a time drawn from an exponential distribution whose rate is its
/// weight, and the first to be through is picked: that is each backend's share of the keys. The draw
/// is a hash of key and backend, so a changed weight changes the times of that backend alone, and only
/// keys that come to it or leave it move.
#[derive(Clone, Debug)]
pub struct Sticky {
    backends: Vec<Rate>,
}

#[derive(Clone, Debug)]
struct Rate {
    seed: u64,
    weight: f64,
}

impl Sticky {
    /// A backend is known by its name, whatever its place in the list.
    pub fn new<'a>(backends: impl IntoIterator<Item = (&'a str, Weight)>) -> Self {
        let backends = backends.into_iter().map(|(name, weight)| Rate {
            seed: xxh64(name.as_bytes(), 0),
            weight: f64::from(weight.value()),
        });
        Self {
            backends: backends.collect(),
        }
    }

    /// The index of the key's backend; none if no weight is above zero.
    pub fn pick(&self, key: &[u8]) -> Option<usize> {
        self.backends
            .iter()
            .enumerate()
            .filter(|(_, rate)| rate.weight > 0.0)
            .map(|(index, rate)| (index, rate.wait(key)))
            .min_by(|(_, one), (_, other)| one.total_cmp(other))
            .map(|(index, _)| index)
    }
}

impl Rate {
    fn wait(&self, key: &[u8]) -> f64 {
        -libm::log(between_zero_and_one(xxh64(key, self.seed))) / self.weight
    }
}

/// A number above 0 and below 1 from the upper 52 bits.
fn between_zero_and_one(hash: u64) -> f64 {
    // With these 12 bits for sign and exponent the rest is a number from 1 up to 2.
    let from_one_to_two = f64::from_bits((hash >> 12) | (0x3ff << 52));
    from_one_to_two - 1.0 + f64::EPSILON / 2.0
}
