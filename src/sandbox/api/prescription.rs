//! Prescriptions; an unknown one is an empty 404, as documented.

use axum::response::Response;
use serde_json::{Value, json};

use super::Call;
use super::practice;
use crate::sandbox::answer;
use crate::sandbox::refusal::Refusal;

pub fn get(call: &Call<'_>) -> Result<Response, Refusal> {
    let records = call.workspace.records();
    let wanted = Some(call.id());
    let missing = Refusal::NotFound("Rx id/Business data missing");
    let appointment = records
        .appointments
        .values()
        .find(|appointment| appointment.prescription_id.as_deref() == wanted)
        .ok_or(missing)?;
    let doctor = call.workspace.practice.doctor(&appointment.doctor_id);
    let patient = records.patients.get(&appointment.patient_id);
    Ok(answer::ok(&json!({
        "prescription_id": appointment.prescription_id,
        "doctor_id": appointment.doctor_id,
        "partner_doctor_id": appointment.partner_doctor_id,
        "doctor_name": doctor.map(practice::name),
        "patient_name": patient.map(|patient| &patient.full_name),
        "patient_id": appointment.patient_id,
        "partner_patient_id": appointment.partner_patient_id,
        "appointment_id": appointment.appointment_id,
        "partner_appointment_id": appointment.partner_appointment_id,
        "clinic_id": appointment.clinic_id,
        "partner_clinic_id": appointment.partner_clinic_id,
        "prescription_details": resources(&call.workspace.client_id),
    })))
}

fn resources(client_id: &str) -> Value {
    json!([
        {
            "resource_type": "condition",
            "condition": {"code": "0", "display": "Synthetic condition"},
            "note": [],
            "severity": null,
            "onset": null,
            "clinical_status": {"code": "active", "display": "active"},
            "verification_status": {"code": "confirmed", "display": "confirmed"},
        },
        {
            "resource_type": "advices",
            "advices": format!("Synthetic advice of {client_id}"),
            "status": "active",
            "intent": "plan",
        },
        {
            "resource_type": "medicationrequest",
            "drug_status": "active",
            "med_name": "Placebo Example 40 Tablet",
            "dose": {"id": "du-0", "value": 1.0, "unit": "tablet", "custom": "1.0 tablet"},
            "duration": {"unit": "wk", "value": 2, "custom": "2 wk"},
            "dosage_instruction": {"custom": "1-0-1", "when": ["MORN", "NIGHT"]},
            "note": "Take with water",
        },
    ])
}
