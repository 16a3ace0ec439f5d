//! Faults injected over real sockets: nothing is lost, nothing is doubled, and what cannot be kept is told.
//!
//! docs/reliability.md has the table of them.

mod budgets;
mod callers;
mod creates;
mod creates_called_back;
mod creates_http2;
mod ends;
mod ids;
mod leaving;
mod reads;
mod reconnects;
mod streams;
