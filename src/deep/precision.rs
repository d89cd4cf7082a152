//! The numbers that a frozen network is stored and computed in, as a backbone's name states them.

/// Raised whenever a cheaper form of the same network, by the same images, changes; part of what features depend on.
pub const VERSION: u32 = 1;

/// Numbers that a frozen network is stored and computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    #[default]
    F32,
    /// Weights in 16-bit floats; computed so on a GPU, and in 32 bits on a CPU.
    F16,
    /// Convolutions in 8-bit integers.
    Int8,
}

impl Precision {
    const ALL: [Precision; 3] = [Precision::F32, Precision::F16, Precision::Int8];

    /// As on the command line and, after a colon, in the names of backbones.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
            Precision::Int8 => "int8",
        }
    }

    /// A backbone's name without its precision, and that: `resnet18-cntk:int8`.
    pub fn split(name: &str) -> (&str, Precision) {
        let known = |(bare, word)| Some((bare, Precision::named(word)?));
        name.rsplit_once(':').and_then(known).unwrap_or((name, Precision::F32))
    }

    /// The precision of this name.
    pub fn named(word: &str) -> Option<Precision> {
        Precision::ALL.into_iter().find(|precision| precision.name() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_in_its_precision() {
        assert_eq!(Precision::split("resnet18@layer3:int8"), ("resnet18@layer3", Precision::Int8));
        assert_eq!(Precision::split("c:x"), ("c:x", Precision::F32));
    }
}
