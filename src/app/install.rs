//! `locum init`: a configuration file, a key ring and a database, where none of them is yet.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::{AppError, new_database_id};
use crate::audit::Audit;
use crate::config::Loaded;
use crate::domain::actor::Role;
use crate::domain::bearer_secret::{IssuedSecret, SecretKind};
use crate::domain::clock::SharedClock;
use crate::store::{Installation, NewAdminToken, Store};
use crate::vault::{KeyRing, Vault, random_bytes, write_new_key_file};

/// What a new configuration file says: nothing that has to be changed before it serves.
const TEMPLATE: &str = "\
# Locum's configuration. Every key has a default, so an empty file serves.
# docs/configuration.md lists them all; LOCUM__SECTION__KEY in the environment overrides any.

# [server]
# listen = \"127.0.0.1:8080\"
# public_url = \"https://mcp.example\"
# tls = { certificate = \"server.pem\", key = \"server.key\" }

# [admin]
# listen = \"127.0.0.1:8081\"

# [log]
# level = \"info\"
# format = \"text\"

# [traces]
# endpoint = \"http://127.0.0.1:4318\"

# [rotation]
# grace = \"24h\"

# Who is told that a credential is due (`locum reminders test` tries it):
# [reminders.smtp]
# host = \"mail.clinic.example\"
# from = \"Locum <locum@clinic.example>\"
# to = [\"it@clinic.example\"]
# credentials_file = \"smtp-login\"

# Point an environment of a provider elsewhere, for example at `locum sandbox`:
# [providers.eka-care.environments.dev]
# base_url = \"http://127.0.0.1:9300\"
";

/// What was made. The token is shown once.
pub struct Installed {
    pub config: PathBuf,
    pub key_file: PathBuf,
    pub database: PathBuf,
    pub admin_token_id: String,
    pub admin_token: SecretString,
}

/// Makes an installation with `config` as its configuration file; `LOCUM__…` variables say where
/// key file and database are to be, as they do for every other command. Refuses before it writes
/// anything if one of its files is there already. The configuration file is written last: without
/// it, what is there is of an `init` that was interrupted.
pub async fn install(
    config: &Path,
    variables: impl IntoIterator<Item = (String, String)>,
    clock: &SharedClock,
) -> Result<Installed, AppError> {
    let config = config.to_owned();
    let folder = config.parent().unwrap_or(Path::new("."));
    let loaded = Loaded::parse(&config, TEMPLATE, variables)?;
    let (key_file, database) = (loaded.master_key_file(), loaded.database()?);
    check_nothing_is_there(&config, &key_file, &database)?;
    make_folder(folder, 0o755)?;
    for path in [&key_file, &database] {
        make_folder(path.parent().unwrap_or(folder), 0o700)?;
    }
    let ring = KeyRing::generate()?;
    write_new_key_file(&key_file, &ring)?;
    let vault = Vault::new(ring, new_database_id());
    let token = make_database(&database, &vault, clock).await?;
    write_new(&config, TEMPLATE)?;
    Ok(Installed {
        config,
        key_file,
        database,
        admin_token_id: token.id,
        admin_token: token.secret,
    })
}

fn check_nothing_is_there(config: &Path, key_file: &Path, database: &Path) -> Result<(), AppError> {
    let is_there = |path: &PathBuf| path.symlink_metadata().is_ok();
    // SQLite takes a log that it finds for the new database's own.
    let database = ["", "-wal", "-shm", "-journal"].map(|end| {
        let mut name = database.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    });
    let mut files = vec![key_file.to_owned()];
    files.extend(database);
    files.retain(is_there);
    let config = config.to_owned();
    match (is_there(&config), files.is_empty()) {
        (true, _) => Err(AppError::Exists(config)),
        (false, false) => Err(AppError::Unfinished { config, files }),
        (false, true) => Ok(()),
    }
}

async fn make_database(
    path: &Path,
    vault: &Vault,
    clock: &SharedClock,
) -> Result<IssuedSecret, AppError> {
    // Made by us first, so that nobody else can read it from its first byte on.
    write_new(path, "")?;
    let store = Store::open(path, true).await?;
    let now = clock.now();
    let kek = vault.ring().active();
    let installation = Installation {
        database_id: vault.database(),
        key_check: vault.seal_check(&kek)?,
        kek_id: kek.to_string(),
    };
    let (secret, id) = (random_bytes()?, random_bytes()?);
    let token = IssuedSecret::from_random(SecretKind::AdminToken, &secret, &id);
    let row = NewAdminToken {
        id: &token.id,
        name: "first",
        role: Role::Owner,
        organization: None,
        hash: token.hash,
        created_at: now,
        created_by: "init",
        expires_at: None,
    };
    let mut write = store.write().await?;
    write.insert_installation(&installation, now).await?;
    Audit::begin(&mut write, vault, &kek).await?;
    write.insert_admin_token(&row).await?;
    write.commit().await?;
    store.close().await;
    Ok(token)
}

fn make_folder(path: &Path, mode: u32) -> Result<(), AppError> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|source| AppError::Io {
            path: path.to_owned(),
            source,
        })
}

fn write_new(path: &Path, text: &str) -> Result<(), AppError> {
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| AppError::Io {
        path: path.to_owned(),
        source,
    })
}
