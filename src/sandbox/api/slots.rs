//! Free and taken slots of a doctor at a clinic.

use axum::response::Response;
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde_json::{Map, Value, json};

use super::Call;
use crate::sandbox::answer;
use crate::sandbox::ist;
use crate::sandbox::query::parse_date;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::workspace::{Doctor, Practice, Service, slots_from};

const MAX_DAYS: i64 = 31;

/// The slots that start within the range; none where the doctor does not work.
pub fn list(call: &Call<'_>) -> Result<Response, Refusal> {
    let (first, last) = range(call)?;
    let practice = &call.workspace.practice;
    let no_doctor = Refusal::NotFound("Doctor not found. Please check the provided doctor ID.");
    let no_clinic = Refusal::NotFound("Clinic not found. Please check the provided clinic ID.");
    let doctor = practice.doctor(call.id()).ok_or(no_doctor)?;
    let clinic = practice.clinic(call.nth_id(1)).ok_or(no_clinic)?;
    let mut schedule = Map::new();
    let mut services = Map::new();
    if doctor.clinics.contains(&clinic.id) {
        let offers = Service::ALL.map(|service| offer(call, doctor, service, first, last));
        schedule.insert(clinic.id.to_owned(), json!(offers));
        for service in Service::ALL {
            let terms = terms(practice, doctor, service);
            services.insert(practice.conf_id(doctor, service), terms);
        }
    }
    Ok(answer::ok(&json!({
        "data": {"schedule": schedule, "services": services},
        "success": "true",
        "status_code": 200,
    })))
}

fn offer(call: &Call<'_>, doctor: &Doctor, service: Service, first: i64, last: i64) -> Value {
    let conf_id = call.workspace.practice.conf_id(doctor, service);
    let records = call.workspace.records();
    let slots: Vec<Value> = slots_from(first, last)
        .filter(|slot| slot.service == service)
        .map(|slot| {
            let available = slot.open && !records.is_booked(doctor.id, slot.start);
            json!({
                "available": available,
                "conf_id": conf_id,
                "e": ist::format(slot.end()),
                "s": ist::format(slot.start),
            })
        })
        .collect();
    json!({"service_type": service.name(), "slots": slots})
}

fn terms(practice: &Practice, doctor: &Doctor, service: Service) -> Value {
    json!({
        "allow_patient_booking": true,
        "appointment_type": "REGULAR",
        "conf_id": practice.conf_id(doctor, service),
        "conv_fee": 0,
        "currency": "INR",
        "discount": 0,
        "mode": [service.mode()],
        "owner_id": practice.business_id,
        "post_pay": false,
        "pre_pay": false,
        "price": doctor.price,
        "service_id": 1,
        "service_name": service.name(),
    })
}

/// First and last second of the range.
fn range(call: &Call<'_>) -> Result<(i64, i64), Refusal> {
    let query = &call.incoming.query;
    let first = bound("start_date", query.required("start_date")?, 0)?;
    let last = bound("end_date", query.required("end_date")?, ist::DAY - 1)?;
    if last < first {
        return Err(Refusal::field("end_date", "cannot be before start_date"));
    }
    if last - first > MAX_DAYS * ist::DAY {
        return Err(Refusal::field(
            "end_date",
            "is more than 31 days after start_date",
        ));
    }
    Ok((first, last))
}

/// A day stands for its first or last second; a date-time without an offset is Indian time.
fn bound(name: &str, value: &str, into_day: i64) -> Result<i64, Refusal> {
    if let Some(date) = parse_date(value) {
        return Ok(ist::midnight_of(date) + into_day);
    }
    if let Ok(instant) = value.parse::<Timestamp>() {
        return Ok(instant.as_second());
    }
    let local = value
        .parse::<DateTime>()
        .ok()
        .filter(|_| value.contains('T'));
    local
        .map(ist::epoch_of)
        .ok_or_else(|| Refusal::field(name, "must be a date or a date-time"))
}
