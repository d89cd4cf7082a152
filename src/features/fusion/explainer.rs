//! What each member of a fusion adds, and where in the picture.

use anyhow::Result;
use ndarray::Array1;

use crate::features::Encoded;
use crate::features::evidence::{Evidence, Explainer};

/// The members of a fusion, side by side in the vector.
pub(super) struct FusedExplainer(pub Vec<MemberExplainer>);

pub(super) struct MemberExplainer {
    pub name: String,
    pub explainer: Box<dyn Explainer>,
    pub mean: Array1<f32>,
    pub factor: f32,
}

impl Explainer for FusedExplainer {
    /// Members look at the same pixels. What a mean takes away is taken from all places alike: an average picture has no
    /// evidence anywhere.
    fn evidence(&mut self, image: &Encoded, weights: &[f64]) -> Result<Vec<Evidence>> {
        image.share();
        let (mut all, mut rest) = (Vec::new(), weights);
        for member in &mut self.0 {
            let (here, behind) = rest.split_at(member.mean.len());
            rest = behind;
            let weights: Vec<f64> = here.iter().map(|w| w * f64::from(member.factor)).collect();
            let centre: f64 = member.mean.iter().zip(&weights).map(|(&mean, w)| f64::from(mean) * w).sum();
            // one, as no fusion is a member of another
            for mut evidence in member.explainer.evidence(image, &weights)? {
                evidence.take_away(centre);
                all.push(Evidence { name: member.name.clone(), ..evidence });
            }
        }
        Ok(all)
    }
}
