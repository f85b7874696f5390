//! `/admin-tokens`: for owners.

mod create;
mod list;
mod revoke;

pub(super) use create::create;
pub(super) use list::list;
pub(super) use revoke::revoke;
