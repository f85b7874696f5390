//! Appointments: listing, reading, completing, cancelling.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::Call;
use crate::sandbox::answer;
use crate::sandbox::ist;
use crate::sandbox::query::Query;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::workspace::{Appointment, Records, Service, Status};

const COMBINATIONS: &str = "You must provide one of the valid filter combinations";
/// First and last day included: the documented reading that is sure to be right.
const MAX_DAYS: i64 = 7;

pub const MISSING: Refusal = Refusal::NotFound("The specified appointment ID does not exist");

/// The documented combinations of filters and the page length that comes with each.
enum Filter<'a> {
    Patient(&'a str),
    Days {
        doctor: Option<&'a str>,
        clinic: Option<&'a str>,
        first: i64,
        last: i64,
    },
}

impl<'a> Filter<'a> {
    fn read(query: &'a Query) -> Result<Self, Refusal> {
        let (doctor, clinic) = (query.get("doctor_id"), query.get("clinic_id"));
        let days = (query.date("start_date")?, query.date("end_date")?);
        match (query.get("patient_id"), days) {
            (Some(patient), (None, None)) if doctor.is_none() && clinic.is_none() => {
                Ok(Self::Patient(patient))
            }
            (Some(_), _) => Err(Refusal::field(
                "patient_id",
                "cannot be combined with any other filter",
            )),
            (None, (Some(start), Some(end))) => {
                let (first, last) = (ist::midnight_of(start), ist::midnight_of(end));
                if last < first {
                    return Err(Refusal::field("end_date", "cannot be before start_date"));
                }
                if last - first >= MAX_DAYS * ist::DAY {
                    return Err(Refusal::field(
                        "end_date",
                        "makes the range longer than 7 days",
                    ));
                }
                Ok(Self::Days {
                    doctor,
                    clinic,
                    first,
                    last: last + ist::DAY - 1,
                })
            }
            _ => Err(Refusal::Invalid(COMBINATIONS.to_owned())),
        }
    }

    fn page_length(&self) -> usize {
        match self {
            Self::Patient(_) => 20,
            Self::Days {
                doctor: None,
                clinic: None,
                ..
            } => 30,
            Self::Days { .. } => 50,
        }
    }

    fn fits(&self, appointment: &Appointment) -> bool {
        match self {
            Self::Patient(id) => appointment.patient_id == *id,
            Self::Days {
                doctor,
                clinic,
                first,
                last,
            } => {
                (*first..=*last).contains(&appointment.start_time)
                    && doctor.is_none_or(|id| appointment.doctor_id == id)
                    && clinic.is_none_or(|id| appointment.clinic_id == id)
            }
        }
    }
}

/// One page; `page_no` counts from 0 and is no filter, so it may go with `patient_id`.
pub fn list(call: &Call<'_>) -> Result<Response, Refusal> {
    let query = &call.incoming.query;
    let filter = Filter::read(query)?;
    let page = query.integer("page_no", 0..=1_000_000)?.unwrap_or(0);
    let length = filter.page_length();
    let records = call.workspace.records();
    let appointments: Vec<&Appointment> = records
        .appointments
        .values()
        .filter(|appointment| filter.fits(appointment))
        .skip(
            usize::try_from(page)
                .unwrap_or_default()
                .saturating_mul(length),
        )
        .take(length)
        .collect();
    Ok(answer::ok(&json!({"appointments": appointments})))
}

/// The details say more than the list does.
pub fn get(call: &Call<'_>) -> Result<Response, Refusal> {
    let records = call.workspace.records();
    let missing =
        Refusal::NotFound("Appointment not found. Please check the provided appointment ID.");
    let appointment = found(call, &records).ok_or(missing)?;
    let mut details = json!(appointment);
    if let Some(fields) = details.as_object_mut() {
        fields.insert("payment".to_owned(), payment());
        fields.insert("service".to_owned(), service(call, appointment));
        fields.insert("custom_attributes".to_owned(), json!({}));
        fields.insert("partner_meta".to_owned(), json!({}));
        fields.extend(appointment.extra.clone());
    }
    Ok(answer::ok(&details))
}

/// 204; a booked appointment only.
pub fn complete(call: &Call<'_>) -> Result<Response, Refusal> {
    let refusal = Refusal::NotAllowed {
        code: "COMPLETE_NOT_ALLOWED",
        message: "Only a booked appointment can be completed",
    };
    end(call, Status::Completed, refusal)
}

/// 204; a booked appointment only, whose slot is free again.
pub fn cancel(call: &Call<'_>) -> Result<Response, Refusal> {
    let refusal = Refusal::NotAllowed {
        code: "CANCEL_NOT_ALLOWED",
        message: "Only a booked appointment can be cancelled",
    };
    end(call, Status::Cancelled, refusal)
}

fn end(call: &Call<'_>, status: Status, refusal: Refusal) -> Result<Response, Refusal> {
    call.incoming.optional_object()?;
    let mut records = call.workspace.records();
    let mut appointment = found(call, &records).ok_or(MISSING)?.clone();
    if appointment.status != Status::Booked {
        return Err(refusal);
    }
    appointment.status = status;
    if status == Status::Cancelled {
        records.free_slot(&appointment.doctor_id, appointment.start_time);
    }
    records
        .appointments
        .insert(appointment.appointment_id.clone(), appointment);
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// The appointment of the path: with `partner_id=1`, the path holds the partner's identifier.
pub fn found<'a>(call: &Call<'_>, records: &'a Records) -> Option<&'a Appointment> {
    let by_partner = call.incoming.query.get("partner_id") == Some("1");
    records.find(call.id(), by_partner)
}

fn payment() -> Value {
    json!({"payment_id": null, "payment_status": null, "amount": null})
}

fn service(call: &Call<'_>, appointment: &Appointment) -> Value {
    let (service, mode) = match appointment.mode {
        "tele" => (Service::Teleconsultation, "VIDEO"),
        _ => (Service::Consultation, "INCLINIC"),
    };
    let doctor = call.workspace.practice.doctor(&appointment.doctor_id);
    json!({
        "created_at": appointment.created_at,
        "mode": [mode],
        "price": doctor.map(|doctor| doctor.price),
        "post_pay": false,
        "service_name": service.name(),
        "book_ahead_days": 30,
        "appointment_type": "REGULAR",
        "allow_patient_booking": true,
    })
}
