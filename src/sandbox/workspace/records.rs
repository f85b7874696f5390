//! The changing part of a workspace: its patients and appointments, bounded in number.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::appointment::{Appointment, Status};
use super::patient::{BLOOD_GROUPS, Patient};
use super::seed::Seed;
use crate::sandbox::ist;
use crate::sandbox::refusal::Refusal;

const PATIENTS: u64 = 12;
const FIRST_OID: u64 = 1_700_000_000_000;
const FIRST_APPOINTMENT: u64 = 3000;
/// When the first patient was created; the others follow a day apart.
const FIRST_CREATED: i64 = 1_700_000_000;

/// Day (from today), minute, doctor, clinic, patient and status of the generated appointments.
const APPOINTMENTS: [(i64, i64, &str, &str, u64, Status); 8] = [
    (-4, 540, "D1001", "C2001", 1, Status::Completed),
    (-3, 570, "D1002", "C2001", 2, Status::Completed),
    (-2, 600, "D1003", "C2002", 3, Status::Completed),
    (-1, 660, "D1001", "C2002", 1, Status::Completed),
    (0, 690, "D1001", "C2001", 4, Status::Cancelled),
    (1, 720, "D1001", "C2001", 1, Status::Booked),
    (2, 750, "D1002", "C2001", 2, Status::Booked),
    (3, 1080, "D1003", "C2002", 3, Status::Booked),
];

/// Patients and appointments of one workspace.
pub struct Records {
    pub patients: BTreeMap<String, Patient>,
    pub appointments: BTreeMap<String, Appointment>,
    /// The start of every slot that is booked, per doctor.
    booked: BTreeMap<String, BTreeSet<i64>>,
    client_id: String,
    max: usize,
}

impl Records {
    pub fn generate(client_id: &str, seed: &mut Seed, now: Timestamp, max: usize) -> Self {
        let mut records = Self {
            patients: BTreeMap::new(),
            appointments: BTreeMap::new(),
            booked: BTreeMap::new(),
            client_id: client_id.to_owned(),
            max,
        };
        for number in 1..=PATIENTS {
            let patient = patient(client_id, number, seed);
            records.patients.insert(patient.oid.clone(), patient);
        }
        for number in 1..=APPOINTMENTS.len() as u64 {
            records.generate_appointment(number, now);
        }
        records
    }

    /// Adds a patient, who gets the next free identifier.
    pub fn add_patient(&mut self, mut patient: Patient, now: Timestamp) -> Result<String, Refusal> {
        if self.patients.len() >= self.max {
            return Err(Refusal::Full);
        }
        let oid = (FIRST_OID + self.patients.len() as u64 + 1).to_string();
        patient.oid.clone_from(&oid);
        patient.wid = format!("B-{}", self.client_id);
        patient.ps = "P";
        patient.c_ate = now.as_second();
        patient
            .extras
            .insert("workspace".to_owned(), Value::from(self.client_id.as_str()));
        self.patients.insert(oid.clone(), patient);
        Ok(oid)
    }

    /// Adds an appointment, which gets the next free identifier and takes its slot.
    pub fn book(&mut self, mut appointment: Appointment) -> Result<String, Refusal> {
        if self.appointments.len() >= self.max {
            return Err(Refusal::Full);
        }
        if self.is_booked(&appointment.doctor_id, appointment.start_time) {
            return Err(Refusal::SlotTaken);
        }
        let number = FIRST_APPOINTMENT + self.appointments.len() as u64 + 1;
        let id = format!("A{number}");
        appointment.appointment_id.clone_from(&id);
        appointment.set_partners(&self.client_id);
        if appointment.status != Status::Cancelled {
            self.take_slot(&appointment.doctor_id, appointment.start_time);
        }
        self.appointments.insert(id.clone(), appointment);
        Ok(id)
    }

    /// An appointment by its own identifier, or by the partner's.
    pub fn find(&self, id: &str, by_partner: bool) -> Option<&Appointment> {
        if by_partner {
            let wanted = Some(id);
            return self
                .appointments
                .values()
                .find(|appointment| appointment.partner_appointment_id.as_deref() == wanted);
        }
        self.appointments.get(id)
    }

    pub fn is_booked(&self, doctor_id: &str, start: i64) -> bool {
        self.booked
            .get(doctor_id)
            .is_some_and(|starts| starts.contains(&start))
    }

    pub fn take_slot(&mut self, doctor_id: &str, start: i64) {
        self.booked
            .entry(doctor_id.to_owned())
            .or_default()
            .insert(start);
    }

    pub fn free_slot(&mut self, doctor_id: &str, start: i64) {
        if let Some(starts) = self.booked.get_mut(doctor_id) {
            starts.remove(&start);
        }
    }

    fn generate_appointment(&mut self, number: u64, now: Timestamp) {
        let place = usize::try_from(number - 1).unwrap_or_default();
        let Some(&(day, minute, doctor, clinic, patient, status)) = APPOINTMENTS.get(place) else {
            return;
        };
        let start = ist::midnight_before(now.as_second()) + day * ist::DAY + minute * 60;
        let prescription_id = (status == Status::Completed).then(|| format!("P{}", 4000 + number));
        let url =
            |id: &String| format!("https://prescriptions.invalid/{}/{id}.pdf", self.client_id);
        // With at least a place for each of the generated ones, booking cannot fail.
        let _ = self.book(Appointment {
            partner_appointment_id: Some(format!("PA{}", FIRST_APPOINTMENT + number)),
            created_at: start - 7 * ist::DAY,
            doctor_id: doctor.to_owned(),
            clinic_id: clinic.to_owned(),
            patient_id: (FIRST_OID + patient).to_string(),
            channel: "Walkin",
            status,
            mode: if minute < 1020 { "in_clinic" } else { "tele" },
            start_time: start,
            end_time: start + 1800,
            prescription_url: prescription_id.as_ref().map(url),
            prescription_id,
            ..Appointment::default()
        });
    }
}

/// The last two patients share a mobile number, as families do.
fn patient(client_id: &str, number: u64, seed: &mut Seed) -> Patient {
    let (first, last) = seed.name();
    let created = FIRST_CREATED + ist::DAY * i64::try_from(number).unwrap_or_default();
    Patient {
        oid: (FIRST_OID + number).to_string(),
        wid: format!("B-{client_id}"),
        ps: "P",
        c_ate: created,
        u_ate: created,
        gender: seed.pick(&["M", "F", "O"]).to_owned(),
        dob: format!(
            "{}-{:02}-{:02}",
            1950 + seed.below(60),
            1 + seed.below(12),
            1 + seed.below(28)
        ),
        is_age: false,
        first_name: first.to_owned(),
        middle_name: None,
        last_name: Some(last.to_owned()),
        full_name: format!("{first} {last}"),
        blood_group: Some(seed.pick(&BLOOD_GROUPS).to_owned()),
        mobile: Some(format!("90000000{:02}", number.min(PATIENTS - 1))),
        country_code: Some("+91".to_owned()),
        email: Some(format!("patient{number}@{client_id}.invalid").to_lowercase()),
        username: Some(format!("UH{number:04}.{client_id}")),
        salutation: None,
        abha: None,
        archived: false,
        extras: Map::from_iter([("workspace".to_owned(), Value::from(client_id))]),
    }
}
