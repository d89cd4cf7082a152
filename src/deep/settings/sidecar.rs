//! What the files of other libraries say of a network's preprocessing: timm's `config.json` (1.0), transformers'
//! `preprocessor_config.json` (4 and 5), open_clip's `open_clip_config.json` (3).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Interpolation, Length, Settings, names_of, normalisation, share_of};
use crate::deep::weights::name_of;
use crate::image::preparation::Channels;
use crate::image::resize::Centre;
use crate::image::tensor::Normalisation;

type Object = Map<String, Value>;

/// In the order in which they are believed.
const FILES: [&str; 3] = ["preprocessor_config.json", "open_clip_config.json", "config.json"];

/// Bytes that such a file may have.
const LARGEST: u64 = 1 << 20;

/// What these files beside a network say: `NAME.json`, or those of its folder; of a folder `onnx`, as repositories have it,
/// those around it. What a folder's file says is of one network ([`is_of`]).
pub fn beside(network: &Path, side: Option<u32>) -> Result<Settings, String> {
    let mut found = Settings::default();
    for path in candidates(network) {
        let Some(object) = read(&path)? else { continue };
        let name = names_of(&path);
        let mut settings = of(&object, side);
        if settings != Ok(Settings::default()) && path != network.with_extension("json") {
            settings = match is_of(network, &object) {
                Ok(true) => settings,
                Ok(false) => continue,
                Err(several) => Err(several),
            };
        }
        let settings = settings
            .map_err(|reason| format!("{name}: {reason}; state in a TOML file beside it how pictures are prepared"))?;
        found = found.or(settings.stated_in(&name));
    }
    Ok(found)
}

fn candidates(network: &Path) -> Vec<PathBuf> {
    let folder = network.parent().unwrap_or(Path::new("."));
    let around = folder.file_name().filter(|name| *name == "onnx").and_then(|_| folder.parent());
    let folders = [Some(folder), around].into_iter().flatten();
    let files = folders.flat_map(|folder| FILES.map(|file| folder.join(file)));
    [network.with_extension("json")].into_iter().chain(files).collect()
}

/// Is this network the one that a folder's file speaks of: the only one there, others being forms of it (`model_int8` of
/// `model`), or that of the architecture which timm states?
///
/// # Errors
/// There are several networks, and nothing tells which: the features would silently be those of pictures that were prepared for
/// another one.
fn is_of(network: &Path, object: &Object) -> Result<bool, String> {
    let Some(own) = name_of(network) else { return Ok(true) };
    let entries = network.parent().and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    let names: BTreeSet<&str> = files.iter().filter_map(|path| name_of(path)).collect();
    let shortest = names.iter().min_by_key(|name| name.len()).copied().unwrap_or(own);
    let is_form = |name: &&str| {
        let rest = name.strip_prefix(shortest);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
    };
    if names.iter().all(is_form) {
        return Ok(true);
    }
    let plain = |name: &str| name.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "");
    let stated = object.get("architecture").and_then(Value::as_str).map(plain).filter(|stated| !stated.is_empty());
    let exact = names.iter().any(|name| Some(plain(name)) == stated);
    let is_stated = |name: &str| {
        let (name, stated) = (plain(name), stated.as_deref().unwrap_or_default());
        name == stated || (!exact && !stated.is_empty() && (name.starts_with(stated) || stated.starts_with(&name)))
    };
    if names.iter().any(|name| is_stated(name)) {
        return Ok(is_stated(own));
    }
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    Err(format!(
        "it lies beside several networks ({names}) and does not tell which is meant: call it {own}.json where it is this one's, or \
         give each a folder of its own"
    ))
}

/// The object that a file holds; `None` where there is no such file, or it holds something else.
fn read(path: &Path) -> Result<Option<Object>, String> {
    let Ok(size) = std::fs::metadata(path).map(|metadata| metadata.len()) else { return Ok(None) };
    let name = names_of(path);
    if size > LARGEST {
        return Ok(None);
    }
    let bytes = std::fs::read(path).map_err(|error| format!("{name}: {error}"))?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| format!("{name}: it is no JSON ({error}); get it again, or move it away"))?;
    Ok(if let Value::Object(object) = value { Some(object) } else { None })
}

