//! Names as a byte grammar: `[a-z0-9]`, inner `-`, 1 to 63 bytes.
//!
//! Nothing is trimmed, folded or normalized: two names are the same when their bytes are.

use std::fmt;

use smol_str::SmolStr;

/// The longest slug in bytes, as in a DNS label (RFC 1035, section 2.3.4).
pub const MAX_SLUG_BYTES: usize = 63;

/// Why a text is not a slug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name has 1 to {MAX_SLUG_BYTES} characters out of a-z, 0-9 and -, and neither starts nor ends with -"
)]
pub struct InvalidSlug;

/// A checked name; cheap to clone. A usual one lies where its owner does, so that a call does not have to
/// fetch it from elsewhere.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slug(SmolStr);

impl Slug {
    /// Accepts `text` if it is a slug, byte for byte.
    pub fn parse(text: &str) -> Result<Self, InvalidSlug> {
        let bytes = text.as_bytes();
        let inner = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let fits = (1..=MAX_SLUG_BYTES).contains(&bytes.len());
        let edges = bytes.first() != Some(&b'-') && bytes.last() != Some(&b'-');
        if fits && edges && bytes.iter().all(inner) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidSlug)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Declares a name that is a slug but not interchangeable with other slugs.
macro_rules! slug_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name($crate::domain::slug::Slug);

        impl $name {
            /// Accepts `text` if it is a slug, byte for byte.
            pub fn parse(text: &str) -> Result<Self, $crate::domain::slug::InvalidSlug> {
                $crate::domain::slug::Slug::parse(text).map(Self)
            }

            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::slug::InvalidSlug;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.0, f)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use slug_name;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepts_the_grammar_and_nothing_else() {
        for good in ["a", "0", "a-b", "a--b", "north-clinic-2", &"x".repeat(63)] {
            assert!(Slug::parse(good).is_ok(), "{good}");
        }
        let long = "x".repeat(64);
        for bad in [
            "", "-", "-a", "a-", "A", "a_b", "a b", " a", "a\n", "ä", "a.b", "a/b", &long,
        ] {
            assert!(Slug::parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_is_kept_byte_for_byte(text in "\\PC*") {
            if let Ok(slug) = Slug::parse(&text) {
                prop_assert_eq!(slug.as_str(), text.as_str());
                prop_assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            }
        }
    }
}
