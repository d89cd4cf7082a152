//! Numbers that lie in files beside a model, as exporters write those of large models: read into it, each length checked
//! against the file, and never from outside the model's folder.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{EXTERNAL, GraphProto, ModelProto, NodeProto, TensorProto};

/// Bytes of all numbers together: what an ONNX file in one piece can hold.
const LARGEST: u64 = 2 << 30;

impl ModelProto {
    /// Takes the numbers that lie in files of `folder` into the model. Returns the SHA-256 of each such file and its name,
    /// in the order of the names; empty where there are none.
    ///
    /// # Errors
    /// The file that is missing, lies elsewhere or is too short, and what to do.
    pub fn take_in(&mut self, folder: &Path) -> Result<Vec<(String, String)>, String> {
        let mut files = Files { folder, open: HashMap::new(), total: 0 };
        let mut tensors = Vec::new();
        self.graph.iter_mut().for_each(|graph| outside(graph, &mut tensors));
        self.functions.iter_mut().for_each(|function| outside_of_nodes(&mut function.node, &mut tensors));
        for tensor in tensors {
            files.fill(tensor)?;
        }
        let mut hashes: Vec<(String, String)> = Vec::new();
        for (location, file) in files.open {
            hashes.push((location.clone(), hash(file).map_err(|error| format!("`{location}` beside it: {error}"))?));
        }
        hashes.sort();
        Ok(hashes)
    }
}

/// Constants of a graph whose numbers lie elsewhere.
fn outside<'g>(graph: &'g mut GraphProto, found: &mut Vec<&'g mut TensorProto>) {
    found.extend(graph.initializer.iter_mut().filter(|tensor| tensor.data_location == EXTERNAL));
    outside_of_nodes(&mut graph.node, found);
}

fn outside_of_nodes<'g>(nodes: &'g mut [NodeProto], found: &mut Vec<&'g mut TensorProto>) {
    for attribute in nodes.iter_mut().flat_map(|node| &mut node.attribute) {
        let tensors = attribute.t.iter_mut().chain(&mut attribute.tensors);
        found.extend(tensors.filter(|tensor| tensor.data_location == EXTERNAL));
        let graphs = attribute.g.as_deref_mut().into_iter().chain(&mut attribute.graphs);
        graphs.for_each(|graph| outside(graph, found));
    }
}

/// The files beside a model.
struct Files<'a> {
    folder: &'a Path,
    open: HashMap<String, File>,
    total: u64,
}

impl Files<'_> {
    fn fill(&mut self, tensor: &mut TensorProto) -> Result<(), String> {
        let entry = |key: &str| tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| &*entry.value);
        let location = entry("location").unwrap_or_default().to_owned();
        let name = &tensor.name;
        let number = |key: &str| {
            let parsed = entry(key).map(|text| text.trim().parse::<u64>());
            parsed
                .transpose()
                .map_err(|_| format!("`{name}` states `{key}` of its numbers in `{location}`, and no number"))
        };
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        let stated = tensor.count().zip(tensor.bits()).and_then(|(count, bits)| count.checked_mul(bits));
        let expected = stated.map(|bits| bits.div_ceil(8) as u64).ok_or_else(|| {
            format!(
                "`{name}`, whose numbers lie in `{location}`, has a shape or a type that can't be; the file is damaged"
            )
        })?;
        let file = open(self.folder, &mut self.open, &location)?;
        let wrong = |reason: String| format!("`{location}` beside it: {reason}");
        let there = file.metadata().map_err(|error| wrong(error.to_string()))?.len();
        let end = offset.checked_add(expected);
        if length.is_some_and(|length| length != expected) || end.is_none_or(|end| end > there) {
            return Err(wrong(format!(
                "`{name}` needs {expected} bytes from byte {offset} on, {} are stated and the file has {there}; it is cut \
                 off or belongs to another model: get both again",
                length.map_or("none".into(), |length| length.to_string())
            )));
        }
        self.total += expected;
        if self.total > LARGEST {
            return Err(format!("its numbers are more than {} GiB, too many for one network", LARGEST >> 30));
        }
        let mut raw_data = vec![0; expected as usize];
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.read_exact(&mut raw_data))
            .map_err(|e| wrong(e.to_string()))?;
        (tensor.raw_data, tensor.data_location) = (raw_data, 0);
        tensor.external_data.clear();
        Ok(())
    }
}

