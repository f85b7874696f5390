//! `/orgs/{org}/credentials`

mod list;
mod remove;
mod revoke;
mod set;
mod show;
mod test;

pub(super) use list::list;
pub(super) use remove::remove;
pub(super) use revoke::revoke;
pub(super) use set::{NewVersion, set};
pub(super) use show::show;
pub(super) use test::test;
