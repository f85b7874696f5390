//! Which endpoint a request names. A path is matched segment by segment before it is decoded, so
//! an encoded slash stays inside its segment, as it does at the real upstream.

use http::Method;
use serde::Serialize;

/// Everything that the simulator answers outside its control API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    Login,
    QuickLogin,
    Refresh,
    PatientCreate,
    PatientList,
    PatientSearch,
    PatientByMobile,
    PatientGet,
    PatientUpdate,
    PatientArchive,
    Entities,
    Clinic,
    Doctor,
    DoctorServices,
    Slots,
    AppointmentList,
    AppointmentBook,
    AppointmentGet,
    AppointmentUpdate,
    AppointmentComplete,
    AppointmentCancel,
    Prescription,
    AbhaSendOtp,
    AbhaVerifyOtp,
    AbhaSelect,
    AbhaCard,
    LabToken,
    LabAccount,
    LabTests,
    LabOrders,
    LabOrder,
    LabOrderCreate,
    LabOrderCancel,
    LabReport,
    Unknown,
}

impl Endpoint {
    /// The endpoints that hand out tokens.
    pub fn is_login(self) -> bool {
        matches!(
            self,
            Self::Login | Self::QuickLogin | Self::Refresh | Self::LabToken
        )
    }

    /// The endpoints of the health id, `/abdm/*`.
    pub fn is_abha(self) -> bool {
        (Self::AbhaSendOtp..=Self::AbhaCard).contains(&self)
    }

    /// The endpoints of the laboratory, `/lab/*`.
    pub fn is_lab(self) -> bool {
        (Self::LabToken..=Self::LabReport).contains(&self)
    }

    /// The endpoints of the patient directory, `/profiles/*`.
    pub fn is_profile(self) -> bool {
        (Self::PatientCreate..=Self::PatientArchive).contains(&self)
    }
}

/// An endpoint with the identifiers of its path, decoded, in the order of the path.
#[derive(Debug)]
pub struct Route {
    pub endpoint: Endpoint,
    pub ids: Vec<String>,
}

impl Route {
    pub fn find(method: &Method, path: &str) -> Self {
        let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
        let (area, rest) = segments.split_first().unwrap_or((&"", &[]));
        match *area {
            "connect-auth" | "api" => login(method, &segments),
            "profiles" => patient_directory(method, rest),
            "dr" => doctor_tool(method, rest),
            "abdm" => abha(method, rest),
            "lab" => laboratory(method, rest),
            _ => Self::unknown(),
        }
    }

    /// An empty identifier names nothing: `GET /profiles/v1/patient/` is not a patient.
    fn to(endpoint: Endpoint, ids: &[&str]) -> Self {
        if ids.contains(&"") {
            return Self::unknown();
        }
        Self {
            endpoint,
            ids: ids.iter().map(|id| decoded(id)).collect(),
        }
    }

    fn unknown() -> Self {
        Self {
            endpoint: Endpoint::Unknown,
            ids: Vec::new(),
        }
    }
}

fn login(method: &Method, segments: &[&str]) -> Route {
    match (method.as_str(), segments) {
        ("POST", ["connect-auth", "v1", "account", "login"]) => Route::to(Endpoint::Login, &[]),
        ("POST", ["connect-auth", "v1", "account", "refresh-token"]) => {
            Route::to(Endpoint::Refresh, &[])
        }
        ("POST", ["api", "v1", "auth", "token"]) => Route::to(Endpoint::QuickLogin, &[]),
        _ => Route::unknown(),
    }
}

fn abha(method: &Method, segments: &[&str]) -> Route {
    match (method.as_str(), segments) {
        ("POST", ["na", "v1", "profile", "login", "init"]) => Route::to(Endpoint::AbhaSendOtp, &[]),
        ("POST", ["na", "v1", "profile", "login", "verify"]) => {
            Route::to(Endpoint::AbhaVerifyOtp, &[])
        }
        ("POST", ["na", "v1", "profile", "login", "phr"]) => Route::to(Endpoint::AbhaSelect, &[]),
        ("GET", ["v1", "profile", "asset", "card"]) => Route::to(Endpoint::AbhaCard, &[]),
        _ => Route::unknown(),
    }
}

