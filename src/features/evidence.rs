//! Where the evidence of a linear function lies: what each place of a picture adds to `weights . vector`. Shares are
//! exact where a vector is a sum over places (counted words, the average of a network's map), and linearised where
//! places meet under a root (Lapuschkin and others 2016 look at Fisher vectors and networks in this way).

use anyhow::Result;

use super::picture::Encoded;

/// Where a share lies, in pixels of the picture that features see.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spot {
    pub x: f32,
    pub y: f32,
    /// Diameter of what it tells of.
    pub size: f32,
}

/// What some numbers of a vector add to `weights . vector`.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// Of the member of a fusion; empty where there is one alone.
    pub name: String,
    pub value: f64,
    /// `None` for features of the whole picture, whose numbers have no place.
    pub map: Option<Map>,
}

/// Shares of a value by place.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    pub shares: Vec<(Spot, f64)>,
    /// Is a share what its place adds, or what a linear function near by would say of it?
    pub exact: bool,
}

impl Evidence {
    /// Takes away an amount that has no place, from all places alike.
    pub fn take_away(&mut self, amount: f64) {
        self.value -= amount;
        self.map.iter_mut().for_each(|map| map.spread(-amount));
    }
}

impl Map {
    /// All shares together: the value but for what has no place.
    pub fn sum(&self) -> f64 {
        self.shares.iter().map(|(_, share)| share).sum()
    }

    /// Divides an amount that has no place equally among all places.
    fn spread(&mut self, amount: f64) {
        let each = amount / self.shares.len() as f64;
        self.shares.iter_mut().for_each(|(_, share)| *share += each);
    }
}

/// Somebody who looks at pictures one by one and tells where the evidence lies.
pub trait Explainer: Send {
    /// The evidence of one image for a linear function of its vector. The values add up to `weights . vector`.
    ///
    /// # Errors
    /// An image that can't be read.
    fn evidence(&mut self, image: &Encoded, weights: &[f64]) -> Result<Vec<Evidence>>;
}
