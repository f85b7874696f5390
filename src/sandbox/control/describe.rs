//! What the simulator says about itself.

use serde_json::{Value, json};

use crate::sandbox::fault;

/// The answer of `GET /_sandbox`.
pub fn description() -> Value {
    json!({
        "about": "A simulator of an Eka.care-shaped API. All data is synthetic, and every client id has its own.",
        "login": {
            "POST /connect-auth/v1/account/login":
                {"client_id": "any", "client_secret": "any, unless it starts with wrong"},
            "POST /lab/oauth/token": {
                "headers": {"Authorization": "Basic, of any client id and secret"},
                "form": {"grant_type": "client_credentials"},
            },
            "POST /api/v1/auth/token": {
                "headers": {"X-API-KEY": "any"},
                "body": {
                    "client_id": "any", "client_secret": "any", "grant_type": "client_credentials",
                },
            },
        },
        "identifiers": {
            "patients": "1700000000001 to 1700000000012",
            "doctors": ["D1001", "D1002", "D1003"],
            "clinics": ["C2001", "C2002"],
            "appointments": "A3001 to A3008",
            "prescriptions": "P4001 to P4004",
            "laboratory orders": "O10001 to O10006",
        },
        "control": {
            "GET /_sandbox/faults": null,
            "POST /_sandbox/faults": [
                {"kind": "unauthorized", "client_id": "acme-dev", "count": 1},
                {"kind": "server-error", "login": true, "status": 502, "retry_after_s": 2},
                {"kind": "slow", "method": "GET", "path": "/dr/v1/appointment", "delay_ms": 500},
            ],
            "DELETE /_sandbox/faults": null,
            "POST /_sandbox/revoke": {"client_id": "acme-dev", "access_only": false},
            "PUT /_sandbox/clients/{client_id}": {
                "token_life_s": 5, "refresh_life_s": 60, "expires_in": "5", "jwt": true,
                "secrets": ["only-this-one"],
            },
            "GET /_sandbox/stats": null,
            "GET /_sandbox/requests": null,
            "DELETE /_sandbox/requests": null,
            "POST /_sandbox/reset": null,
        },
        "fault_kinds": fault::KINDS,
    })
}
