//! The unchanging part of a workspace: the business, its clinics, doctors and their services.

use super::seed::Seed;

const SPECIALITIES: [&str; 6] = [
    "General Physician",
    "Cardiologist",
    "Dermatologist",
    "Paediatrician",
    "Orthopaedist",
    "Endocrinologist",
];
const CITIES: [(&str, &str, &str); 3] = [
    ("Bangalore", "Karnataka", "560048"),
    ("Delhi", "Delhi", "110085"),
    ("Pune", "Maharashtra", "411001"),
];
const STREETS: [&str; 4] = ["Example Road", "Sample Street", "Mock Lane", "Demo Avenue"];

/// Doctors with the clinics they work at.
const DOCTORS: [(&str, &[&str]); 3] = [
    ("D1001", &["C2001", "C2002"]),
    ("D1002", &["C2001"]),
    ("D1003", &["C2002"]),
];
const CLINICS: [&str; 2] = ["C2001", "C2002"];

/// What a doctor offers; each kind has its own hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Consultation,
    Teleconsultation,
}

impl Service {
    pub const ALL: [Self; 2] = [Self::Consultation, Self::Teleconsultation];

    pub fn name(self) -> &'static str {
        match self {
            Self::Consultation => "consultation",
            Self::Teleconsultation => "teleconsultation",
        }
    }

    /// The mode as services spell it.
    pub fn mode(self) -> &'static str {
        match self {
            Self::Consultation => "in-clinic",
            Self::Teleconsultation => "tele",
        }
    }
}

pub struct Doctor {
    pub id: &'static str,
    pub first_name: &'static str,
    pub last_name: &'static str,
    pub major_speciality: &'static str,
    pub speciality: &'static str,
    pub price: u64,
    pub clinics: &'static [&'static str],
}

pub struct Clinic {
    pub id: &'static str,
    pub name: String,
    pub line1: String,
    pub city: &'static str,
    pub state: &'static str,
    pub pincode: &'static str,
}

/// A business with its doctors and clinics.
pub struct Practice {
    pub business_id: String,
    pub business_name: String,
    pub doctors: Vec<Doctor>,
    pub clinics: Vec<Clinic>,
}

impl Practice {
    pub fn generate(client_id: &str, seed: &mut Seed) -> Self {
        Self {
            business_id: format!("B-{client_id}"),
            business_name: format!("Synthetic Health {client_id}"),
            doctors: DOCTORS
                .iter()
                .map(|(id, clinics)| doctor(id, clinics, seed))
                .collect(),
            clinics: CLINICS
                .iter()
                .map(|id| clinic(id, client_id, seed))
                .collect(),
        }
    }

    pub fn doctor(&self, id: &str) -> Option<&Doctor> {
        self.doctors.iter().find(|doctor| doctor.id == id)
    }

    pub fn clinic(&self, id: &str) -> Option<&Clinic> {
        self.clinics.iter().find(|clinic| clinic.id == id)
    }

    /// The identifier of a service's configuration, which names the workspace.
    pub fn conf_id(&self, doctor: &Doctor, service: Service) -> String {
        format!("{}.{}.{}", self.business_id, doctor.id, service.name())
    }
}

fn doctor(id: &'static str, clinics: &'static [&'static str], seed: &mut Seed) -> Doctor {
    let (first_name, last_name) = seed.name();
    Doctor {
        id,
        first_name,
        last_name,
        major_speciality: seed.pick(&SPECIALITIES),
        speciality: seed.pick(&SPECIALITIES),
        price: 300 + 50 * seed.below(10),
        clinics,
    }
}

fn clinic(id: &'static str, client_id: &str, seed: &mut Seed) -> Clinic {
    let place = usize::try_from(seed.below(CITIES.len() as u64)).unwrap_or_default();
    let (city, state, pincode) = CITIES.get(place).copied().unwrap_or(("", "", ""));
    let street = seed.pick(&STREETS);
    Clinic {
        id,
        name: format!("{city} Example Clinic of {client_id}"),
        line1: format!("{}, {street}", 1 + seed.below(200)),
        city,
        state,
        pincode,
    }
}
