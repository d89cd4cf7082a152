//! State dicts as PyTorch saves them: a pickle that names tensors, and their numbers beside it, either in a zip container
//! (`torch.save` since 1.6) or one after the other behind the pickle (before). A file is data here: nothing is executed.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::pickle::{self, Dtype, Objects, Value, View};
use super::zip::Zip;
use super::{Float, Shapes, WeightsError};
use crate::deep::{Tensor, mistaken};

/// What a file without a zip container begins with, and the only version of what follows.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
const VERSION: i128 = 1001;

/// Tensors of a file, each checked against the numbers that are there.
#[derive(Debug)]
pub struct StateDict<'a>(BTreeMap<String, Stored<'a>>);

#[derive(Debug)]
struct Stored<'a> {
    dtype: Dtype,
    view: View,
    /// The whole storage.
    bytes: &'a [u8],
}

/// The bytes of each storage, by key.
type Storages<'a> = HashMap<&'a str, &'a [u8]>;

impl<'a> StateDict<'a> {
    /// Reads which tensors there are. Those of dictionaries within the dictionary have the names of both, with a dot
    /// between: `state_dict.conv1.weight`. What is no tensor is left out.
    ///
    /// # Errors
    /// [`WeightsError::Torch`] says why the file is not read.
    pub fn open(file: &'a [u8]) -> Result<StateDict<'a>, WeightsError> {
        let read = match file {
            [] => Err("it is empty".into()),
            [b'P', b'K', ..] => zipped(file),
            [0x80, ..] => pickled(file),
            _ => Err(mistaken::instead(file).unwrap_or("it begins neither as a zip file nor as a pickle").into()),
        };
        read.map(StateDict).map_err(WeightsError::Torch)
    }

    pub fn shapes(&self) -> Shapes {
        self.0.iter().map(|(name, tensor)| (name.clone(), tensor.view.shape.clone())).collect()
    }

    /// A tensor, widened to f32; `None` where there is none of this name.
    ///
    /// # Errors
    /// It is of another type than f64, f32, f16 and bf16.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>, WeightsError> {
        let Some(Stored { dtype, view, bytes }) = self.0.get(name) else { return Ok(None) };
        let float = match dtype {
            Dtype::Float => Float::F32,
            Dtype::Half => Float::F16,
            Dtype::BFloat16 => Float::Bf16,
            Dtype::Double => Float::F64,
            other => return Err(WeightsError::Type { name: name.into(), found: format!("{other:?}") }),
        };
        Ok(Some(Tensor::new(&view.shape, view.gather(bytes, dtype.size(), float))))
    }
}

fn zipped(file: &[u8]) -> Result<BTreeMap<String, Stored<'_>>, String> {
    let zip = Zip::open(file)?;
    let folder = zip.names().find_map(|name| name.strip_suffix("data.pkl")).ok_or("it has no entry `data.pkl`")?;
    let entry = |name: &str| zip.get(&format!("{folder}{name}"));
    if entry("byteorder")?.is_some_and(|order| order != b"little") {
        return Err("its numbers are not little-endian".into());
    }
    let mut description = entry("data.pkl")?.unwrap_or_default();
    let (root, objects) = pickle::read(&mut description).map_err(|e| e.to_string())?;
    let mut storages = Storages::new();
    for storage in &objects.storages {
        if let Some(bytes) = entry(&format!("data/{}", storage.key))? {
            storages.insert(storage.key, bytes);
        }
    }
    tensors(root, objects, &storages)
}

fn pickled(mut file: &[u8]) -> Result<BTreeMap<String, Stored<'_>>, String> {
    let mut next = || pickle::read(&mut file).map_err(|e| e.to_string());
    let (magic, plain) = next()?;
    if magic != Value::Int(MAGIC) {
        return tensors(magic, plain, &Storages::new());
    }
    if next()?.0 != Value::Int(VERSION) {
        return Err(format!("it is of another version than {VERSION}"));
    }
    let (system, about) = next()?;
    let little = (Value::Text("little_endian"), Value::Bool(true));
    if !matches!(system, Value::Dict(dict) if about.dicts[dict].contains(&little)) {
        return Err("its numbers are not little-endian".into());
    }
    let (root, objects) = next()?;
    let (keys, listed) = next()?;
    let Value::List(keys) = keys else { return Err("the list of its storages is missing".into()) };
    let mut storages = Storages::new();
    for key in &listed.lists[keys] {
        let known = objects.storages.iter().find(|storage| Value::Text(storage.key) == *key);
        let storage = known.ok_or("it lists a storage that no tensor names")?;
        let cut = || format!("it is cut off: the numbers of its storage `{}` are not all there", storage.key);
        let stated = file.split_off(..8).ok_or_else(cut)?;
        if stated != (storage.count as u64).to_le_bytes() {
            return Err(format!("two sizes are stated for its storage `{}`", storage.key));
        }
        let size = storage.count.checked_mul(storage.dtype.size());
        storages.insert(storage.key, size.and_then(|size| file.split_off(..size)).ok_or_else(cut)?);
    }
    tensors(root, objects, &storages)
}

