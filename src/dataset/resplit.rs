//! The same images with other splits: what `--repeats` measures beside the first draw. No file is written or changed.

use super::Dataset;
use super::error::DatasetError;
use super::folder::draw_all;
use super::manifest::{Manifest, Part, Row};

impl Dataset {
    /// Were its three splits drawn by a seed? Published ones are no draw of many.
    pub fn has_drawn_splits(&self) -> bool {
        self.drawn
    }

    /// Usable images by classes: how small it is.
    pub fn images_a_class(&self) -> f64 {
        self.manifest.used().count() as f64 / self.splits.classes.len().max(1) as f64
    }

    /// Its images with splits that another seed draws, stratified and grouped as the first were, under a name that says
    /// so (`photos;split=3`). The manifest is that of the folder, had it been opened with this seed.
    ///
    /// # Errors
    /// [`DatasetError::NotDrawn`] for a data set whose splits are published or stated.
    pub fn resplit(&self, seed: u64) -> Result<Dataset, DatasetError> {
        if !self.drawn {
            return Err(DatasetError::NotDrawn(self.name.clone()));
        }
        let images = self.images();
        let mut rows: Vec<Row> = self.manifest.rows.clone();
        for row in rows.iter_mut().filter(|row| row.role.is_some()) {
            (row.split, row.role) = (None, Some(Part::Train));
        }
        draw_all(&mut rows, seed);
        let source_of = |row: &Row| {
            let image = &images[row.path.as_str()];
            Ok((image.source.clone(), image.bytes))
        };
        let manifest = Manifest::new(rows);
        let splits = super::Splits::of(&manifest, &source_of)?;
        Ok(Dataset { name: format!("{};split={seed}", self.name), splits, manifest, ..self.clone() })
    }
}
