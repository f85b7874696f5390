//! Business, clinics, doctors and their services.

use axum::response::Response;
use serde_json::{Value, json};

use super::Call;
use crate::sandbox::answer;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::workspace::{Clinic, Doctor, Practice, Service};

const NO_CLINIC: Refusal = Refusal::NotFound("The specified clinic_id does not exist");
/// The upstream's words, spelling included.
const NO_DOCTOR: Refusal =
    Refusal::NotFound("You are not authorized to view requisted resource Doctor");

pub fn entities(call: &Call<'_>) -> Response {
    let practice = &call.workspace.practice;
    let clinics: Vec<Value> = practice
        .clinics
        .iter()
        .map(|one| entry(practice, one))
        .collect();
    let doctors: Vec<Value> = practice
        .doctors
        .iter()
        .map(|doctor| json!({"name": name(doctor), "doctor_id": doctor.id, "pic": pic(call, doctor)}))
        .collect();
    answer::ok(&json!({
        "status_code": 200,
        "success": true,
        "data": {
            "clinics": clinics,
            "doctors": doctors,
            "business": {"business_id": practice.business_id, "name": practice.business_name},
        },
    }))
}

pub fn clinic(call: &Call<'_>) -> Result<Response, Refusal> {
    let clinic = call.workspace.practice.clinic(call.id()).ok_or(NO_CLINIC)?;
    Ok(answer::ok(&json!({
        "success": true,
        "data": {"clinic": {
            "clinic_id": clinic.id,
            "name": clinic.name,
            "address": {
                "city": clinic.city,
                "country": "India",
                "lat": "20.0000000",
                "line1": clinic.line1,
                "lon": "77.0000000",
                "pincode": clinic.pincode,
                "state": clinic.state,
            },
        }},
    })))
}

pub fn doctor(call: &Call<'_>) -> Result<Response, Refusal> {
    let practice = &call.workspace.practice;
    let doctor = practice.doctor(call.id()).ok_or(NO_DOCTOR)?;
    Ok(answer::ok(&json!({
        "id": doctor.id,
        "profile": {"personal": personal(call, doctor), "professional": professional(call, doctor)},
    })))
}

pub fn services(call: &Call<'_>) -> Result<Response, Refusal> {
    let practice = &call.workspace.practice;
    let missing = Refusal::NotFound("The specified doctor_id does not exist");
    let doctor = practice.doctor(call.id()).ok_or(missing)?;
    let service = |service: Service| {
        json!({
            "appointment_type": "REGULAR",
            "archive": false,
            "book_ahead_days": 30,
            "created_at": 1_700_000_000,
            "currency": "INR",
            "duration": 30,
            "mode": [service.mode()],
            "pre_pay": false,
            "price": doctor.price,
            "service_name": service.name(),
            "conf_id": practice.conf_id(doctor, service),
        })
    };
    Ok(answer::ok(
        &json!({"data": {"services": Service::ALL.map(service)}}),
    ))
}

/// `Dr. Asha Example`.
pub fn name(doctor: &Doctor) -> String {
    format!("Dr. {} {}", doctor.first_name, doctor.last_name)
}

fn entry(practice: &Practice, clinic: &Clinic) -> Value {
    let works_here = |doctor: &&Doctor| doctor.clinics.contains(&clinic.id);
    let doctors: Vec<&str> = practice
        .doctors
        .iter()
        .filter(works_here)
        .map(|doctor| doctor.id)
        .collect();
    json!({"clinic_id": clinic.id, "name": clinic.name, "doctors": doctors})
}

fn pic(call: &Call<'_>, doctor: &Doctor) -> String {
    format!(
        "https://avatars.invalid/{}/{}",
        call.workspace.client_id, doctor.id
    )
}

fn personal(call: &Call<'_>, doctor: &Doctor) -> Value {
    json!({
        "salutation": "Dr.",
        "first_name": doctor.first_name,
        "middle_name": "",
        "last_name": doctor.last_name,
        "dob": "1970-01-01",
        "gender": "O",
        "pic": pic(call, doctor),
    })
}

fn professional(call: &Call<'_>, doctor: &Doctor) -> Value {
    let practice = &call.workspace.practice;
    let client_id = &call.workspace.client_id;
    let clinics: Vec<Value> = doctor
        .clinics
        .iter()
        .filter_map(|id| practice.clinic(id))
        .map(workplace)
        .collect();
    json!({
        "active": true,
        "username": format!("{}.{client_id}", doctor.id),
        "about": format!("{} is a synthetic doctor of {client_id}.", name(doctor)),
        "language": [{"code": "en", "language": "English"}, {"code": "hi", "language": "Hindi"}],
        "degree": [{
            "name": "MBBS", "branch_name": "", "college_name": "", "start_year": "", "end_year": "",
        }],
        "major_speciality": {"name": doctor.major_speciality, "code": ""},
        "speciality": [{"name": doctor.major_speciality}, {"name": doctor.speciality}],
        "clinics": clinics,
        "default_clinic": doctor.clinics.first(),
    })
}

fn workplace(clinic: &Clinic) -> Value {
    json!({
        "id": clinic.id,
        "name": clinic.name,
        "contacts": [{"name": "Phone", "number": "+919000000000"}],
        "address": {
            "line1": clinic.line1,
            "city": clinic.city,
            "country": "India",
            "state": clinic.state,
            "pin": clinic.pincode,
        },
    })
}
