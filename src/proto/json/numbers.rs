//! The numbers of the fields of struct.proto.

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
