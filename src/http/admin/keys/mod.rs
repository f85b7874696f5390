//! `/keys`

mod create;
mod list;
mod revoke;
mod roll;
mod show;

pub(super) use create::create;
pub(super) use list::{list, list_of_org};
pub(super) use revoke::revoke;
pub(super) use roll::roll;
pub(super) use show::show;
