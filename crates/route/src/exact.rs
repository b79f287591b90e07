use alloc::vec;
use alloc::vec::Vec;

use waypoint_l4_config::Weight;

use crate::random::scale;

/// Picks in turn, so that after any number of picks each backend has its share to within one.
///
/// This is the chairman assignment of R. Tijdeman (Discrete Mathematics 32, 1980). What a backend is
/// owed grows by its share at each pick and falls by one when it is picked. Picked is, of those that
/// are owed enough, the one that soonest would be owed too much. With n backends and
/// d = 1 / (2n - 2), enough is d and too much is 1 - d, and nobody ever is owed less than d - 1.
///
/// Who starts with a random debt of less than d stays within the one, which gives each worker a phase
/// of its own: without it, all would begin with the same backend.
#[derive(Clone, Debug)]
pub struct Exact {
    /// Backends with a weight above zero: what all of this is about.
    backends: Vec<Debt>,
    /// The sum of the weights, which in these units is also the least debt that counts as enough.
    sum: i64,
    /// The units of debt in one pick: 2n - 2 times the sum.
    pick: i64,
}

#[derive(Clone, Debug)]
struct Debt {
    index: usize,
    weight: i64,
    owed: i64,
}

impl Exact {
    /// Starts at a phase that `draw` decides.
    pub fn new(weights: impl IntoIterator<Item = Weight>, draw: &mut dyn FnMut() -> u64) -> Self {
        let mut backends = weights
            .into_iter()
            .enumerate()
            .filter(|(_, weight)| weight.value() > 0)
            .map(|(index, weight)| Debt {
                index,
                weight: i64::from(weight.value()).saturating_mul(FINENESS),
                owed: 0,
            })
            .collect::<Vec<_>>();
        let sum = backends
            .iter()
            .fold(0_i64, |sum, debt| sum.saturating_add(debt.weight));
        let rivals = i64::try_from(backends.len().saturating_sub(1)).unwrap_or(i64::MAX);
        for (debt, owed) in backends.iter_mut().zip(phase(rivals, sum, draw)) {
            debt.owed = owed;
        }
        Self {
            backends,
            sum,
            pick: rivals.saturating_mul(2).saturating_mul(sum),
        }
    }

    /// The index of the next backend; none if no weight is above zero.
    pub fn pick(&mut self) -> Option<usize> {
        let (sum, pick) = (self.sum, self.pick);
        // The units of a pick over the sum of the weights.
        let step = pick.checked_div(sum)?;
        let mut next: Option<&mut Debt> = None;
        for debt in &mut self.backends {
            debt.owed = debt.owed.saturating_add(step.saturating_mul(debt.weight));
            let enough = debt.owed >= sum || pick == 0;
            if enough
                && next
                    .as_ref()
                    .is_none_or(|other| debt.sooner(other, pick, sum))
            {
                next = Some(debt);
            }
        }
        let next = next?;
        next.owed = next.owed.saturating_sub(pick);
        Some(next.index)
    }
}

impl Debt {
    /// Whether this one is owed too much before the other is.
    fn sooner(&self, other: &Self, pick: i64, sum: i64) -> bool {
        let room = |debt: &Self| {
            let too_much = pick.saturating_sub(sum);
            i128::from(too_much.saturating_sub(debt.owed))
        };
        // room / weight, by cross-multiplication.
        let (own, others) = (i128::from(self.weight), i128::from(other.weight));
        room(self).saturating_mul(others) < room(other).saturating_mul(own)
    }
}

/// Units of debt in a unit of weight: the phase of small weights is to be no less random.
const FINENESS: i64 = 4096;

/// Debts that add up to nothing, each smaller than what is enough; all zero if chance will not have it.
fn phase(rivals: i64, sum: i64, draw: &mut dyn FnMut() -> u64) -> Vec<i64> {
    const ATTEMPTS: usize = 100;
    let rivals = usize::try_from(rivals).unwrap_or(0);
    let width = u64::try_from(sum.saturating_mul(2).saturating_sub(1)).unwrap_or(0);
    for _ in 0..ATTEMPTS {
        let mut debts = Vec::with_capacity(rivals.saturating_add(1));
        let mut rest = 0_i64;
        for _ in 0..rivals {
            let point = scale(draw(), width).and_then(|point| i64::try_from(point).ok());
            let debt = point.unwrap_or(0).saturating_sub(sum.saturating_sub(1));
            rest = rest.saturating_sub(debt);
            debts.push(debt);
        }
        if rest.saturating_abs() < sum {
            debts.push(rest);
            return debts;
        }
    }
    vec![0; rivals.saturating_add(1)]
}
