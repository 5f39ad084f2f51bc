// SPDX-License-Identifier: GPL-2.0-only
//! Means, spreads and ratios of a few repetitions.
//!
//! Two to six repetitions are few, so nothing here claims to know more than they say: the error of a ratio is
//! half of its 95 % interval by Student's t, which is wide for two pairs and absent for one.

use serde::{Deserialize, Serialize};

/// Some repetitions of one figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many.
    pub count: usize,
    /// Their arithmetic mean.
    pub mean: f64,
    /// The sample standard deviation (with n - 1), unless there is only one.
    pub deviation: Option<f64>,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Summary {
    /// Sums up the values that are numbers; `None` if none is.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values
            .into_iter()
            .filter(|value| value.is_finite())
            .collect();
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        mean.is_finite().then(|| Summary {
            count,
            mean,
            deviation: deviation(&values, mean),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }

    /// The standard deviation in percent of the mean.
    pub fn spread_percent(&self) -> Option<f64> {
        percent(self.deviation?, self.mean)
    }
}

/// How a figure of ours compares to mainline's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The ratio of the means.
    pub value: f64,
    /// Half of its 95 % interval; `None` if there are not two pairs to tell it from.
    pub error: Option<f64>,
    /// From how many pairs.
    pub pairs: usize,
}

impl Ratio {
    /// The classical ratio estimator over pairs (ours, mainline's) that were measured one after the other.
    ///
    /// What both sides of a pair share (a busy phase of dom0, say) cancels out. It takes zeros on our side, and on
    /// the other as long as not all are. `None` if that is so, or if no pair consists of numbers.
    pub fn of(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<Self> {
        let pairs: Vec<(f64, f64)> = pairs
            .into_iter()
            .filter(|(ours, theirs)| ours.is_finite() && theirs.is_finite())
            .collect();
        let count = pairs.len() as f64;
        let theirs = pairs.iter().map(|pair| pair.1).sum::<f64>() / count;
        let value = pairs.iter().map(|pair| pair.0).sum::<f64>() / count / theirs;
        if !value.is_finite() {
            return None;
        }
        let residuals: Vec<f64> = pairs.iter().map(|pair| pair.0 - value * pair.1).collect();
        let error = deviation(&residuals, 0.0)
            .map(|sd| student(pairs.len() - 1) * sd / count.sqrt() / theirs.abs())
            .filter(|error| error.is_finite());
        Some(Ratio {
            value,
            error,
            pairs: pairs.len(),
        })
    }

    /// The error in percent of the ratio.
    pub fn error_percent(&self) -> Option<f64> {
        percent(self.error?, self.value)
    }

    /// What this ratio says about a goal. A single pair is taken at its word.
    pub fn judge(&self, goal: Goal) -> Verdict {
        let error = self.error.unwrap_or(0.0);
        let (good, bad) = match goal {
            Goal::AtLeast(bound) => (self.value - error >= bound, self.value + error < bound),
            Goal::AtMost(bound) => (self.value + error <= bound, self.value - error > bound),
        };
        match (good, bad) {
            (true, _) => Verdict::Met,
            (_, true) => Verdict::Missed,
            _ => Verdict::Undecided,
        }
    }
}

/// What a ratio is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

/// Whether a goal is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The whole interval is on the right side.
    Met,
    /// The whole interval is on the wrong side.
    Missed,
    /// The goal lies within the interval.
    Undecided,
}

/// The sample standard deviation of values with that mean; `None` for fewer than two.
fn deviation(values: &[f64], mean: f64) -> Option<f64> {
    let freedom = values.len().checked_sub(1).filter(|left| *left > 0)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / freedom as f64).sqrt()).filter(|deviation| deviation.is_finite())
}

/// A part of a whole in percent, if that can be said.
fn percent(part: f64, whole: f64) -> Option<f64> {
    Some(100.0 * part / whole.abs()).filter(|percent| percent.is_finite())
}

