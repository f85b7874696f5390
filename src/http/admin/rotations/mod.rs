//! `/orgs/{org}/credentials/{env}/{provider}/rotations`: a change in steps.

mod cancel;
mod promote;
mod rollback;
mod show;
mod start;
mod verify;

pub(super) use cancel::cancel;
pub(super) use promote::promote;
pub(super) use rollback::rollback;
pub(super) use show::show;
pub(super) use start::start;
pub(super) use verify::verify;
