//! `POST /keys/{id}/roll`: another key takes its place; both work until the grace is over.

use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Deserializer};

use crate::domain::units::parse_duration;
use crate::http::admin::answer::{Answer, created, replayed, tagged, with_secret};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::body::Body;
use crate::http::admin::path::IdPath;
use crate::http::admin::precondition::Precondition;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::admin) struct Roll {
    #[serde(deserialize_with = "duration")]
    grace: Duration,
    /// The same length of life, when left out.
    expires: Option<String>,
}

pub(in crate::http::admin) async fn roll(
    Acting(admin): Acting,
    IdPath(id): IdPath,
    precondition: Precondition,
    body: Body<Roll>,
) -> Answer {
    let admin = precondition.on(body.once(admin));
    if let Some(first) = admin.replay().await? {
        return Ok(replayed(StatusCode::CREATED, &first));
    }
    let Roll { grace, expires } = body.value;
    let expires = admin.end("expires", expires.as_deref())?;
    let issued = admin.roll_key(&id, grace, expires).await?;
    let location = format!("/keys/{}", issued.summary.id);
    let data = with_secret(&issued.summary, "key", &issued.key);
    Ok(tagged(&issued.summary.tag(), created(&location, &data)))
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let duration = parse_duration(&text);
    duration.map_err(|error| serde::de::Error::custom(format!("unfit, expected {error}")))
}