/// Student's t for 95 % on both sides.
fn student(freedom: usize) -> f64 {
    const T: [f64; 10] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    ];
    match freedom {
        0 => f64::INFINITY,
        1..=10 => T[freedom - 1],
        // Less than half a percent too wide.
        _ => 1.96 + 2.68 / freedom as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-9, "{left} is not {right}");
    }

    #[test]
    fn a_summary_by_hand() {
        // Mean 5, squares 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32, divided by 7.
        let summary = Summary::of([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!((summary.count, summary.min, summary.max), (8, 2.0, 9.0));
        close(summary.mean, 5.0);
        close(summary.deviation.unwrap(), (32.0_f64 / 7.0).sqrt());
        close(
            summary.spread_percent().unwrap(),
            (32.0_f64 / 7.0).sqrt() * 20.0,
        );
    }

    #[test]
    fn one_value_has_no_spread_and_none_has_no_summary() {
        let summary = Summary::of([3.0]).unwrap();
        assert_eq!((summary.mean, summary.deviation), (3.0, None));
        assert_eq!(summary.spread_percent(), None);
        assert_eq!(Summary::of([]), None);
        assert_eq!(Summary::of([f64::NAN, f64::INFINITY]), None);
        assert_eq!(Summary::of([f64::NAN, 3.0]), Some(summary));
    }

    #[test]
    fn zeros_have_a_deviation_but_no_percentage() {
        let summary = Summary::of([0.0, 0.0]).unwrap();
        assert_eq!((summary.mean, summary.deviation), (0.0, Some(0.0)));
        assert_eq!(summary.spread_percent(), None);
    }

    #[test]
    fn a_ratio_by_hand() {
        // Means 10 and 20: 0.5. Residuals 9 - 9 = 0, 10 - 10.5 = -0.5, 11 - 10.5 = 0.5: variance 0.25.
        let ratio = Ratio::of([(9.0, 18.0), (10.0, 21.0), (11.0, 21.0)]).unwrap();
        assert_eq!(ratio.pairs, 3);
        close(ratio.value, 0.5);
        close(ratio.error.unwrap(), 4.303 * 0.5 / 3.0_f64.sqrt() / 20.0);
        close(ratio.error_percent().unwrap(), ratio.error.unwrap() * 200.0);
    }

    #[test]
    fn what_both_sides_of_a_pair_share_cancels_out() {
        let ratio = Ratio::of([(80.0, 100.0), (160.0, 200.0)]).unwrap();
        close(ratio.value, 0.8);
        close(ratio.error.unwrap(), 0.0);
    }

    #[test]
    fn one_pair_has_no_error() {
        let ratio = Ratio::of([(3.0, 4.0)]).unwrap();
        assert_eq!((ratio.value, ratio.error, ratio.pairs), (0.75, None, 1));
        assert_eq!(ratio.error_percent(), None);
    }

    #[test]
    fn zeros_and_gaps_in_ratios() {
        assert_eq!(Ratio::of([]), None);
        assert_eq!(Ratio::of([(1.0, 0.0), (2.0, 0.0)]), None);
        assert_eq!(Ratio::of([(0.0, 0.0)]), None);
        assert_eq!(Ratio::of([(f64::NAN, 1.0)]), None);
        let nothing = Ratio::of([(0.0, 4.0), (0.0, 5.0)]).unwrap();
        assert_eq!((nothing.value, nothing.error), (0.0, Some(0.0)));
        assert_eq!(nothing.error_percent(), None);
        assert_eq!(Ratio::of([(f64::NAN, 1.0), (1.0, 2.0)]).unwrap().pairs, 1);
    }

    #[test]
    fn a_goal_is_met_missed_or_within_the_error() {
        let ratio = |value, error| Ratio {
            value,
            error,
            pairs: 2,
        };
        let rate = Goal::AtLeast(1.0);
        assert_eq!(ratio(1.0, Some(0.0)).judge(rate), Verdict::Met);
        assert_eq!(ratio(1.02, Some(0.01)).judge(rate), Verdict::Met);
        assert_eq!(ratio(1.02, Some(0.03)).judge(rate), Verdict::Undecided);
        assert_eq!(ratio(0.98, Some(0.03)).judge(rate), Verdict::Undecided);
        assert_eq!(ratio(0.98, Some(0.01)).judge(rate), Verdict::Missed);
        assert_eq!(ratio(0.98, None).judge(rate), Verdict::Missed);
        let cost = Goal::AtMost(0.8);
        assert_eq!(ratio(0.8, Some(0.0)).judge(cost), Verdict::Met);
        assert_eq!(ratio(0.7, Some(0.2)).judge(cost), Verdict::Undecided);
        assert_eq!(ratio(0.9, Some(0.05)).judge(cost), Verdict::Missed);
    }

    #[test]
    fn students_t_falls_to_the_normal_distribution() {
        let mut last = student(0);
        for freedom in 1..200 {
            assert!(student(freedom) < last, "at {freedom}");
            last = student(freedom);
        }
        assert!(last > 1.96 && last < 1.98);
    }

    proptest! {
        #[test]
        fn no_values_whatever_make_it_panic(pairs: Vec<(f64, f64)>) {
            if let Some(ratio) = Ratio::of(pairs.iter().copied()) {
                prop_assert!(ratio.value.is_finite());
                prop_assert!(ratio.error.is_none_or(|error| error.is_finite() && error >= 0.0));
                ratio.judge(Goal::AtMost(0.8));
                ratio.error_percent();
            }
            if let Some(summary) = Summary::of(pairs.iter().map(|pair| pair.0)) {
                prop_assert!(summary.mean.is_finite());
                prop_assert!(summary.min <= summary.max);
                summary.spread_percent();
            }
        }

        #[test]
        fn a_true_ratio_is_found(ratio in 0.1f64..10.0, theirs in proptest::collection::vec(1.0f64..1e6, 1..7)) {
            let found = Ratio::of(theirs.iter().map(|value| (value * ratio, *value))).unwrap();
            prop_assert!((found.value / ratio - 1.0).abs() < 1e-9);
            prop_assert_eq!(found.error.is_some(), theirs.len() > 1);
        }
    }
}
