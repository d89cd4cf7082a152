//! Names of classes that look alike. The same name in two ways of writing its accents is one class; names that differ
//! only in what nobody sees, or in case, are refused: they would be two classes on one machine and one on another.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use unicode_normalization::UnicodeNormalization;

use super::DatasetError;
use super::seen::Placed;
use crate::dataset::findings::finding;
use crate::record::Finding;

/// Equal for names that people take for one.
pub(super) fn likeness(name: &str) -> String {
    let invisible =
        |c: &char| !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}');
    let plain: String = name.nfkc().filter(invisible).collect::<String>().to_lowercase().nfkc().collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Gives every class its composed name (NFC); says where that joined two.
///
/// # Errors
/// [`DatasetError::Alike`] for classes whose names differ in case or in blanks only, in one split or across splits.
pub(super) fn join(folder: &Path, placed: &mut [Placed]) -> Result<Vec<Finding>, DatasetError> {
    let mut written = BTreeMap::<String, BTreeSet<String>>::new();
    for file in placed.iter_mut() {
        let composed: String = file.label.nfc().collect();
        let before = std::mem::replace(&mut file.label, composed.clone());
        written.entry(composed).or_default().insert(before);
    }
    let mut alike = BTreeMap::<String, Vec<&str>>::new();
    written.keys().for_each(|name| alike.entry(likeness(name)).or_default().push(name));
    let alike: Vec<Vec<String>> = alike
        .into_values()
        .filter(|names| names.len() > 1)
        .map(|names| names.into_iter().map(str::to_owned).collect())
        .collect();
    if !alike.is_empty() {
        return Err(DatasetError::Alike { folder: folder.into(), alike });
    }
    let joined = written.into_iter().filter(|(_, forms)| forms.len() > 1);
    let said = |(name, forms): (String, BTreeSet<String>)| {
        let detail =
            format!("its accents are written in {} ways, which are taken for one class (Unicode NFC)", forms.len());
        finding("joined", &name, &detail)
    };
    Ok(joined.map(said).collect())
}
