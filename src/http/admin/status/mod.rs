//! `/status`

mod show;

pub(super) use show::show;
