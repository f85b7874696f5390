//! `/orgs`

mod change;
mod create;
mod list;
mod remove;
mod show;

pub(super) use change::change;
pub(super) use create::create;
pub(super) use list::list;
pub(super) use remove::remove;
pub(super) use show::show;