/// The tensors of a dictionary, and of those within it, by name, once each is known to lie within its storage.
fn tensors<'a>(
    root: Value<'a>,
    objects: Objects<'a>,
    storages: &Storages<'a>,
) -> Result<BTreeMap<String, Stored<'a>>, String> {
    let mut found = BTreeMap::new();
    let (mut left, mut seen) = (vec![(String::new(), root)], HashSet::new());
    while let Some((name, value)) = left.pop() {
        match value {
            Value::Tensor(tensor) => {
                let stored = stored(objects.tensors[tensor].clone(), &objects, storages);
                found.insert(name.clone(), stored.map_err(|what| format!("tensor `{name}`: {what}"))?);
            }
            // each once, whatever refers to it
            Value::Dict(dict) if seen.insert(dict) => {
                left.extend(objects.dicts[dict].iter().filter_map(|&(key, v)| {
                    let joined = |key: &dyn std::fmt::Display| {
                        if name.is_empty() { key.to_string() } else { format!("{name}.{key}") }
                    };
                    match key {
                        Value::Text(text) => Some((joined(&text), v)),
                        Value::Int(number) => Some((joined(&number), v)),
                        _ => None,
                    }
                }))
            }
            _ => {}
        }
    }
    match objects.foreign {
        _ if found.keys().any(|name| !name.is_empty()) => Ok(found),
        Some(object) => Err(format!(
            "it asks for the Python object `{object}`, which was not executed, and holds no tensors by name; only a state \
             dict is read. In Python: import torch; model = torch.load(FILE, map_location=\"cpu\", weights_only=False); \
             torch.save(model.state_dict(), \"NAME.pth\") (with torch.jit.load where it is TorchScript)"
        )),
        None => Err("it holds no dictionary with tensors by name".into()),
    }
}

/// What a view shows, if it lies within its storage.
fn stored<'a>(view: View, objects: &Objects<'a>, storages: &Storages<'a>) -> Result<Stored<'a>, String> {
    let storage = objects.storages[view.storage];
    let bytes = *storages.get(storage.key).ok_or("its numbers are not in the file")?;
    if storage.count.checked_mul(storage.dtype.size()) != Some(bytes.len()) {
        let (key, count, dtype, there) = (storage.key, storage.count, storage.dtype, bytes.len());
        return Err(format!("storage `{key}` should hold {count} numbers ({dtype:?}) and has {there} bytes"));
    }
    if !view.fits(storage.count) {
        let View { shape, stride, offset, .. } = view;
        let place = format!("shape {shape:?}, strides {stride:?}, offset {offset}");
        return Err(format!("its storage of {} numbers is too small for {place}", storage.count));
    }
    Ok(Stored { dtype: storage.dtype, view, bytes })
}

impl View {
    /// Does it lie within so many numbers, and show each at most once?
    fn fits(&self, count: usize) -> bool {
        let numbers = self.shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side));
        let steps =
            self.shape.iter().zip(&self.stride).map(|(&side, &stride)| side.saturating_sub(1).checked_mul(stride));
        let last = steps.into_iter().try_fold(self.offset, |at, step| at.checked_add(step?));
        let within = last.is_some_and(|last| last < count) || numbers == Some(0);
        self.shape.len() == self.stride.len() && within && numbers.is_some_and(|numbers| numbers <= count)
    }

    /// Its numbers in their order, out of a storage that it fits.
    fn gather(&self, storage: &[u8], size: usize, float: Float) -> Vec<f32> {
        let count: usize = self.shape.iter().product();
        if count == 0 {
            return Vec::new();
        }
        let mut expected = 1;
        let in_order = self.shape.iter().zip(&self.stride).rev().all(|(&side, &stride)| {
            let follows = side == 1 || stride == expected;
            expected *= side;
            follows
        });
        if in_order {
            return float.widen(&storage[self.offset * size..][..count * size]);
        }
        let place = |mut number: usize| {
            let sides = self.shape.iter().zip(&self.stride).rev();
            let along = sides.map(|(&side, &stride)| {
                let step = number % side * stride;
                number /= side;
                step
            });
            size * (self.offset + along.sum::<usize>())
        };
        let bytes: Vec<u8> = (0..count).map(place).flat_map(|at| &storage[at..at + size]).copied().collect();
        float.widen(&bytes)
    }
}

#[cfg(test)]
mod tests;
