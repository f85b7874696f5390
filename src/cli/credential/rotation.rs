//! `locum credential stage`, `verify`, `promote`, `rollback`, `cancel`, `revoke`: each says how the
//! profile stands after it, and which command comes next.

use std::fmt;

use super::{Place, time};
use crate::admin::{Admin, CredentialInput, Rotation};
use crate::cli::CliError;
use crate::cli::output::Output;
use crate::domain::credential::{CredentialState, SecretFields};

/// The options that name a place, to be pasted.
struct Options<'a>(&'a Rotation);

impl fmt::Display for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = &self.0.credential;
        write!(
            f,
            "--org {} --env {} --provider {}",
            version.organization, version.environment, version.provider
        )
    }
}

pub(super) async fn stage(
    input: CredentialInput,
    fields: SecretFields,
    admin: &Admin,
    output: &Output,
) -> Result<(), CliError> {
    let rotation = admin.stage_credential(input, fields).await?;
    output.data(&rotation);
    output.say(&format!(
        "{} is staged. {}\nNext, a login with it: locum credential verify {}",
        named(&rotation),
        in_use(&rotation),
        Options(&rotation)
    ));
    Ok(())
}

pub(super) async fn verify(place: &Place, admin: &Admin, output: &Output) -> Result<(), CliError> {
    let (org, env, provider) = (&place.org, &place.env, &place.provider);
    let id = admin.open_rotation(org, env, provider).await?;
    let rotation = admin.verify_rotation(org, env, provider, id).await?;
    output.data(&rotation);
    let options = Options(&rotation);
    let refused = rotation.credential.state == CredentialState::Refused;
    output.say(&match (&rotation.credential.refused, rotation.credential.state) {
        (Some(refusal), CredentialState::Refused) => format!(
            "{} was refused by the provider: {}\n{}\nNext, with values that work: \
             locum credential stage {options} --from-file FILE",
            named(&rotation),
            refusal.message,
            in_use(&rotation),
        ),
        (_, CredentialState::Staged) => format!(
            "Authentication successful. {}\nNext, to use version {}: locum credential promote {options}",
            in_use(&rotation),
            rotation.credential.version,
        ),
        _ => format!("{} is active already.", named(&rotation)),
    });
    match refused {
        true => Err(CliError::Reported),
        false => Ok(()),
    }
}

pub(super) async fn promote(
    place: &Place,
    unverified: bool,
    admin: &Admin,
    output: &Output,
) -> Result<(), CliError> {
    let (org, env, provider) = (&place.org, &place.env, &place.provider);
    let id = admin.open_rotation(org, env, provider).await?;
    let rotation = admin.promote_rotation(org, env, provider, id, unverified);
    let rotation = rotation.await?;
    output.data(&rotation);
    let options = Options(&rotation);
    let back = match &rotation.retiring {
        Some(former) => format!(
            "\nVersion {} works on until {}. Back to it: locum credential rollback {options}",
            former.version,
            former.grace_ends.map(time).unwrap_or_default(),
        ),
        None => String::new(),
    };
    output.say(&format!("{} is active.{back}", named(&rotation)));
    Ok(())
}

pub(super) async fn rollback(
    place: &Place,
    admin: &Admin,
    output: &Output,
) -> Result<(), CliError> {
    let (org, env, provider) = (&place.org, &place.env, &place.provider);
    let id = admin.promoted_rotation(org, env, provider).await?;
    let rotation = admin.rollback_rotation(org, env, provider, id).await?;
    output.data(&rotation);
    let options = Options(&rotation);
    output.say(&format!(
        "{} is staged again. {}\nNext: locum credential promote {options}, or to give it up: \
         locum credential cancel {options}",
        named(&rotation),
        in_use(&rotation),
    ));
    Ok(())
}

pub(super) async fn cancel(place: &Place, admin: &Admin, output: &Output) -> Result<(), CliError> {
    let (org, env, provider) = (&place.org, &place.env, &place.provider);
    let id = admin.rotation_to_cancel(org, env, provider).await?;
    let rotation = admin.cancel_rotation(org, env, provider, id).await?;
    output.data(&rotation);
    output.say(&format!(
        "{} is cancelled, its values are gone. {}",
        named(&rotation),
        in_use(&rotation)
    ));
    Ok(())
}

pub(super) async fn revoke(
    place: &Place,
    version: Option<i64>,
    admin: &Admin,
    output: &Output,
) -> Result<(), CliError> {
    let (org, env, provider) = (&place.org, &place.env, &place.provider);
    let rotation = admin.revoke_credential(org, env, provider, version).await?;
    output.data(&rotation);
    output.say(&format!(
        "{} is {}, its values are gone. {}",
        named(&rotation),
        rotation.credential.state,
        in_use(&rotation)
    ));
    Ok(())
}

/// `Version 2 of `eka-care` for north/dev`.
fn named(rotation: &Rotation) -> String {
    let version = &rotation.credential;
    format!(
        "Version {} of `{}` for {}/{}",
        version.version, version.provider, version.organization, version.environment
    )
}

/// What calls use; without anything they fail, and the text says what helps.
fn in_use(rotation: &Rotation) -> String {
    match rotation.active_version {
        Some(active) => format!("Calls use version {active}."),
        None if rotation.credential.state == CredentialState::Staged => {
            "No version is active, so its calls fail until this one is promoted.".to_owned()
        }
        None => format!(
            "No version is active, so its calls fail; to change that: \
             locum credential set {} --from-file FILE",
            Options(rotation)
        ),
    }
}
