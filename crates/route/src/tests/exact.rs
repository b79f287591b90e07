use alloc::vec;
use alloc::vec::Vec;

use wasm_bindgen_test::wasm_bindgen_test;

use super::weights;
use crate::Exact;

#[wasm_bindgen_test(unsupported = test)]
fn a_hundred_connections_split_ninety_to_ten() {
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut exact = Exact::new(weights(&[90, 10]), &mut || random.u64(..));
        let mut counts = [0; 2];
        for _ in 0..100 {
            counts[exact.pick().unwrap()] += 1;
        }
        assert_eq!(counts, [90, 10], "seed {seed}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn weight_zero_is_never_picked_and_all_zero_picks_nothing() {
    let mut exact = Exact::new(weights(&[0, 7, 0]), &mut || 1);
    assert!((0..100).all(|_| exact.pick() == Some(1)));
    for shares in [vec![], vec![0], vec![0, 0]] {
        assert_eq!(Exact::new(weights(&shares), &mut || 1).pick(), None);
    }
}

/// Each worker has a phase of its own: of ten connections, the backend with a tenth has any.
#[wasm_bindgen_test(unsupported = test)]
fn workers_begin_at_random() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut firsts = [0_u32; 10];
    for _ in 0..10_000 {
        let mut exact = Exact::new(weights(&[9, 1]), &mut || random.u64(..));
        let first = (0..10).position(|_| exact.pick() == Some(1)).unwrap();
        firsts[first] += 1;
    }
    // A tenth each: 5 sigma of 10,000 draws are 150.
    assert!(
        firsts.iter().all(|count| count.abs_diff(1000) <= 150),
        "{firsts:?}"
    );
}

/// A random source that never gives a usable phase must not keep anyone waiting.
#[wasm_bindgen_test(unsupported = test)]
fn a_stuck_source_of_randomness_does_no_harm() {
    for draw in [0, u64::MAX] {
        let mut exact = Exact::new(weights(&[1; 16]), &mut || draw);
        let mut picked = (0..16).map(|_| exact.pick().unwrap()).collect::<Vec<_>>();
        picked.sort_unstable();
        assert_eq!(picked, (0..16).collect::<Vec<_>>());
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[expect(clippy::arithmetic_side_effects, reason = "bounded by the strategies")]
mod properties {
    use proptest::prelude::*;

    use super::weights;
    use crate::Exact;

    proptest! {
        /// After any number of picks each backend has had its share, give or take less than one.
        #[test]
        fn every_prefix_is_exact(
            shares in prop::collection::vec(
                prop_oneof![Just(0), Just(1), 1..10_u32, 1..1000_u32, Just(999_999), Just(1_000_000)],
                1..40,
            ),
            seed in any::<u64>(),
        ) {
            let total = shares.iter().map(|weight| i64::from(*weight)).sum::<i64>();
            prop_assume!(total > 0);
            let mut random = fastrand::Rng::with_seed(seed);
            let mut exact = Exact::new(weights(&shares), &mut || random.u64(..));
            let mut counts = vec![0_i64; shares.len()];
            for picks in 1..2000_i64 {
                counts[exact.pick().unwrap()] += 1;
                for (count, weight) in counts.iter().zip(&shares) {
                    let off = count * total - i64::from(*weight) * picks;
                    prop_assert!(off.abs() < total, "after {picks}: {counts:?} of {shares:?}");
                }
            }
        }
    }

    use alloc::vec;
}