/// The file at this place, opened once.
fn open<'f>(folder: &Path, known: &'f mut HashMap<String, File>, location: &str) -> Result<&'f mut File, String> {
    if !known.contains_key(location) {
        let file = File::open(place(folder, location)?).map_err(|error| format!("`{location}` beside it: {error}"))?;
        known.insert(location.to_owned(), file);
    }
    Ok(known.get_mut(location).expect("it was just put there"))
}

/// Where it lies, if that is in the model's folder.
fn place(folder: &Path, location: &str) -> Result<PathBuf, String> {
    let elsewhere = || {
        format!(
            "its numbers lie in `{location}`, which is not in the model's folder: only files in or below that are read; put \
             it there and export the model again"
        )
    };
    let inside = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    let path = Path::new(location);
    if location.is_empty() || location.contains('\0') || !path.components().all(inside) {
        return Err(elsewhere());
    }
    let file = folder.join(path);
    let missing = || {
        format!(
            "its numbers lie in another file, `{location}`, which is not here: put it beside the model as {}, or export the \
             model with its weights inside (torch.onnx.export: external_data=False)",
            file.display()
        )
    };
    let found = file.canonicalize().map_err(|_| missing())?;
    let around = folder.canonicalize().map_err(|_| missing())?;
    if !found.is_file() {
        return Err(missing());
    }
    if found.starts_with(around) { Ok(found) } else { Err(elsewhere()) }
}

fn hash(mut file: File) -> std::io::Result<String> {
    let mut sha256 = Sha256::new();
    file.seek(SeekFrom::Start(0))?;
    std::io::copy(&mut file, &mut sha256)?;
    Ok(format!("{:x}", sha256.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deep::Tensor;
    use crate::deep::onnx::{Graph, StringStringEntryProto};

    /// A model whose constant `w` of two numbers lies at this place.
    fn model(entries: &[(&str, &str)]) -> ModelProto {
        let mut graph = Graph::new("test");
        let entry =
            |(key, value): &(&str, &str)| StringStringEntryProto { key: key.to_string(), value: value.to_string() };
        let external_data = entries.iter().map(entry).collect();
        let two = TensorProto::float("w", Tensor::new(&[2], vec![0.0; 2]));
        graph.initializer(TensorProto { raw_data: vec![], data_location: EXTERNAL, external_data, ..two });
        graph.model()
    }

    fn taken_in(folder: &Path, entries: &[(&str, &str)]) -> Result<Vec<f32>, String> {
        let mut model = model(entries);
        let hashes = model.take_in(folder)?;
        assert_eq!((hashes.len(), hashes[0].1.len(), model.lies_elsewhere()), (1, 64, false));
        Ok(model.graph.unwrap().initializer[0].tensor().unwrap().data)
    }

    #[test]
    fn numbers_beside_a_model_are_taken_in() {
        let folder = tempfile::tempdir().unwrap();
        let numbers: Vec<u8> = [9.0f32, 1.5, -2.0].into_iter().flat_map(f32::to_le_bytes).collect();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        for location in ["m.data", "below/m.data"] {
            std::fs::write(folder.path().join(location), &numbers).unwrap();
            let found = taken_in(folder.path(), &[("location", location), ("offset", "4"), ("length", "8")]);
            assert_eq!(found, Ok(vec![1.5, -2.0]));
            assert_eq!(taken_in(folder.path(), &[("location", location)]), Ok(vec![9.0, 1.5]));
        }
        for (key, value) in
            [("offset", "8"), ("offset", "18446744073709551615"), ("length", "4"), ("length", "9999999999999")]
        {
            let error = taken_in(folder.path(), &[("location", "m.data"), (key, value)]).unwrap_err();
            assert!(error.starts_with("`m.data` beside it: `w` needs 8 bytes from byte"), "{error}");
        }
        let error = taken_in(folder.path(), &[("location", "m.data"), ("offset", "-1")]).unwrap_err();
        assert!(error.contains("states `offset` of its numbers in `m.data`, and no number"), "{error}");
    }

    #[test]
    fn nothing_is_read_from_outside_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("models");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(folder.path().join("secret"), [0; 8]).unwrap();
        std::os::unix::fs::symlink("../secret", inside.join("link")).unwrap();
        let absolute = folder.path().join("secret");
        for location in ["../secret", "a/../../secret", absolute.to_str().unwrap(), "link", "", "nul\0"] {
            let error = taken_in(&inside, &[("location", location)]).unwrap_err();
            assert!(error.contains("which is not in the model's folder"), "{location}: {error}");
        }
        for location in ["gone.data", "."] {
            let error = taken_in(&inside, &[("location", location)]).unwrap_err();
            assert!(error.contains("which is not here: put it beside the model as"), "{location}: {error}");
        }
    }
}
