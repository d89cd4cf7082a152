//! The code against numbers of well-known Python libraries.

mod preprocessing;
