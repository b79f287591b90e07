use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use wasm_bindgen_test::wasm_bindgen_test;

use super::weights;
use crate::Sticky;

const CLIENTS: u32 = 10_000;

/// Fixed for good: a client must come to the same backend on every target and in every version.
#[wasm_bindgen_test(unsupported = test)]
fn the_backend_of_a_key_never_changes() {
    let sticky = sticky(&[("v1", 50), ("v2", 30), ("v3", 20)]);
    let picked = (0..40_u8).map(|last| sticky.pick(&[10, 20, 0, last]).unwrap());
    let picked: String = picked.map(|index| format!("{index}")).collect();
    assert_eq!(picked, "2012000112211201111222120000102100011020");
}

#[wasm_bindgen_test(unsupported = test)]
fn shares_follow_the_weights() {
    let shares = [("v1", 60), ("v2", 25), ("v3", 14), ("v4", 1), ("v5", 0)];
    let sticky = sticky(&shares);
    let mut counts = [0_u32; 5];
    for client in 0..CLIENTS {
        counts[sticky.pick(&client.to_be_bytes()).unwrap()] += 1;
    }
    for ((name, weight), count) in shares.into_iter().zip(counts) {
        let p = f64::from(weight) / 100.0;
        let sigma = (f64::from(CLIENTS) * p * (1.0 - p)).sqrt();
        let off = f64::from(count) - f64::from(CLIENTS) * p;
        assert!(off.abs() <= 4.0 * sigma, "{name}: {counts:?}");
    }
}

/// 90/10 to 80/20 moves a tenth of the clients, and none of them back.
#[wasm_bindgen_test(unsupported = test)]
fn a_shift_moves_its_share_and_nobody_back() {
    let before = sticky(&[("v1", 90), ("v2", 10)]);
    let after = sticky(&[("v1", 80), ("v2", 20)]);
    let mut moved = 0_u32;
    for client in 0..CLIENTS {
        let key = client.to_be_bytes();
        match (before.pick(&key), after.pick(&key)) {
            (Some(0), Some(1)) => moved += 1,
            (one, other) => assert_eq!(one, other, "client {client}"),
        }
    }
    // 4 sigma of 10,000 draws at a tenth are 120.
    assert!(moved.abs_diff(1000) <= 120, "{moved} moved");
}

#[wasm_bindgen_test(unsupported = test)]
fn a_removed_backend_moves_its_own_clients_only() {
    let before = sticky(&[("v1", 50), ("v2", 30), ("v3", 20)]);
    for after in [
        sticky(&[("v1", 50), ("v2", 0), ("v3", 20)]),
        sticky(&[("v1", 50), ("gone", 0), ("v3", 20)]),
    ] {
        for client in 0..CLIENTS {
            let key = client.to_be_bytes();
            let (one, other) = (before.pick(&key), after.pick(&key));
            assert_ne!(other, Some(1));
            assert!(one == Some(1) || one == other, "client {client} moved");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_order_of_the_backends_does_not_matter() {
    let one = sticky(&[("v1", 70), ("v2", 30)]);
    let other = sticky(&[("v2", 30), ("v1", 70)]);
    for client in 0..1000_u32 {
        let key = client.to_be_bytes();
        assert_ne!(one.pick(&key), other.pick(&key));
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn all_zero_picks_nothing() {
    assert_eq!(sticky(&[("v1", 0), ("v2", 0)]).pick(b"key"), None);
    assert_eq!(sticky(&[]).pick(b"key"), None);
}

fn sticky(shares: &[(&str, u32)]) -> Sticky {
    let numbers = shares.iter().map(|(_, weight)| *weight).collect::<Vec<_>>();
    let names = shares.iter().map(|(name, _)| *name);
    Sticky::new(names.zip(weights(&numbers)))
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::{format, sticky};

    proptest! {
        /// One changed weight: clients move to the backend whose weight grew, or from the one whose weight
        /// fell, and nowhere else.
        #[test]
        fn only_clients_of_the_changed_backend_move(
            weights in prop::collection::vec(prop_oneof![Just(0), 1..100_u32, Just(1_000_000)], 1..10),
            place in any::<prop::sample::Index>(),
            changed in prop_oneof![Just(0), 1..100_u32, Just(1_000_000)],
            keys in prop::collection::vec(any::<[u8; 4]>(), 100),
        ) {
            let place = place.index(weights.len());
            let names: Vec<_> = (0..weights.len()).map(|number| format!("v{number}")).collect();
            let names = || names.iter().map(|name| name.as_str());
            let before = names().zip(weights.iter().copied()).collect::<Vec<_>>();
            let mut after = before.clone();
            after[place].1 = changed;
            let (one, other) = (sticky(&before), sticky(&after));
            for key in keys {
                let (from, to) = (one.pick(&key), other.pick(&key));
                if changed >= weights[place] {
                    prop_assert!(to == from || to == Some(place), "{:?} to {:?}", from, to);
                }
                if changed <= weights[place] {
                    prop_assert!(to == from || from == Some(place), "{:?} to {:?}", from, to);
                }
            }
        }
    }
}
