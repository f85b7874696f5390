//! `/admin-tokens`: for owners.

mod create;
mod list;
mod revoke;
mod show;

pub(super) use create::create;
pub(super) use list::list;
pub(super) use revoke::revoke;
pub(super) use show::show;
