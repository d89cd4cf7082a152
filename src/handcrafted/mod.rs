//! Handcrafted features: descriptors at keypoints, a vocabulary of visual words, and encodings of an image by them.

pub mod descriptor;
pub mod encoding;
pub mod vocabulary;
