//! Networks that an operator names: `10.0.0.0/8`, `fd00::/8`, or a single address.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

/// A list of networks. An IPv4 address that was mapped into IPv6 counts as what it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether one of them is everybody.
    pub fn are_everything(&self) -> bool {
        self.0.iter().any(|network| network.prefix_len() == 0)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn parse(text: &str) -> Option<IpNet> {
    match text.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address)),
        Err(_) => text.parse().ok(),
    }
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let networks = texts.iter().map(|text| {
            parse(text).ok_or_else(|| {
                serde::de::Error::custom(format!(
                    "`{text}` is no address and no network such as \"10.0.0.0/8\""
                ))
            })
        });
        networks.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_single_addresses_are_told_apart_from_the_rest() {
        let text = r#"v = ["10.1.0.0/16", "192.0.2.7", "fd00::/8"]"#;
        let mut table: std::collections::BTreeMap<String, Networks> = toml::from_str(text).unwrap();
        let networks = table.remove("v").unwrap();
        for inside in ["10.1.255.1", "192.0.2.7", "fd12::1", "::ffff:10.1.0.9"] {
            assert!(networks.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["10.2.0.0", "192.0.2.8", "fe80::1", "::1", "::ffff:10.2.0.1"] {
            assert!(!networks.contains(outside.parse().unwrap()), "{outside}");
        }
        for wrong in ["10.0.0.0/33", "10.0.0", "proxy.example", ""] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
