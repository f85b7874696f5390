//! Booking an appointment, and changing one.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Call;
use super::appointments::{MISSING, found};
use crate::sandbox::answer;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::request::{optional_integer, optional_text, text};
use crate::sandbox::workspace::{Appointment, Records, Status, mode_of, starts_slot};

/// Fields that are kept as they come and shown in the appointment's details.
const KEPT: [&str; 5] = [
    "custom_attributes",
    "partner_meta",
    "notes",
    "token",
    "display_meta",
];

/// 201 with the new appointment's identifier; 409 where the slot is taken.
pub fn book(call: &Call<'_>) -> Result<Response, Refusal> {
    let body = call.incoming.object()?;
    let mut records = call.workspace.records();
    let appointment = requested(call, body, &records)?;
    let id = records.book(appointment)?;
    Ok(answer::json(
        StatusCode::CREATED,
        &json!({"appointment_id": id}),
    ))
}

/// The appointment that a booking asks for, without its identifiers.
fn requested(
    call: &Call<'_>,
    body: &Map<String, Value>,
    records: &Records,
) -> Result<Appointment, Refusal> {
    let practice = &call.workspace.practice;
    let details = details(body)?.ok_or_else(|| missing("appointment_details"))?;
    let start_time = optional_integer(details, "start_time")?
        .ok_or_else(|| missing("appointment_details.start_time"))?;
    let end_of_slot = check_slot(start_time)?;
    let doctor_id = known(body, "doctor_id", |id| practice.doctor(id).is_some())?;
    let doctor = practice.doctor(&doctor_id);
    let works_at = |id: &str| doctor.is_some_and(|doctor| doctor.clinics.contains(&id));
    let mut extra = kept(body);
    extra.extend(kept(details));
    Ok(Appointment {
        partner_appointment_id: optional_text(body, "partner_appointment_id")?.map(str::to_owned),
        created_at: call.now.as_second(),
        clinic_id: known(body, "clinic_id", works_at)?,
        patient_id: known(body, "patient_id", |id| records.patients.contains_key(id))?,
        doctor_id,
        channel: "API",
        mode: mode(details)?.unwrap_or("in_clinic"),
        start_time,
        end_time: optional_integer(details, "end_time")?.unwrap_or(end_of_slot),
        extra,
        ..Appointment::default()
    })
}

/// 204. Version 1 has the times at the top, version 2 in `appointment_details`; both are read.
pub fn update(call: &Call<'_>) -> Result<Response, Refusal> {
    let body = call.incoming.object()?;
    if call.incoming.path().starts_with("/dr/v2/") {
        check_owners(body)?;
    }
    let mut fields = body.clone();
    fields.extend(details(body)?.cloned().unwrap_or_default());
    let mut records = call.workspace.records();
    let mut appointment = found(call, &records).ok_or(MISSING)?.clone();
    if let Some(mode) = mode(&fields)? {
        appointment.mode = mode;
    }
    appointment.extra.extend(kept(&fields));
    reschedule(&mut records, &mut appointment, &fields)?;
    records
        .appointments
        .insert(appointment.appointment_id.clone(), appointment);
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Version 2 wants to be told whose appointment it is, in Eka's identifiers or the partner's.
fn check_owners(body: &Map<String, Value>) -> Result<(), Refusal> {
    let owners = ["clinic_id", "doctor_id", "patient_id"];
    let named = |prefix: &str| {
        let mut names = owners.iter().map(|name| format!("{prefix}{name}"));
        names.all(|name| text(body, &name).is_ok())
    };
    if named("") || named("partner_") {
        return Ok(());
    }
    let complaint = "clinic_id, doctor_id and patient_id are required, or the partner's three";
    Err(Refusal::Invalid(complaint.to_owned()))
}

/// Moves a booked appointment to another free slot.
fn reschedule(
    records: &mut Records,
    appointment: &mut Appointment,
    fields: &Map<String, Value>,
) -> Result<(), Refusal> {
    let start = optional_integer(fields, "start_time")?;
    let end = optional_integer(fields, "end_time")?;
    if let Some(start) = start.filter(|start| *start != appointment.start_time) {
        if appointment.status != Status::Booked {
            return Err(Refusal::field(
                "start_time",
                "cannot change after the appointment's end",
            ));
        }
        let default_end = check_slot(start)?;
        if records.is_booked(&appointment.doctor_id, start) {
            return Err(Refusal::SlotTaken);
        }
        records.free_slot(&appointment.doctor_id, appointment.start_time);
        records.take_slot(&appointment.doctor_id, start);
        appointment.start_time = start;
        appointment.end_time = default_end;
    }
    appointment.end_time = end.unwrap_or(appointment.end_time);
    Ok(())
}

/// The end of the slot that starts then.
fn check_slot(start: i64) -> Result<i64, Refusal> {
    match starts_slot(start) {
        None => Err(Refusal::field("start_time", "is not the start of a slot")),
        Some(slot) if !slot.open => Err(Refusal::SlotTaken),
        Some(slot) => Ok(slot.end()),
    }
}

fn details(body: &Map<String, Value>) -> Result<Option<&Map<String, Value>>, Refusal> {
    match body.get("appointment_details") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(details)) => Ok(Some(details)),
        Some(_) => Err(Refusal::field("appointment_details", "must be an object")),
    }
}

fn mode(fields: &Map<String, Value>) -> Result<Option<&'static str>, Refusal> {
    let Some(asked) = optional_text(fields, "mode")? else {
        return Ok(None);
    };
    let wrong = || Refusal::field("mode", "must be INCLINIC, PHONE or VIDEO");
    mode_of(asked).map(Some).ok_or_else(wrong)
}

fn kept(fields: &Map<String, Value>) -> Map<String, Value> {
    let kept = |name: &str| Some((name.to_owned(), fields.get(name)?.clone()));
    KEPT.into_iter().filter_map(kept).collect()
}

/// A required identifier of something that exists.
fn known(
    body: &Map<String, Value>,
    name: &str,
    exists: impl Fn(&str) -> bool,
) -> Result<String, Refusal> {
    let id = text(body, name)?;
    if exists(id) {
        Ok(id.to_owned())
    } else {
        Err(Refusal::field(name, "does not exist"))
    }
}

fn missing(name: &str) -> Refusal {
    Refusal::field(name, "is required")
}
