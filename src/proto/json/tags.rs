//! The field numbers of struct.proto, each of which takes one byte.

use prost::encoding::encoded_len_varint;

pub const FIELDS: u32 = 1;
pub const KEY: u32 = 1;
pub const VALUE: u32 = 2;
pub const NULL: u32 = 1;
pub const NUMBER: u32 = 2;
pub const STRING: u32 = 3;
pub const BOOL: u32 = 4;
pub const STRUCT: u32 = 5;
pub const LIST: u32 = 6;
pub const ITEMS: u32 = 1;

/// How long a length-delimited field is.
pub fn delimited(length: usize) -> usize {
    1 + encoded_len_varint(length as u64) + length
}
