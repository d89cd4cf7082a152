//! Thumbnails for the page of `report --thumbnails`: of the images that it lists, where they are at hand.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::dataset::{Dataset, ImageFile};
use crate::image::decode_rgb;
use crate::image::encode::thumbnail;
use crate::record::Records;
use crate::report::{self, Thumbnails};

/// Longer side in pixels.
const LONGEST: u32 = 96;

/// # Errors
/// A data set that is not the one of the records, an image that can't be read.
pub(super) fn thumbnails(records: &Records, dataset: &Dataset) -> Result<Thumbnails> {
    if dataset.manifest.sha256() != records.dataset.manifest_sha256 {
        bail!(
            "--thumbnails: the images of {} are not the ones that were measured as {}: name the data set that was",
            dataset.place(),
            records.dataset.name
        );
    }
    let splits = &dataset.splits;
    let images = splits.train.images().iter().chain(splits.val.images()).chain(splits.test.images());
    let images: HashMap<&str, &Arc<ImageFile>> = images.map(|image| (image.id.as_str(), image)).collect();
    let picture = |image: String| {
        let found = images.get(image.as_str()).with_context(|| format!("{image} is not in {}", dataset.name))?;
        let picture = decode_rgb(&found.read()?).with_context(|| format!("cannot decode {image}"))?;
        Ok((image, format!("data:image/jpeg;base64,{}", STANDARD.encode(thumbnail(&picture, LONGEST)))))
    };
    report::listed_images(records)?.into_iter().map(picture).collect()
}
