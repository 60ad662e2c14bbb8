//! Which of several weighted upstreams a conversation goes to: always the same, and when a weight changes as few as possible
//! move.
//!
//! Weighted rendezvous hashing: each arm draws a number from the key and itself, and the best draw wins. An arm's draw depends on
//! no other arm, so a key moves only to an arm that gained or from one that lost.

use smallvec::SmallVec;

/// One of the upstreams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightedUpstream {
    /// A hash of the upstream's name: the same in every process, or keys move with a restart.
    pub seed: u64,
    /// Its share of the keys is this by the sum of all. 0: none, unless all are 0, which then share evenly.
    pub weight: u32,
}

/// The arms in the order in which a key tries them, as indices into `arms`, best first. Arms without weight are left out where
/// others have any.
pub fn order(key: u64, arms: &[WeightedUpstream]) -> SmallVec<[usize; 4]> {
    let even = arms.iter().all(|arm| arm.weight == 0);
    let key = mix(key);
    let mut drawn: SmallVec<[(f64, usize); 4]> = arms
        .iter()
        .enumerate()
        .filter(|(_, arm)| even || arm.weight > 0)
        .map(|(index, arm)| (draw(key, arm), index))
        .collect();
    drawn.sort_unstable_by(|(a, i), (b, j)| a.total_cmp(b).then(i.cmp(j)));
    drawn.into_iter().map(|(_, index)| index).collect()
}

/// The time to the first event at a rate of the arm's weight: of several such, each is the shortest as often as its rate says.
fn draw(key: u64, arm: &WeightedUpstream) -> f64 {
    // 53 bits, the middle of their cell: never 0, never 1.
    let hash = mix(key ^ mix(arm.seed)) >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    let uniform = (hash as f64 + 0.5) / (1_u64 << 53) as f64;
    -uniform.ln() / f64::from(arm.weight.max(1))
}

/// The finaliser of splitmix64: a bijection in which each bit of the input moves half of the output's.
fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: u64 = 100_000;

    /// Arms named 0, 1, 2 … with these weights.
    fn arms<const N: usize>(weights: [u32; N]) -> [WeightedUpstream; N] {
        std::array::from_fn(|at| WeightedUpstream { seed: at as u64, weight: weights[at] })
    }

    fn first(key: u64, arms: &[WeightedUpstream]) -> usize {
        order(key, arms)[0]
    }

    /// Keys of which the first goes to each arm, in parts of a thousand.
    fn shares<const N: usize>(arms: [WeightedUpstream; N]) -> [u64; N] {
        let mut counts = [0; N];
        (0..KEYS).for_each(|key| counts[first(key, &arms)] += 1);
        counts.map(|count| count * 1000 / KEYS)
    }

    #[test]
    fn each_gets_its_share_within_a_hundredth() {
        let table: [([u32; 3], [u64; 3]); 5] = [
            ([1, 1, 2], [250, 250, 500]),
            ([90, 10, 0], [900, 100, 0]),
            ([0, 0, 0], [333, 333, 333]),
            ([1, 98, 1], [10, 980, 10]),
            ([u32::MAX, u32::MAX, 0], [500, 500, 0]),
        ];
        for (weights, wanted) in table {
            let shares = shares(arms(weights));
            for (share, wanted) in shares.into_iter().zip(wanted) {
                assert!(share.abs_diff(wanted) <= 10, "{weights:?}: {shares:?}");
            }
        }
    }

    #[test]
    fn a_weight_that_changes_moves_only_those_that_must() {
        let (before, after) = (arms([70, 30]), arms([60, 40]));
        let mut moved = 0;
        for key in 0..KEYS {
            let (was, is) = (first(key, &before), first(key, &after));
            if was != is {
                assert_eq!((was, is), (0, 1), "only towards the arm that gained");
                moved += 1;
            }
        }
        assert!((moved * 1000 / KEYS).abs_diff(100) <= 10, "{moved} moved");
    }

    #[test]
    fn an_arm_that_goes_leaves_all_others_where_they_were() {
        let [a, b, c] = arms([1, 2, 3]);
        for key in 0..KEYS {
            let all = order(key, &[a, b, c]);
            let left: Vec<_> = all.iter().copied().filter(|&arm| arm != 2).collect();
            assert_eq!(order(key, &[a, b])[..], left[..]);
        }
    }

    #[test]
    fn the_order_is_the_same_everywhere() {
        // Written down once: another build, machine or process must agree, or conversations move with a restart.
        let arms = arms([5, 3, 2, 1]);
        let found: Vec<_> = (0..6).map(|key| order(key * 7919, &arms)[..].to_vec()).collect();
        let wanted = [
            [0_usize, 1, 2, 3],
            [0, 1, 3, 2],
            [0, 1, 3, 2],
            [0, 1, 2, 3],
            [1, 3, 0, 2],
            [0, 3, 2, 1],
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn none_and_one_are_simple() {
        assert!(order(1, &[]).is_empty());
        for weight in [0, 1] {
            assert_eq!(order(1, &arms([weight]))[..], [0]);
        }
    }
}
