//! What the rules say to one request, and where its caller stands.

/// Where a caller stands with the tightest of its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which rule of its [`super::RuleSet`].
    pub rule: usize,
    /// Whole tokens left.
    pub remaining: u64,
    /// Microseconds until there is one more, rounded up.
    pub wait_us: u64,
}

impl Standing {
    /// The tighter of two: fewer tokens left, then the longer wait.
    pub fn tighter(self, other: Self) -> Self {
        let tightness = |standing: &Self| (standing.remaining, u64::MAX - standing.wait_us);
        if tightness(&other) < tightness(&self) { other } else { self }
    }
}

/// What the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There was no rule to ask.
    Unlimited,
    /// Every rule admitted; the tightest one.
    Admitted(Standing),
    /// This rule refused, and nothing was charged.
    Refused(Standing),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_tokens_are_tighter_and_then_the_longer_wait() {
        let standing = |remaining, wait_us| Standing { rule: 0, remaining, wait_us };
        for (tight, loose) in [((0, 1), (1, 9)), ((1, 9), (1, 2))] {
            let (tight, loose) = (standing(tight.0, tight.1), standing(loose.0, loose.1));
            assert_eq!(tight.tighter(loose), tight);
            assert_eq!(loose.tighter(tight), tight);
        }
    }
}
