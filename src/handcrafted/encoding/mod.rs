//! Encodings: from the many descriptors of an image to its one vector.

pub mod bovw;
