//! The words of Locum as types: what everything else speaks about.
//!
//! No I/O lives here, and no protocol: time arrives through [`clock::Clock`], secrets arrive
//! opened and leave inside `secrecy` types.

pub mod actor;
pub mod address;
pub mod ahead;
pub mod audit;
pub mod bearer;
pub mod bearer_secret;
pub mod calendar;
pub mod call;
pub mod clock;
pub mod credential;
pub mod destination;
pub mod document;
pub mod flag;
pub mod header;
pub mod health;
pub mod jq;
pub mod json;
pub mod limits;
pub mod live;
pub mod meter;
pub mod network;
pub mod notice;
pub mod organization;
pub mod origin;
pub mod page;
pub mod plain;
pub mod principal;
pub mod provider;
pub mod redact;
pub mod reminder;
pub mod seats;
pub mod slug;
pub mod span;
pub mod steps;
pub mod template;
pub mod tenant;
pub mod tenant_settings;
pub mod tool;
pub mod units;
pub mod usage;
