//! Finding things again: lists, page by page, and activity logs.

mod activity;
mod bad_input;
mod conversations;
mod pages;
mod rights;
mod sandbox;