/// Whatever of the three it is; nothing is stated by another one.
fn of(object: &Object, side: Option<u32>) -> Result<Settings, String> {
    let inner = |key: &str| object.get(key).and_then(Value::as_object);
    let transformers = ["image_mean", "do_normalize", "image_processor_type", "feature_extractor_type"];
    let is_of_transformers = transformers.iter().any(|key| object.contains_key(*key));
    let bare = !is_of_transformers && object.contains_key("crop_pct");
    if let Some(timm) = inner("pretrained_cfg").or(bare.then_some(object)) {
        return of_timm(timm, side);
    }
    if let Some(stated) = inner("preprocess_cfg") {
        let vision = inner("model_cfg").and_then(|model| model.get("vision_cfg")).and_then(|v| v.get("image_size"));
        return of_open_clip(stated, vision, side);
    }
    if is_of_transformers {
        return of_transformers(object, side);
    }
    let vision = inner("vision_config").and_then(|vision| vision.get("image_size"));
    let input = object.get("image_size").or(vision).and_then(square);
    Ok(Settings { input: input.filter(|_| side.is_none()), ..Settings::default() })
}

/// `timm.data.resolve_model_data_config` and `create_transform`.
fn of_timm(stated: &Object, side: Option<u32>) -> Result<Settings, String> {
    let input_of = |key: &str| match stated.get(key)?.as_array()?[..] {
        [ref channels, ref height, ref width] if channels == 3 && height == width => pixels(height),
        _ => None,
    };
    let input = side.or(input_of("input_size"));
    let of_test = input.is_some() && input == input_of("test_input_size") && input != input_of("input_size");
    let test = |key: &str| stated.get(&format!("test_{key}")).filter(|_| of_test);
    let share = test("crop_pct").or(stated.get("crop_pct")).and_then(Value::as_f64);
    let resize = share.map(|share| share_of(share).ok_or(format!("`crop_pct` = {share} is no share"))).transpose()?;
    let squash = match stated.get("crop_mode").and_then(Value::as_str) {
        None | Some("center") => None,
        Some("squash") => Some(true),
        Some(other) => return Err(format!("`crop_mode` = \"{other}\" is not done here")),
    };
    let interpolation = stated.get("interpolation").map(filter).transpose()?;
    let normalisation = mean_and_std(stated, ["mean", "std"], 1.0)?;
    Ok(Settings { input, resize, squash, interpolation, normalisation, ..Settings::default() })
}

/// `open_clip.image_transform` without augmentation.
fn of_open_clip(stated: &Object, vision: Option<&Value>, side: Option<u32>) -> Result<Settings, String> {
    let squash = match stated.get("resize_mode").and_then(Value::as_str) {
        None | Some("shortest") => false,
        Some("squash") => true,
        Some(other) => return Err(format!("`resize_mode` = \"{other}\" is not done here")),
    };
    let interpolation = stated.get("interpolation").map_or(Ok(Interpolation::Bicubic), filter)?;
    Ok(Settings {
        input: side.or(stated.get("size").or(vision).and_then(square)),
        resize: Some(Length::Share(1.0)),
        squash: Some(squash),
        interpolation: Some(interpolation),
        normalisation: mean_and_std(stated, ["mean", "std"], 1.0)?,
        ..Settings::default()
    })
}

