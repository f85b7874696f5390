//! An appointment's record.

use serde::Serialize;
use serde_json::{Map, Value};

/// Where an appointment stands, in the upstream's codes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum Status {
    /// Booked.
    #[default]
    #[serde(rename = "BK")]
    Booked,
    /// Completed, with a prescription.
    #[serde(rename = "CM")]
    Completed,
    /// Cancelled.
    #[serde(rename = "CN")]
    Cancelled,
}

/// An appointment as the list shows it; the skipped fields are shown in its details only.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Appointment {
    pub appointment_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner_appointment_id: Option<String>,
    pub created_at: i64,
    pub doctor_id: String,
    pub clinic_id: String,
    pub patient_id: String,
    pub channel: &'static str,
    pub status: Status,
    /// `in_clinic` or `tele`.
    pub mode: &'static str,
    pub start_time: i64,
    pub end_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prescription_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prescription_url: Option<String>,
    pub partner_doctor_id: String,
    pub partner_clinic_id: String,
    pub partner_patient_id: String,
    #[serde(skip)]
    pub extra: Map<String, Value>,
}

impl Appointment {
    /// The partner's identifiers name the workspace.
    pub fn set_partners(&mut self, client_id: &str) {
        self.partner_doctor_id = format!("{}.{client_id}", self.doctor_id);
        self.partner_clinic_id = format!("{}.{client_id}", self.clinic_id);
        self.partner_patient_id = format!("{}.{client_id}", self.patient_id);
    }
}

/// How answers spell the mode that a booking asks for.
pub fn mode_of(asked: &str) -> Option<&'static str> {
    match asked {
        "INCLINIC" => Some("in_clinic"),
        "PHONE" | "VIDEO" => Some("tele"),
        _ => None,
    }
}
