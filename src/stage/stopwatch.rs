//! Where the time of an image goes. Whoever works on it says at the end of each stage which one that was; the stages
//! follow one another without a gap, so that their sum is the whole.

use std::time::{Duration, Instant};

/// A part of the way from encoded bytes to class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Encoded bytes to pixels.
    Decode,
    /// Canvas, resizing, cropping, and the network's input made of it.
    Resize,
    /// Keypoints and their descriptors, or what stands for them in an arm without keypoints.
    Describe,
    /// The network.
    Infer,
    /// Descriptors to one vector.
    Encode,
    /// Vector to class.
    Classify,
}

impl Stage {
    /// In the order in which an image passes them.
    pub const ALL: [Stage; 6] =
        [Stage::Decode, Stage::Resize, Stage::Describe, Stage::Infer, Stage::Encode, Stage::Classify];

    /// As in records.
    pub fn name(self) -> &'static str {
        ["decode", "resize", "describe", "infer", "encode", "classify"][self as usize]
    }
}

/// A running clock that is read at the end of every stage.
#[derive(Debug, Clone)]
pub struct Stopwatch {
    since: Instant,
    spent: [Option<Duration>; Stage::ALL.len()],
}

impl Stopwatch {
    pub fn start() -> Stopwatch {
        Stopwatch { since: Instant::now(), spent: [None; Stage::ALL.len()] }
    }

    /// What passed since the start, or since the last lap, was this stage.
    pub fn lap(&mut self, stage: Stage) {
        let now = Instant::now();
        *self.spent[stage as usize].get_or_insert(Duration::ZERO) += now - self.since;
        self.since = now;
    }

    /// The time of a stage; `None` where it did not happen.
    pub fn of(&self, stage: Stage) -> Option<Duration> {
        self.spent[stage as usize]
    }

    /// From the start to the last lap.
    pub fn total(&self) -> Duration {
        self.spent.iter().flatten().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laps_of_a_stage_add_up_and_all_stages_are_the_whole() {
        let start = Instant::now();
        let mut watch = Stopwatch::start();
        [Stage::Decode, Stage::Infer, Stage::Decode].into_iter().for_each(|stage| watch.lap(stage));
        assert!(watch.total() <= start.elapsed());
        assert_eq!(watch.total(), watch.of(Stage::Decode).unwrap() + watch.of(Stage::Infer).unwrap());
        assert_eq!(watch.of(Stage::Encode), None);
        assert!(Stage::ALL.iter().enumerate().all(|(i, &stage)| i == stage as usize));
    }
}
