//! RootSIFT on a dense grid of several sizes, in grey: Lowe's descriptor (2004) without keypoints, with the flat windows
//! of VLFeat's `vl_dsift`, under the square root of Arandjelovic and Zisserman (2012).

use serde::{Deserialize, Serialize};

use super::dense::{Grid, Seen, sift};
use super::{Describe, DescribeError, Descriptor, Descriptors, Layout, Picture};
use crate::features::Cost;

/// Descriptors of 4 x 4 windows with 8 directions each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DenseSift(pub Grid);

impl Descriptor for DenseSift {
    fn check(&self) -> Result<(), String> {
        self.0.check()
    }

    fn version(&self) -> (&'static str, u32) {
        ("dense-sift", 1)
    }

    fn layout(&self) -> Layout {
        Layout::Floats(sift::LENGTH)
    }

    fn kept(&self) -> bool {
        false
    }

    fn cost(&self) -> Cost {
        Cost { milliseconds: 5.0, bytes: 0.0, bytes_a_pixel: self.0.bytes_a_pixel(1, sift::LENGTH) }
    }

    fn open(&self, _: Option<u32>) -> Result<Box<dyn Describe>, DescribeError> {
        Ok(Box::new(Dense(self.0.clone())))
    }
}

struct Dense(Grid);

impl Describe for Dense {
    fn describe(&mut self, picture: &Picture) -> Result<Descriptors, DescribeError> {
        let seen = Seen::grey(picture, self.0.longer, self.0.reduce);
        Ok(Descriptors::of_floats(sift::LENGTH, sift::described(&seen, &self.0), self.0.places(&seen)))
    }
}
