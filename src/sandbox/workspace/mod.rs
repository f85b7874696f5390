//! The data of one client id: a workspace, generated from the client id when it is first used.

mod appointment;
mod lab;
mod patient;
mod practice;
mod records;
mod registry;
mod seed;
mod slots;

pub use appointment::{Appointment, Status, mode_of};
pub use lab::{Lab, Order, Progress, TESTS};
pub use patient::Patient;
pub use practice::{Clinic, Doctor, Practice, Service};
pub use records::Records;
pub use registry::{Workspace, Workspaces};
pub use slots::{slots_from, starts_slot};
