//! `/orgs/{org}/credentials`

mod list;
mod set;
mod show;
mod test;

pub(super) use list::list;
pub(super) use set::set;
pub(super) use show::show;
pub(super) use test::test;
