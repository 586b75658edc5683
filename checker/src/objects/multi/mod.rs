//! Several registers that transactions read and write together (`multi-register`).

mod model;

pub(crate) use model::{ENTRY, began_with_nil, is_answered, keys, object};
pub use model::{MultiRegister, RegisterMicro};
