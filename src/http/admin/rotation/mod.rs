//! `/rotation`: what is due.

mod calendar;
mod due;

pub(super) use calendar::calendar;
pub(super) use due::due;
