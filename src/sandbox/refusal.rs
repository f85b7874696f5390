//! Why the simulated upstream refuses, and the one place where a refusal becomes a response.
//!
//! The real upstream has a different error shape for nearly every endpoint; the shapes here are
//! those of its OpenAPI files. Where a file is silent (401, 409, 429 of `/dr/*`), the shape that
//! most of the file uses stands in.

use axum::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::answer;
use super::endpoint::Endpoint;

/// Why a request is refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// The request is malformed; the text names the field.
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Unauthorized(&'static str),
    #[error("Access denied. The token belongs to another client id.")]
    Forbidden,
    /// The state of the record forbids the change.
    #[error("{message}")]
    NotAllowed {
        code: &'static str,
        message: &'static str,
    },
    #[error("{0}")]
    NotFound(&'static str),
    #[error("The slot is no longer available")]
    SlotTaken,
    #[error("The request body exceeds 1 MiB")]
    TooLarge,
    #[error("Too many requests")]
    RateLimited { retry_after_s: Option<u64> },
    #[error("The sandbox is full; POST /_sandbox/reset empties it")]
    Full,
    #[error("An unexpected error occurred on the server")]
    Failed {
        status: StatusCode,
        retry_after_s: Option<u64>,
    },
}

impl Refusal {
    /// A malformed or missing field.
    pub fn field(name: &str, complaint: &str) -> Self {
        Self::Invalid(format!("{name} {complaint}"))
    }

    /// The response in the words of `endpoint`.
    pub fn answer(&self, endpoint: Endpoint) -> Response {
        let status = self.status_at(endpoint);
        let mut response = match self.body(status, endpoint) {
            Some(body) => answer::json(status, &body),
            None => answer::empty(status),
        };
        if let Self::RateLimited {
            retry_after_s: Some(seconds),
        }
        | Self::Failed {
            retry_after_s: Some(seconds),
            ..
        } = self
        {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(*seconds));
        }
        response
    }

    /// A doctor without data is documented as 403, not 404.
    fn status_at(&self, endpoint: Endpoint) -> StatusCode {
        match self {
            Self::NotFound(_) if endpoint == Endpoint::Doctor => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::NotAllowed { .. } if endpoint.is_lab() => StatusCode::CONFLICT,
            Self::Forbidden | Self::NotAllowed { .. } => StatusCode::FORBIDDEN,
            Self::SlotTaken => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed { status, .. } => *status,
        }
    }

    fn body(&self, status: StatusCode, endpoint: Endpoint) -> Option<Value> {
        let message = self.to_string();
        if endpoint.is_lab() {
            return Some(self.lab_shape(status, endpoint, &message));
        }
        if endpoint.is_login() || endpoint.is_abha() {
            return Some(json!({"code": status.as_u16(), "error": message}));
        }
        let code = self.code(endpoint);
        if endpoint.is_profile() {
            return Some(profile_shape(status, code, &message));
        }
        let error = json!({"code": code, "message": message});
        let undocumented = matches!(status.as_u16(), 401 | 409 | 413 | 429);
        match endpoint {
            _ if undocumented => Some(json!({"error": error})),
            Endpoint::Slots => Some(
                json!({"success": "false", "status_code": status.as_u16(), "message": message}),
            ),
            Endpoint::Entities => Some(json!({
                "data": {}, "status_code": status.as_u16(), "success": false, "error": error,
            })),
            Endpoint::Clinic => Some(json!({"success": false, "code": code, "message": message})),
            Endpoint::Doctor => Some(json!({"data": {}, "error": error})),
            Endpoint::Prescription if status != StatusCode::BAD_REQUEST => None,
            Endpoint::AppointmentList if status == StatusCode::FORBIDDEN => {
                Some(json!({"message": "Forbidden"}))
            }
            _ => Some(json!({"error": error})),
        }
    }

    /// The laboratory's own, and for its tokens that of OAuth 2.0 (RFC 6749, section 5.2).
    fn lab_shape(&self, status: StatusCode, endpoint: Endpoint, message: &str) -> Value {
        let code = match (self, endpoint) {
            (Self::Unauthorized(_), Endpoint::LabToken) => "invalid_client",
            (Self::NotAllowed { code, .. }, _) => code,
            (Self::Invalid(_), _) => "invalid_request",
            (Self::NotFound(_), _) => "not_found",
            (Self::Unauthorized(_), _) => "unauthorized",
            _ => "unavailable",
        };
        match endpoint {
            Endpoint::LabToken => json!({"error": code, "error_description": message}),
            _ => json!({"status": status.as_u16(), "code": code, "detail": message}),
        }
    }

    fn code(&self, endpoint: Endpoint) -> &'static str {
        match (self, endpoint) {
            (Self::NotAllowed { code, .. }, _) => code,
            (Self::NotFound(_), Endpoint::Doctor) => "UNAUTHORIZED_ENTITY",
            (Self::NotFound(_), Endpoint::Clinic) => "CLINIC_NOT_FOUND",
            (Self::NotFound(_), Endpoint::DoctorServices) => "DOCTOR_NOT_FOUND",
            (Self::NotFound(_), Endpoint::AppointmentGet | Endpoint::Unknown) => "NOT_FOUND",
            (Self::NotFound(_), _) => "APPOINTMENT_NOT_FOUND",
            (Self::Forbidden, Endpoint::Entities) => "UNAUTHORIZED_ACCESS",
            (Self::Forbidden, Endpoint::Doctor) => "UNAUTHORIZED_ENTITY",
            (Self::Forbidden, Endpoint::AppointmentComplete) => "COMPLETE_NOT_ALLOWED",
            (Self::Forbidden, Endpoint::AppointmentCancel) => "CANCEL_NOT_ALLOWED",
            (Self::Forbidden, _) => "ACCESS_DENIED",
            (
                Self::Invalid(_),
                Endpoint::AppointmentUpdate
                | Endpoint::AppointmentComplete
                | Endpoint::AppointmentCancel,
            ) => "INVALID_REQUEST",
            (Self::Invalid(_), _) => "INVALID_REQUEST_PARAMETERS",
            (Self::Unauthorized(_), _) => "UNAUTHORIZED",
            (Self::SlotTaken, _) => "SLOT_UNAVAILABLE",
            (Self::TooLarge, _) => "REQUEST_TOO_LARGE",
            (Self::RateLimited { .. }, _) => "RATE_LIMIT_EXCEEDED",
            (Self::Full | Self::Failed { .. }, _) => "SERVER_ERROR",
        }
    }
}

/// The patient directory spells its codes in lower case and leaves a 404 unwrapped.
fn profile_shape(status: StatusCode, code: &str, message: &str) -> Value {
    match status {
        StatusCode::NOT_FOUND => json!({"message": message, "code": "profile_not_found"}),
        StatusCode::BAD_REQUEST => {
            json!({"error": {"message": message, "code": "invalid_request"}})
        }
        _ => json!({"error": {"message": message, "code": code.to_lowercase()}}),
    }
}
