//! What is stated, what is not, and what is wrong.

use super::*;
use crate::image::tensor::IMAGENET;

#[test]
fn everything_may_be_stated_and_nothing_need_be() {
    assert_eq!(Settings::parse("# defaults\n").unwrap(), Settings::default());
    assert_eq!(Settings::default().identity(), "");
    let text = "input = 299\nscale = 255\nmean = [127.5, 0, 255]\nstd = [127.5, 255, 51]\noutput = 'pool'\n";
    let settings = Settings::parse(text).unwrap();
    let normalisation = Normalisation { mean: [0.5, 0.0, 1.0], deviation: [0.5, 1.0, 0.2] };
    let (input, output, normalisation) = (Some(299), Some("pool".into()), Some(normalisation));
    let expected = Settings { input, normalisation, output, ..Settings::default() };
    assert_eq!(settings, expected);
    assert!(settings.identity().contains("0.2") && settings.identity().contains("pool"));
    assert_eq!(Settings::parse("input = 64").unwrap().identity(), "", "the side is known apart");
}

#[test]
fn a_preparation_is_what_is_stated_and_otherwise_the_usual_one() {
    let of = |text: &str, side| Settings::parse(text).unwrap().preparation(IMAGENET, side);
    assert_eq!(of("", None), Preparation::usual(IMAGENET));
    for (text, side, expected) in [
        ("resize = 256\ncrop = 224", None, "shorter side to 256 px (bilinear), centre 224 px"),
        ("resize = 256\ninterpolation = 'bicubic'", Some(224), "shorter side to 256 px (bicubic), centre 224 px"),
        ("resize = 0.95\ninterpolation = 'bicubic'", Some(288), "shorter side to 303 px (bicubic), centre 288 px"),
        ("squash = true", Some(224), "both sides to 224 px (bilinear)"),
        ("squash = true\nresize = 256", Some(224), "both sides to 256 px (bilinear), centre 224 px"),
    ] {
        assert_eq!(of(text, side).resizing(side.unwrap_or(224)), expected, "{text}");
    }
    let stated = Preparation {
        resize: Resize::Pixels { resized: 240, input: 200 },
        squash: true,
        interpolation: Interpolation::Bicubic,
        centre: Centre::Floor,
        channels: Channels::Bgr,
        ..Preparation::usual(IMAGENET)
    };
    let written = format!("input = 200\n{}", resizing(240, &stated));
    assert_eq!(of(&written, Some(200)), stated, "what is exported is read back");
    let identity = |text: &str| Settings::parse(text).unwrap().identity();
    assert_ne!(identity("resize = 256"), identity("resize = 0.875"));
    assert_ne!(identity("pooling = 'mean'"), identity("pooling = 'gem'"));
}

#[test]
fn what_is_wrong_is_named() {
    for (text, expected) in [
        ("inputs = 224", "unknown key `inputs`, did you mean `input`?; there are centre, channels, crop, input,"),
        ("input = 64\ncrop = 32", "input = 64 and crop = 32 are two words for one number"),
        ("resize = 200\ninput = 224", "resize = 200 must be pixels, from the side of the input to 4096, or"),
        ("resize = 1.1", "resize = 1.1 must be pixels"),
        ("resize = 'squash'", "resize = \"squash\" must be pixels"),
        ("interpolation = 'nearest'", "line 1: unknown variant `nearest`, expected `bilinear` or `bicubic`"),
        ("channels = 'rgb'", "line 1: unknown variant `rgb`, expected `RGB` or `BGR`"),
        ("pooling = 'max'", "line 1: unknown variant `max`, expected one of `mean`, `cls`, `gem`"),
        ("a = 1", "unknown key `a`; there are"),
        ("mean = [0, 0, 0]", "mean and std are needed together"),
        ("scale = 255", "mean and std are needed together"),
        ("scale = 2\nmean = [0, 0, 0]\nstd = [1, 1, 1]", "scale = 2 must be 1 (pixels from 0 to 1) or 255"),
        ("mean = [0, 0, 0]\nstd = [1, 0, 1]", "0 in std must be above 0"),
        ("mean = [0, nan, 0]\nstd = [1, 1, 1]", "NaN in mean or std is not a number"),
        ("input = 8", "input = 8 must be from 32 to 1024 pixels"),
        ("output = 'a'\nmean = [0, 0]", "line 2: invalid length 2"),
        ("input = 224\n\n= 3", "line 3: "),
    ] {
        let error = Settings::parse(text).unwrap_err();
        assert!(error.starts_with(expected) && !error.contains('\n'), "{text}: {error}");
    }
}

#[test]
fn a_folders_file_is_of_one_network() {
    let folder = tempfile::tempdir().unwrap();
    let put = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    let input = |name: &str| sidecar::beside(&folder.path().join(name), None).map(|settings| settings.input);
    put("model.onnx", "");
    put("model_int8.onnx", "");
    put("config.json", "{\"image_size\": 96}");
    assert_eq!(input("model.onnx"), Ok(Some(96)));
    assert_eq!(input("model_int8.onnx"), Ok(Some(96)), "another form of the same network");
    put("vit_tiny.safetensors", "");
    let told = input("model.onnx").unwrap_err();
    assert!(
        told.contains("several networks (model, model_int8, vit_tiny)") && told.contains("call it model.json"),
        "{told}"
    );
    let stated = Settings::parse("squash = true\nmean = [0, 0, 0]\nstd = [1, 1, 1]").unwrap();
    assert!(stated.or_of_library(&folder.path().join("model.onnx"), None).is_ok(), "all is stated");
    let timm = "{\"architecture\": \"vit_tiny_patch16_224\", \"pretrained_cfg\": {\"input_size\": [3, 96, 96]}}";
    put("config.json", timm);
    assert_eq!((input("vit_tiny.safetensors"), input("model.onnx")), (Ok(Some(96)), Ok(None)), "it names the one");
    put("model.json", "{\"image_size\": 64}");
    assert_eq!(input("model.onnx"), Ok(Some(64)));
    put("config.json", "{\"name\": \"of something else\"}");
    assert_eq!(input("model_int8.onnx"), Ok(None));
}