fn laboratory(method: &Method, segments: &[&str]) -> Route {
    match (method.as_str(), segments) {
        ("POST", ["oauth", "token"]) => Route::to(Endpoint::LabToken, &[]),
        ("GET", ["v1", "account"]) => Route::to(Endpoint::LabAccount, &[]),
        ("GET", ["v1", "tests"]) => Route::to(Endpoint::LabTests, &[]),
        ("GET", ["v1", "orders"]) => Route::to(Endpoint::LabOrders, &[]),
        ("POST", ["v1", "orders"]) => Route::to(Endpoint::LabOrderCreate, &[]),
        ("GET", ["v1", "orders", id]) => Route::to(Endpoint::LabOrder, &[id]),
        ("POST", ["v1", "orders", id, "cancel"]) => Route::to(Endpoint::LabOrderCancel, &[id]),
        ("GET", ["v1", "orders", id, "report"]) => Route::to(Endpoint::LabReport, &[id]),
        _ => Route::unknown(),
    }
}

fn patient_directory(method: &Method, segments: &[&str]) -> Route {
    match (method.as_str(), segments) {
        ("POST", ["v1", "patient", ""]) => Route::to(Endpoint::PatientCreate, &[]),
        ("GET", ["v1", "patient", "minified", ""]) => Route::to(Endpoint::PatientList, &[]),
        ("GET", ["v1", "patient", "by-mobile", ""]) => Route::to(Endpoint::PatientByMobile, &[]),
        ("GET", ["v1", "patient", "search"]) => Route::to(Endpoint::PatientSearch, &[]),
        ("GET", ["v1", "patient", oid]) => Route::to(Endpoint::PatientGet, &[oid]),
        ("PATCH", ["v1", "patient", oid]) => Route::to(Endpoint::PatientUpdate, &[oid]),
        ("DELETE", ["v1", "patient", oid]) => Route::to(Endpoint::PatientArchive, &[oid]),
        _ => Route::unknown(),
    }
}

fn doctor_tool(method: &Method, segments: &[&str]) -> Route {
    match (method.as_str(), segments) {
        ("GET", ["v1", "business", "entities"]) => Route::to(Endpoint::Entities, &[]),
        ("GET", ["v1", "business", "clinic", id]) => Route::to(Endpoint::Clinic, &[id]),
        ("GET", ["v1", "doctor", "service", id]) => Route::to(Endpoint::DoctorServices, &[id]),
        (
            "GET",
            [
                "v1",
                "doctor",
                doctor,
                "clinic",
                clinic,
                "appointment",
                "slot",
            ],
        ) => Route::to(Endpoint::Slots, &[doctor, clinic]),
        ("GET", ["v1", "doctor", id]) => Route::to(Endpoint::Doctor, &[id]),
        ("GET", ["v1", "prescription", id]) => Route::to(Endpoint::Prescription, &[id]),
        (_, [version, "appointment", rest @ ..]) => appointment(method, version, rest),
        _ => Route::unknown(),
    }
}

fn appointment(method: &Method, version: &str, segments: &[&str]) -> Route {
    match (method.as_str(), version, segments) {
        ("GET", "v1", []) => Route::to(Endpoint::AppointmentList, &[]),
        ("POST", "v1", []) => Route::to(Endpoint::AppointmentBook, &[]),
        ("GET", "v1", [id]) => Route::to(Endpoint::AppointmentGet, &[id]),
        ("PATCH", "v1" | "v2", [id]) => Route::to(Endpoint::AppointmentUpdate, &[id]),
        ("POST", "v1", [id, "complete"]) => Route::to(Endpoint::AppointmentComplete, &[id]),
        ("PUT", "v1", [id, "cancel"]) => Route::to(Endpoint::AppointmentCancel, &[id]),
        _ => Route::unknown(),
    }
}

/// Percent-decodes one path segment (RFC 3986, section 2.1); a stray `%` stays as it is.
pub fn decoded(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = bytes
            .get(at + 1..at + 3)
            .filter(|_| byte == b'%')
            .and_then(hex);
        plain.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok()?;
    let all_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| all_hex)
}
