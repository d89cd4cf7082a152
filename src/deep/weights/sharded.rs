//! Parameters in shards: an index in JSON says in which file beside it each tensor lies. They are joined into one file of
//! safetensors, whose hash then is that of the whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use safetensors::{Dtype, tensor::TensorView};
use serde::Deserialize;

use super::{Format, WeightsError};

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The bytes of one safetensors file, in f32, with all that `index` lists. `read` gives the bytes of a file.
///
/// # Errors
/// An index that is none, and shards that are not beside it, or are not what it says.
pub fn joined(index: &Path, read: impl Fn(&Path) -> Result<Vec<u8>, String>) -> Result<Vec<u8>, WeightsError> {
    let failed = WeightsError::Sharded;
    let parsed = serde_json::from_slice(&read(index).map_err(failed)?);
    let Index { weight_map } = parsed.map_err(|error| failed(format!("no index of shards: {error}")))?;
    let mut tensors = BTreeMap::new();
    for shard in weight_map.values().collect::<BTreeSet<_>>() {
        // a bare name: shards lie beside the index and nowhere else
        let place = Some(Path::new(shard)).filter(|path| path.file_name() == Some(path.as_os_str()));
        let place = place.ok_or_else(|| failed(format!("its shard `{shard}` does not lie beside it")))?;
        let of = |what: &dyn std::fmt::Display| failed(format!("its shard {shard}: {what}"));
        let bytes = read(&index.with_file_name(place)).map_err(|reason| of(&reason))?;
        let format = if shard.ends_with(".safetensors") { Format::Safetensors } else { Format::Torch };
        let listed = || weight_map.iter().filter(|(_, file)| *file == shard).map(|(name, _)| name.as_str());
        let counted = |name: &&str| !name.ends_with(".num_batches_tracked");
        let found = format.open(&bytes).and_then(|shard| shard.read(listed().filter(counted)));
        let found = found.map_err(|reason| of(&reason))?;
        if let Some(missing) = listed().filter(counted).find(|name| !found.contains_key(*name)) {
            return Err(of(&format!("tensor `{missing}`, which the index lists, is not in it")));
        }
        tensors.extend(found.into_iter().map(|(name, tensor)| {
            let numbers: Vec<u8> = tensor.data.iter().flat_map(|number| number.to_le_bytes()).collect();
            (name, (tensor.shape, numbers))
        }));
    }
    let views = tensors
        .iter()
        .map(|(name, (shape, numbers))| TensorView::new(Dtype::F32, shape.clone(), numbers).map(|view| (name, view)));
    let views: Result<Vec<_>, _> = views.collect();
    views.and_then(|views| safetensors::serialize(views, None)).map_err(|error| failed(error.to_string()))
}
