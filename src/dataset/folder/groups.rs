//! Which images belong together: what an expression finds in their paths, and whether the folders' own splits keep it.

use std::collections::BTreeMap;
use std::path::Path;

use super::DatasetError;
use super::seen::Placed;
use crate::dataset::error::Torn;
use crate::dataset::manifest::Part;
use crate::dataset::reading::Grouping;

/// Gives each image the group that the expression finds in its path.
///
/// # Errors
/// [`DatasetError::NoGroup`] where it finds none at all, [`DatasetError::TwoGroupings`] where a table states groups too.
pub(super) fn find(folder: &Path, placed: &mut [Placed], grouping: &Grouping) -> Result<(), DatasetError> {
    if placed.iter().any(|image| image.group.is_some()) {
        return Err(DatasetError::TwoGroupings);
    }
    placed.iter_mut().for_each(|image| image.group = grouping.of(&image.path));
    match placed.first() {
        Some(first) if placed.iter().all(|image| image.group.is_none()) => Err(DatasetError::NoGroup {
            folder: folder.to_path_buf(),
            regex: grouping.as_str().to_owned(),
            path: first.path.clone(),
        }),
        _ => Ok(()),
    }
}

/// No group in two of the splits that the folder states.
///
/// # Errors
/// [`DatasetError::Torn`], with an image of each side.
pub(super) fn check_whole(folder: &Path, placed: &[Placed]) -> Result<(), DatasetError> {
    let mut first = BTreeMap::<&str, (Part, &Placed)>::new();
    let mut torn: Vec<(&str, &Placed, &Placed)> = Vec::new();
    for image in placed {
        let (Some(group), Some(split)) = (&image.group, image.split) else { continue };
        let (there, other) = *first.entry(group).or_insert((split, image));
        if there != split && torn.iter().all(|(group, ..)| image.group.as_deref() != Some(*group)) {
            torn.push((group.as_str(), other, image));
        }
    }
    let Some((group, one, other)) = torn.first() else { return Ok(()) };
    Err(DatasetError::Torn(Box::new(Torn {
        folder: folder.to_path_buf(),
        group: (*group).to_owned(),
        images: [one.path.clone(), other.path.clone()],
        more: torn.len() - 1,
    })))
}
