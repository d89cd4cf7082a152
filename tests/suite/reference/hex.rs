//! Bytes as the fixtures write them.

/// Bytes of a hexadecimal string.
pub fn bytes(hex: &str) -> Vec<u8> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty(), "{hex}");
    let digit = |d: u8| char::from(d).to_digit(16).expect("a hexadecimal digit") as u8;
    pairs.iter().map(|&[high, low]| digit(high) << 4 | digit(low)).collect()
}
