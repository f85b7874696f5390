//! The key ring's text: one key a line, `<kek id> <active|retired> <64 hexadecimal digits>`.
//!
//! Lines that are empty or start with `#` are comments. Errors name a line, never what is in it.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use zeroize::Zeroizing;

use super::VaultError;
use super::sealed::{self, KeyBytes};

/// Names a key-encryption key; not secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KekId(String);

impl KekId {
    /// Accepts a-z, 0-9 and `-`, at most 63.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = (1..=63).contains(&text.len());
        (fits && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no key ring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    #[error("line {0}: expected `<id> <active|retired> <64 hexadecimal digits>`")]
    Line(usize),
    #[error("line {0}: the key id occurs twice")]
    Duplicate(usize),
    #[error("exactly one key is to be active, {0} are")]
    Active(usize),
}

/// The keys that organization keys are sealed under. No `Debug`: it holds secrets.
pub struct KeyRing {
    keys: BTreeMap<KekId, KeyBytes>,
    active: KekId,
}

impl KeyRing {
    /// A ring with one new key.
    pub fn generate() -> Result<Self, VaultError> {
        let (active, key) = new_key()?;
        Ok(Self {
            keys: BTreeMap::from([(active.clone(), key)]),
            active,
        })
    }

    /// This ring with one key more, which is the active one.
    pub fn with_new_key(&self) -> Result<Self, VaultError> {
        loop {
            let (active, key) = new_key()?;
            if !self.has(&active) {
                let mut keys = self.keys.clone();
                keys.insert(active.clone(), key);
                return Ok(Self { keys, active });
            }
        }
    }

    /// This ring without a retired key; the active one stays.
    pub fn without(&self, id: &KekId) -> Self {
        let mut keys = self.keys.clone();
        keys.retain(|key, _| key != id || *key == self.active);
        let active = self.active.clone();
        Self { keys, active }
    }

    pub fn parse(text: &str) -> Result<Self, KeyRingError> {
        let mut keys = BTreeMap::new();
        let mut active = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (id, is_active, key) = parse_line(line).ok_or(KeyRingError::Line(number))?;
            if is_active {
                active.push(id.clone());
            }
            if keys.insert(id, key).is_some() {
                return Err(KeyRingError::Duplicate(number));
            }
        }
        match <[KekId; 1]>::try_from(active) {
            Ok([active]) => Ok(Self { keys, active }),
            Err(several) => Err(KeyRingError::Active(several.len())),
        }
    }

    /// The text that [`Self::parse`] reads.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(256 + self.keys.len() * 160));
        text.push_str(
            "# Locum key ring: who has this file and the database can read every credential.\n",
        );
        text.push_str(
            "# Keep a copy apart from the database's backups. Without it no credential opens.\n",
        );
        for (id, key) in &self.keys {
            let state = if *id == self.active {
                "active"
            } else {
                "retired"
            };
            let _ = write!(text, "{id} {state} ");
            for byte in key.iter() {
                let _ = write!(text, "{byte:02x}");
            }
            text.push('\n');
        }
        text
    }

    pub fn active_id(&self) -> &KekId {
        &self.active
    }

    /// The ids of all keys, in order.
    pub fn ids(&self) -> impl Iterator<Item = &KekId> {
        self.keys.keys()
    }

    pub fn has(&self, id: &KekId) -> bool {
        self.keys.contains_key(id)
    }

    pub(super) fn key(&self, id: &KekId) -> Result<&KeyBytes, VaultError> {
        self.keys
            .get(id)
            .ok_or_else(|| VaultError::MissingKey(id.clone()))
    }
}

fn new_key() -> Result<(KekId, KeyBytes), VaultError> {
    let key = sealed::random_bytes()?;
    let name = sealed::random_bytes()?;
    let mut id = String::from("kek-");
    for byte in &name[..4] {
        let _ = write!(id, "{byte:02x}");
    }
    Ok((KekId(id), key))
}

fn parse_line(line: &str) -> Option<(KekId, bool, KeyBytes)> {
    let mut words = line.split_ascii_whitespace();
    let id = KekId::parse(words.next()?)?;
    let active = match words.next()? {
        "active" => true,
        "retired" => false,
        _ => return None,
    };
    let key = parse_hex(words.next()?)?;
    words.next().is_none().then_some((id, active, key))
}

fn parse_hex(text: &str) -> Option<KeyBytes> {
    let mut key = Zeroizing::new([0; 32]);
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(key)
}
