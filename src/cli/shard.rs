//! `--shard K/N`: the share of a plan that one of several calls takes. It depends on the plan alone, so that the shares
//! of N calls are the whole plan, none of it twice.

use std::str::FromStr;

use clap::Args;

/// For the commands that measure a plan.
#[derive(Debug, Args)]
pub(super) struct Share {
    /// Measure the K-th of N shares of the plan, K from 1: for N calls that share the folder, each with another K
    #[arg(long, value_name = "K/N", default_value = "1/1", hide_default_value = true, conflicts_with = "fresh")]
    pub shard: Shard,
}

/// The K-th of N shares; `1/1` is everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shard {
    /// From 0.
    index: usize,
    of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((k @ 1.., n)) if k <= n => Ok(Shard { index: k - 1, of: n }),
            _ => Err("K/N with K from 1 to N, as 3/8 (where numbers start at 0, add 1)".into()),
        }
    }
}

impl Shard {
    fn takes(self, place: usize) -> bool {
        place % self.of == self.index
    }

    /// Every N-th of what is planned.
    pub fn share<T>(self, all: Vec<T>) -> Vec<T> {
        all.into_iter().enumerate().filter(|(place, _)| self.takes(*place)).map(|(_, one)| one).collect()
    }

    /// The same through several plans, one after the other, so that small ones don't all give to the first share.
    pub fn keep_share<T>(self, plans: &mut [Vec<T>]) {
        let mut place = 0..;
        plans.iter_mut().for_each(|plan| plan.retain(|_| place.next().is_some_and(|place| self.takes(place))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(text: &str) -> Shard {
        text.parse().unwrap()
    }

    #[test]
    fn shares_are_the_whole_and_nothing_twice() {
        for (plans, of) in [(vec![vec![1, 2, 3], vec![4], vec![], vec![5, 6]], 4), (vec![vec![1]], 3)] {
            let mut seen: Vec<i32> = Vec::new();
            for k in 1..=of {
                let mut share = plans.clone();
                shard(&format!("{k}/{of}")).keep_share(&mut share);
                assert!(share.concat().len() <= plans.concat().len().div_ceil(of), "shares are even");
                assert_eq!(share.concat(), shard(&format!("{k}/{of}")).share(plans.concat()));
                seen.extend(share.concat());
            }
            seen.sort();
            assert_eq!(seen, plans.concat());
        }
        assert_eq!(shard("1/1").share(vec![7, 8]), [7, 8]);
    }

    #[test]
    fn numbers_start_at_one() {
        for wrong in ["0/8", "9/8", "3", "3/", "/8", "a/b", "-1/8", "1/0", "1.5/2"] {
            assert!(wrong.parse::<Shard>().unwrap_err().contains("K/N"), "{wrong}");
        }
    }
}
