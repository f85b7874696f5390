//! The admin API: its contract, who may do what, and that changes are served at once.

mod changes;
mod contract;
mod pages;
mod roles;
mod secrets;
mod shared_keys;
