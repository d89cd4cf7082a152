//! Encodings: from the descriptors of an image to one vector.

pub mod words;
