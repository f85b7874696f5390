//! The API proper: what an authenticated request does to its workspace.

mod abha;
mod appointments;
mod book;
mod lab;
mod patients;
mod practice;
mod prescription;
mod slots;

use axum::response::Response;
use jiff::Timestamp;

use super::endpoint::Endpoint;
use super::refusal::Refusal;
use super::request::Incoming;
use super::workspace::Workspace;

/// An authenticated request with the workspace that it may touch.
pub struct Call<'a> {
    pub workspace: &'a Workspace,
    pub incoming: &'a Incoming,
    pub now: Timestamp,
}

impl Call<'_> {
    /// The first identifier of the path.
    fn id(&self) -> &str {
        self.nth_id(0)
    }

    fn nth_id(&self, place: usize) -> &str {
        self.incoming
            .route
            .ids
            .get(place)
            .map(String::as_str)
            .unwrap_or_default()
    }
}

/// Answers an authenticated request.
pub fn answer(call: &Call<'_>) -> Result<Response, Refusal> {
    match call.incoming.route.endpoint {
        Endpoint::PatientCreate => patients::create(call),
        Endpoint::PatientList => patients::list(call),
        Endpoint::PatientSearch => patients::search(call),
        Endpoint::PatientByMobile => patients::by_mobile(call),
        Endpoint::PatientGet => patients::get(call),
        Endpoint::PatientUpdate => patients::update(call),
        Endpoint::PatientArchive => patients::archive(call),
        Endpoint::Entities => Ok(practice::entities(call)),
        Endpoint::Clinic => practice::clinic(call),
        Endpoint::Doctor => practice::doctor(call),
        Endpoint::DoctorServices => practice::services(call),
        Endpoint::Slots => slots::list(call),
        Endpoint::AppointmentList => appointments::list(call),
        Endpoint::AppointmentBook => book::book(call),
        Endpoint::AppointmentGet => appointments::get(call),
        Endpoint::AppointmentUpdate => book::update(call),
        Endpoint::AppointmentComplete => appointments::complete(call),
        Endpoint::AppointmentCancel => appointments::cancel(call),
        Endpoint::Prescription => prescription::get(call),
        Endpoint::AbhaSendOtp => abha::send_otp(call),
        Endpoint::AbhaVerifyOtp => abha::verify_otp(call),
        Endpoint::AbhaSelect => abha::select(call),
        Endpoint::AbhaCard => abha::card(call),
        Endpoint::LabAccount => Ok(lab::account(call)),
        Endpoint::LabTests => Ok(lab::tests()),
        Endpoint::LabOrders => lab::list(call),
        Endpoint::LabOrder => lab::get(call),
        Endpoint::LabOrderCreate => lab::create(call),
        Endpoint::LabOrderCancel => lab::cancel(call),
        Endpoint::LabReport => lab::report(call),
        Endpoint::Login
        | Endpoint::QuickLogin
        | Endpoint::Refresh
        | Endpoint::LabToken
        | Endpoint::Unknown => Err(Refusal::NotFound("There is nothing at this path")),
    }
}
