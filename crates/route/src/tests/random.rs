use alloc::vec;

use wasm_bindgen_test::wasm_bindgen_test;
use waypoint_l4_config::Weight;

use super::weights;
use crate::Random;

#[wasm_bindgen_test(unsupported = test)]
fn chances_follow_the_weights() {
    // 200,000 draws; a share may be off by 5 sigma of its binomial distribution, at most 0.56 %.
    let shares = [90, 10, 0, 25, 1];
    let share = Random::new(weights(&shares));
    let mut random = fastrand::Rng::with_seed(7);
    let mut counts = [0_u32; 5];
    for _ in 0..200_000 {
        counts[share.pick(random.u64(..)).unwrap()] += 1;
    }
    let total = f64::from(shares.iter().sum::<u32>());
    for (weight, count) in shares.into_iter().zip(counts) {
        let p = f64::from(weight) / total;
        let sigma = (p * (1.0 - p) / 200_000.0).sqrt();
        let seen = f64::from(count) / 200_000.0;
        assert!(
            (seen - p).abs() <= 5.0 * sigma,
            "weight {weight}: {counts:?}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn weight_zero_is_never_picked() {
    let mut random = fastrand::Rng::with_seed(7);
    let edges = [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX];
    for shares in [vec![0, 1], vec![1, 0], vec![0, 0, 3, 0, 5, 0, 0]] {
        let share = Random::new(weights(&shares));
        for draw in edges.into_iter().chain((0..10_000).map(|_| random.u64(..))) {
            assert_ne!(shares[share.pick(draw).unwrap()], 0, "{shares:?} {draw}");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn all_zero_picks_nothing() {
    for shares in [vec![], vec![0], vec![0, 0, 0]] {
        for draw in [0, u64::MAX] {
            assert_eq!(Random::new(weights(&shares)).pick(draw), None, "{shares:?}");
        }
    }
}

/// 16 backends of the greatest weight are what one route may hold; the sum passes 2^23 and, in
/// 32-bit arithmetic, the product with a draw would not fit.
#[wasm_bindgen_test(unsupported = test)]
fn sixteen_of_the_greatest_weight_share_evenly() {
    let share = Random::new(weights(&[Weight::MAX.value(); 16]));
    for backend in 0..16_u64 {
        let lowest = (u64::MAX / 16 + 1) * backend;
        let backend = usize::try_from(backend).unwrap();
        assert_eq!(share.pick(lowest), Some(backend));
        assert_eq!(share.pick(lowest + u64::MAX / 16), Some(backend));
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[expect(clippy::arithmetic_side_effects, reason = "bounded by the strategies")]
mod properties {
    use proptest::prelude::*;

    use super::weights;
    use crate::Random;

    proptest! {
        /// The widths of the ranges of draws are the weights: a draw at k / total falls on the item
        /// that holds the k-th unit of weight.
        #[test]
        fn each_unit_of_weight_has_the_same_width(
            shares in prop::collection::vec(prop_oneof![Just(0), 0..50_u32, Just(1_000_000)], 1..17),
            unit in any::<prop::sample::Index>(),
        ) {
            let total = shares.iter().map(|weight| u64::from(*weight)).sum::<u64>();
            prop_assume!(total > 0);
            let unit = u64::try_from(unit.index(usize::try_from(total).unwrap())).unwrap();
            let mut upto = 0;
            let expected = shares.iter().position(|weight| {
                upto += u64::from(*weight);
                unit < upto
            });
            // The middle of the unit's range: its edges are rounded to a whole draw.
            let draw = (u128::from(unit) * 2 + 1) * (1 << 63) / u128::from(total);
            let picked = Random::new(weights(&shares)).pick(u64::try_from(draw).unwrap());
            prop_assert_eq!(picked, expected);
        }
    }
}
