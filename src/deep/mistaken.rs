//! What a file is that was taken for a network and is none: the usual mistakes, told by how the bytes begin.

/// How a file begins, what it then is, and what to do.
const BEGINNINGS: [(&[u8], &str); 10] = [
    (
        b"version https://git-lfs",
        "it is a pointer of Git LFS and not the file itself: get that with `git lfs pull`, or download it from the \
         repository's page",
    ),
    (b"PK\x03\x04", "it is a zip archive: unpack it; weights of PyTorch have the ending .pth or .pt"),
    (b"\x1f\x8b", "it is packed with gzip: unpack it"),
    (b"\x89HDF", "it is an HDF5 file, as Keras writes it: export it as ONNX, with `tf2onnx` or `keras.export`"),
    (b"\x89PNG", "it is a picture"),
    (b"\xff\xd8\xff", "it is a picture"),
    (b"GIF8", "it is a picture"),
    (b"\x80\x02", "it is a pickle, as PyTorch wrote it: weights have the ending .pth or .pt"),
    (b"{", "it is a text (JSON), perhaps a server's answer: download the file itself"),
    (b"#", "it is a text: download the file itself"),
];

/// Web pages begin so, in any letters.
const PAGES: [&[u8]; 4] = [b"<!doctype", b"<html", b"<?xml", b"<head"];

/// What the bytes are instead of a network, with the remedy; `None` where they begin like nothing that is known.
pub fn instead(bytes: &[u8]) -> Option<&'static str> {
    if bytes.is_empty() {
        return Some("it is empty: get it again");
    }
    if bytes.get(4..8) == Some(b"TFL3") {
        return Some("it is a TensorFlow Lite file: export it as ONNX, with `tf2onnx --tflite`");
    }
    let text = bytes.trim_ascii_start();
    let begins_as = |page: &[u8]| text.get(..page.len()).is_some_and(|start| start.eq_ignore_ascii_case(page));
    if PAGES.into_iter().any(begins_as) {
        return Some("it is a web page (HTML), as a server sends it instead of a file: download the file itself");
    }
    BEGINNINGS.into_iter().find(|(beginning, _)| bytes.starts_with(beginning)).map(|(_, what)| what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_mistakes_are_told_and_nothing_else() {
        for (bytes, expected) in [
            (&b"version https://git-lfs.github.com/spec/v1\noid sha256:12"[..], "git lfs pull"),
            (b"\n <!DOCTYPE html><html>", "a web page"),
            (b"<HTML>", "a web page"),
            (b"", "empty"),
            (b"PK\x03\x04", "zip"),
            (b"\x1c\x00\x00\x00TFL3", "TensorFlow Lite"),
        ] {
            assert!(instead(bytes).is_some_and(|what| what.contains(expected)), "{expected}");
        }
        assert_eq!(instead(b"\x08\x08\x12\x07pytorch"), None, "so does an ONNX file of PyTorch begin");
        assert_eq!(instead(b"h"), None);
    }
}
