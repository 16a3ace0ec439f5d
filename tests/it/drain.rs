//! The drain in the large: what becomes of every kind of call, and replicas that are replaced under load. What the drain
//! does to one call and to health is in `server::drain`.

mod borders;
mod ends;
mod nothing;
mod rolling;
