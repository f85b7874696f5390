//! Moved and flipped ciphertexts, wrong and missing keys.

use proptest::prelude::*;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::*;
use crate::domain::credential::CredentialVersionId;
use crate::domain::provider::ProviderName;

fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn environment(name: &str) -> Environment {
    Environment::parse(name).unwrap()
}

fn vault(database: u128) -> Vault {
    let ring = KeyRing::parse(&format!("kek-1 active {}", "ab".repeat(32))).unwrap();
    Vault::new(ring, uuid(database))
}

fn place(database: u128, organization: u128, environment: &Environment, key: u128) -> KeyPlace<'_> {
    KeyPlace {
        database: uuid(database),
        organization: OrganizationId(uuid(organization)),
        environment,
        key_id: uuid(key),
    }
}

#[test]
fn an_organization_key_opens_in_its_place_only() {
    let (dev, prod) = (environment("dev"), environment("prod"));
    let vault = vault(1);
    let kek = vault.ring().active();
    let (_, sealed) = vault
        .create_organization_key(place(1, 2, &dev, 3), &vault.ring().active())
        .unwrap();
    assert!(
        vault
            .open_organization_key(place(1, 2, &dev, 3), &kek, &sealed)
            .is_ok()
    );
    for elsewhere in [
        place(9, 2, &dev, 3),
        place(1, 9, &dev, 3),
        place(1, 2, &prod, 3),
        place(1, 2, &dev, 9),
    ] {
        let opened = vault.open_organization_key(elsewhere, &kek, &sealed);
        assert_eq!(opened.err(), Some(VaultError::Refused));
    }
}