/// An image processor's `_preprocess`: resize, centre crop, rescale, normalise.
fn of_transformers(stated: &Object, side: Option<u32>) -> Result<Settings, String> {
    let kind = ["image_processor_type", "feature_extractor_type"].iter().find_map(|key| stated.get(*key)?.as_str());
    let kind = kind.unwrap_or_default();
    let does = |key: &str, default: bool| stated.get(key).and_then(Value::as_bool).unwrap_or(default);
    if kind.starts_with("EfficientNet") && does("include_top", true) {
        return Err(
            "an EfficientNetImageProcessor divides by the deviation twice (`include_top`), which is not done here"
                .into(),
        );
    }
    if !does("do_resize", true) {
        return Err("`do_resize` = false leaves pictures of any size, and a network takes one".into());
    }
    let size = stated.get("size").unwrap_or(&Value::Null);
    let crop =
        Some(stated.get("crop_size").unwrap_or(&Value::Null)).filter(|crop| does("do_center_crop", !crop.is_null()));
    let crop = crop.and_then(square);
    let shortest = size.get("shortest_edge").and_then(pixels);
    // a plain number is both sides, or the shorter one where a centre is cut out of it
    let plain = pixels(size).map(|length| (length, crop.is_none() || kind.starts_with("DeiT")));
    let (length, squash) = plain
        .or(shortest.map(|length| (length, false)))
        .or(square(size).map(|length| (length, true)))
        .ok_or_else(|| format!("`size` = {size} is no square and no shorter side"))?;
    // ConvNextImageProcessor: a number is the input, below 384 px cut out of what `crop_pct` says, else squashed
    let convnext = kind.starts_with("ConvNext");
    let share = stated.get("crop_pct").and_then(Value::as_f64).unwrap_or(224.0 / 256.0);
    let (input, resize, squash) = match crop {
        _ if convnext && length < 384 => (length, share_of(share), false),
        _ if convnext => (length, Some(Length::Share(1.0)), true),
        Some(crop) => (crop, Some(Length::Pixels(length, Some(crop))), squash),
        None if squash => (length, Some(Length::Share(1.0)), true),
        None => {
            return Err("its pictures keep their shape (`do_center_crop` = false), and a network takes squares".into());
        }
    };
    let interpolation = stated.get("resample").map(filter).transpose()?.unwrap_or(Interpolation::Bilinear);
    let factor = stated.get("rescale_factor").and_then(Value::as_f64).unwrap_or(1.0 / 255.0);
    // what pixels from 0 to 1 are multiplied by before the mean is subtracted
    let scale = if does("do_rescale", true) { factor * 255.0 } else { 255.0 };
    let plain = || normalisation([0.0; 3], [1.0; 3], scale as f32).map(Some);
    // MobileViTImageProcessor does so only where that is stated
    let normalised = does("do_normalize", stated.contains_key("image_mean") && !kind.starts_with("MobileViT"));
    let normalisation = if normalised { mean_and_std(stated, ["image_mean", "image_std"], scale)? } else { plain()? };
    Ok(Settings {
        input: side.or(Some(input)),
        resize,
        squash: Some(squash),
        interpolation: Some(interpolation),
        centre: Some(Centre::Floor),
        channels: does("do_flip_channel_order", false).then_some(Channels::Bgr),
        normalisation,
        ..Settings::default()
    })
}

/// Mean and deviation of pixels from 0 to `scale`, one number or one a channel.
fn mean_and_std(stated: &Object, keys: [&str; 2], scale: f64) -> Result<Option<Normalisation>, String> {
    let numbers = |key: &str| {
        let value = stated.get(key).filter(|value| !value.is_null())?;
        let list = value.as_array().map_or_else(|| vec![value; 3], |list| list.iter().collect());
        let numbers: Option<Vec<f32>> = list.into_iter().map(|v| v.as_f64().map(|v| v as f32)).collect();
        Some(
            numbers
                .and_then(|numbers| numbers.try_into().ok())
                .ok_or(format!("`{key}` = {value} is not three numbers")),
        )
    };
    match (numbers(keys[0]).transpose()?, numbers(keys[1]).transpose()?) {
        (Some(mean), Some(std)) => normalisation(mean, std, scale as f32).map(Some),
        (None, None) => Ok(None),
        _ => Err(format!("`{}` and `{}` are needed together", keys[0], keys[1])),
    }
}

/// By its name, or its number in Pillow.
fn filter(value: &Value) -> Result<Interpolation, String> {
    match (value.as_str(), value.as_u64()) {
        (Some("bilinear"), _) | (_, Some(2)) => Ok(Interpolation::Bilinear),
        (Some("bicubic"), _) | (_, Some(3)) => Ok(Interpolation::Bicubic),
        _ => Err(format!("the interpolation {value} is not done here (bilinear and bicubic are)")),
    }
}

fn pixels(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|side| side.try_into().ok())
}

/// The side of a square: a number, two equal ones, or `height` and `width`.
fn square(value: &Value) -> Option<u32> {
    let [height, width] = match value {
        Value::Array(sides) => [sides.first()?, sides.get(1)?],
        Value::Object(sides) => [sides.get("height")?, sides.get("width")?],
        side => [side, side],
    };
    pixels(height).filter(|_| height == width)
}
