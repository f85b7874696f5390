//! Locum
pub mod admin;
pub mod app;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod credentials;
pub mod domain;
pub mod gateway;
pub mod http;
pub mod net;
pub mod sandbox;
pub mod store;
pub mod token;
pub mod upstream;
pub mod vault;