#[test]
fn every_field_moved_to_every_other_place_is_refused() {
    let names = ["client_id", "client_secret"];
    let providers = ["eka-care", "other"].map(|name| ProviderName::parse(name).unwrap());
    let (dev, prod) = (environment("dev"), environment("prod"));
    let vault = vault(1);
    let mut places = Vec::new();
    for (organization, env) in [(1, &dev), (1, &prod), (2, &dev)] {
        let (key, _) = vault
            .create_organization_key(place(1, organization, env, 7), &vault.ring().active())
            .unwrap();
        let key = std::rc::Rc::new(key);
        for provider in &providers {
            for version in [10, 11] {
                for name in names {
                    places.push((
                        key.clone(),
                        provider,
                        CredentialVersionId(uuid(version)),
                        name,
                    ));
                }
            }
        }
    }
    let secret = SecretString::from("synthetic");
    for (here, (key, provider, version, name)) in places.iter().enumerate() {
        let sealed = key.seal_field(provider, *version, name, &secret).unwrap();
        for (there, (key, provider, version, name)) in places.iter().enumerate() {
            let opened = key.open_field(provider, *version, name, &sealed);
            assert_eq!(
                opened.is_ok(),
                here == there,
                "sealed at {here}, opened at {there}"
            );
        }
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let dev = environment("dev");
    let provider = ProviderName::parse("eka-care").unwrap();
    let version = CredentialVersionId(uuid(5));
    let vault = vault(1);
    let (key, _) = vault
        .create_organization_key(place(1, 2, &dev, 3), &vault.ring().active())
        .unwrap();
    let sealed = key
        .seal_field(
            &provider,
            version,
            "client_id",
            &SecretString::from("synthetic"),
        )
        .unwrap();
    for bit in 0..sealed.len() * 8 {
        let mut damaged = sealed.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(
            key.open_field(&provider, version, "client_id", &damaged)
                .is_err(),
            "bit {bit}"
        );
    }
    for length in 0..sealed.len() {
        assert!(
            key.open_field(&provider, version, "client_id", &sealed[..length])
                .is_err()
        );
    }
}

#[test]
fn the_check_row_tells_wrong_and_missing_keys_apart() {
    let right = vault(1);
    let kek = right.ring().active();
    let check = right.seal_check(&kek).unwrap();
    assert_eq!(right.verify_check(&kek, &check), Ok(KeyCheck::RingAndChain));
    let early = right.seal_early_check(&kek);
    assert_eq!(
        right.verify_check(&kek, &early.unwrap()),
        Ok(KeyCheck::Ring)
    );
    assert_eq!(
        vault(2).verify_check(&kek, &check),
        Err(VaultError::Refused)
    );
    let ring = KeyRing::parse(&format!("kek-1 active {}", "cd".repeat(32))).unwrap();
    assert_eq!(
        Vault::new(ring, uuid(1)).verify_check(&kek, &check),
        Err(VaultError::Refused)
    );
    let ring = KeyRing::parse(&format!("kek-2 active {}", "ab".repeat(32))).unwrap();
    let missing = Vault::new(ring, uuid(1)).verify_check(&kek, &check);
    assert_eq!(missing, Err(VaultError::MissingKey(kek)));
}

#[test]
fn a_ring_survives_its_text_and_errors_name_the_line() {
    let ring = KeyRing::generate().unwrap();
    let again = KeyRing::parse(&ring.to_text()).unwrap();
    assert_eq!(*ring.to_text(), *again.to_text());
    let key = "ab".repeat(32);
    let error = |text: String| KeyRing::parse(&text).err();
    assert_eq!(
        error(format!("# x\na active {key}x")),
        Some(KeyRingError::Line(2))
    );
    assert_eq!(
        error(format!("a retired {key}")),
        Some(KeyRingError::Active(0))
    );
    assert_eq!(
        error(format!("a active {key}\na retired {key}")),
        Some(KeyRingError::Duplicate(2))
    );
    assert_eq!(
        error(format!("a active {key}\nb active {key}")),
        Some(KeyRingError::Active(2))
    );
}

#[test]
fn a_rewrapped_key_is_the_same_one_under_the_other_key_alone() {
    let text = format!(
        "a active {}\nb retired {}",
        "ab".repeat(32),
        "cd".repeat(32)
    );
    let vault = Vault::new(KeyRing::parse(&text).unwrap(), uuid(1));
    let [a, b, none] = ["a", "b", "c"].map(|id| KekId::parse(id).unwrap());
    let dev = environment("dev");
    let here = place(1, 2, &dev, 3);
    let (key, old) = vault.create_organization_key(here, &a).unwrap();
    let new = vault.rewrap_organization_key(here, (&a, &b), &old).unwrap();
    let opened = vault.open_organization_key(here, &b, &new).unwrap();
    let secret = SecretString::from("synthetic");
    assert_eq!(opened.fingerprint(&secret), key.fingerprint(&secret));
    assert!(vault.open_organization_key(here, &a, &new).is_err());
    let elsewhere = vault.rewrap_organization_key(place(1, 9, &dev, 3), (&a, &b), &old);
    assert_eq!(elsewhere, Err(VaultError::Refused));
    let missing = vault.rewrap_organization_key(here, (&a, &none), &old);
    assert_eq!(missing, Err(VaultError::MissingKey(none)));

    let (chain, old) = vault.create_chain_key(&a).unwrap();
    let new = vault.rewrap_chain_key((&a, &b), &old).unwrap();
    let opened = vault.open_chain_key(&b, &new).unwrap();
    assert_eq!(opened.public_key(), chain.public_key());
}

#[test]
fn a_ring_gains_a_key_and_loses_none_but_a_retired_one() {
    let ring = KeyRing::generate().unwrap();
    let old = ring.active_id().clone();
    let more = ring.with_new_key().unwrap();
    assert!(more.has(&old) && *more.active_id() != old);
    assert!(more.without(more.active_id()).has(more.active_id()));
    let less = more.without(&old);
    assert!(!less.has(&old) && less.active_id() == more.active_id());
}

proptest! {
    #[test]
    fn foreign_bytes_never_open_nor_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), text in "\\PC*") {
        let dev = environment("dev");
        let vault = vault(1);
        prop_assert!(vault.open_organization_key(place(1, 2, &dev, 3), &vault.ring().active(), &bytes).is_err());
        let _ = KeyRing::parse(&text);
    }

    #[test]
    fn what_was_sealed_opens(secret in "\\PC{0,100}") {
        let dev = environment("dev");
        let provider = ProviderName::parse("eka-care").unwrap();
        let version = CredentialVersionId(uuid(5));
        let vault = vault(1);
        let (key, _) = vault.create_organization_key(place(1, 2, &dev, 3), &vault.ring().active()).unwrap();
        let sealed = key.seal_field(&provider, version, "f", &SecretString::from(secret.clone())).unwrap();
        let opened = key.open_field(&provider, version, "f", &sealed).unwrap();
        prop_assert_eq!(opened.expose_secret(), &secret);
    }
}
