//! Key rings and sealed bytes. A ring survives its text and errors show none of it; what was sealed
//! opens in its place; what was not sealed here, was moved or was changed opens nowhere.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use locum::domain::credential::CredentialVersionId;
use locum::domain::organization::OrganizationId;
use locum::domain::provider::ProviderName;
use locum::domain::tenant::Environment;
use locum::vault::{Aad, KeyPlace, KeyRing, KeyRingError, OrganizationKey, Vault, VaultError};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

const DATABASE: Uuid = Uuid::from_u128(1);
const VERSION: CredentialVersionId = CredentialVersionId(Uuid::from_u128(4));

static DEV: LazyLock<Environment> = LazyLock::new(|| Environment::parse("dev").expect("a slug"));
static ACME: LazyLock<ProviderName> =
    LazyLock::new(|| ProviderName::parse("acme").expect("a slug"));
static VAULT: LazyLock<Vault> = LazyLock::new(|| {
    let ring = KeyRing::parse(&format!("kek active {}", "0f".repeat(32)));
    Vault::new(ring.unwrap_or_else(|error| panic!("{error}")), DATABASE)
});
static KEY: LazyLock<OrganizationKey> = LazyLock::new(|| {
    let made = VAULT.create_organization_key(place(), &VAULT.ring().active());
    made.unwrap_or_else(|error| panic!("{error}")).0
});

fn place() -> KeyPlace<'static> {
    KeyPlace {
        database: DATABASE,
        organization: OrganizationId(Uuid::from_u128(2)),
        environment: &DEV,
        key_id: Uuid::from_u128(3),
    }
}

fuzz_target!(|data: &[u8]| {
    check_foreign(data);
    check_places(data);
    if let Ok(text) = str::from_utf8(data) {
        check_ring(text);
        check_sealed(text);
    }
});

/// Nobody seals without the key.
fn check_foreign(data: &[u8]) {
    let kek = VAULT.ring().active();
    let opened = VAULT.open_organization_key(place(), &kek, data).err();
    assert_eq!(opened, Some(VaultError::Refused));
    assert_eq!(VAULT.verify_check(&kek, data), Err(VaultError::Refused));
    let opened = KEY.open_field(&ACME, VERSION, "field", data).err();
    assert_eq!(opened, Some(VaultError::Refused));
}

/// Lists of parts that differ are never the same bytes, wherever a part ends.
fn check_places(data: &[u8]) {
    let text = String::from_utf8_lossy(&data[..data.len().min(16)]);
    let cut = |at: usize| {
        let (one, two) = text.split_at(at);
        Aad::new("fuzz").text(one).text(two)
    };
    let cuts: Vec<Aad> = (0..=text.len())
        .filter(|at| text.is_char_boundary(*at))
        .map(cut)
        .collect();
    let whole = Aad::new("fuzz").text(&text);
    for (index, cut) in cuts.iter().enumerate() {
        assert!(
            *cut != whole && !cuts[index + 1..].contains(cut),
            "{text:?}"
        );
    }
}

fn check_ring(text: &str) {
    match KeyRing::parse(text) {
        Ok(ring) => {
            let written = ring.to_text();
            let again = KeyRing::parse(&written).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(*again.to_text(), *written);
            assert_eq!(again.active_id(), ring.active_id());
            assert!(text.contains(ring.active_id().as_str()));
        }
        Err(KeyRingError::Line(line) | KeyRingError::Duplicate(line)) => {
            assert!((1..=text.lines().count()).contains(&line), "{line}");
        }
        Err(KeyRingError::Active(count)) => assert_ne!(count, 1),
    }
}

fn check_sealed(text: &str) {
    let secret = SecretString::from(text);
    let sealed = KEY.seal_field(&ACME, VERSION, "field", &secret);
    let mut sealed = sealed.unwrap_or_else(|error| panic!("{error}"));
    let open = |field: &str, sealed: &[u8]| KEY.open_field(&ACME, VERSION, field, sealed);
    let opened = open("field", &sealed).map(|opened| opened.expose_secret().to_owned());
    assert_eq!(opened.as_deref(), Ok(text));
    if text != "field" {
        assert_eq!(
            open(text, &sealed).err(),
            Some(VaultError::Refused),
            "moved"
        );
    }
    // Where it is changed depends on the text, so that the fuzzer decides.
    let at = text.bytes().fold(0usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    }) % sealed.len();
    sealed[at] ^= 1 << (at % 8);
    assert_eq!(
        open("field", &sealed).err(),
        Some(VaultError::Refused),
        "changed at {at}"
    );
}
