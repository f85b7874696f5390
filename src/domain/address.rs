//! What kind of place an IP address is, by the special-purpose registries of IANA (RFC 6890).
//!
//! Forms of IPv6 that carry an IPv4 address (mapped, compatible, 6to4, NAT64) are what they carry:
//! otherwise they would be a way around every other rule.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who may be behind an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// Anybody on the internet.
    Public,
    /// This machine.
    Loopback,
    /// Somebody's own network: RFC 1918, unique local, carrier-grade NAT, benchmarking.
    Private,
    /// This link; also where most clouds keep their metadata services.
    LinkLocal,
    /// A service that hands out the machine's own credentials.
    Metadata,
    Multicast,
    /// "This host" and "this network".
    Unspecified,
    /// Documentation, protocols, the future: no server has one.
    Reserved,
}

/// Metadata services outside of the link-local ranges: Alibaba, Oracle, Azure.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// Those of Google and Scaleway; Amazon's have a range of their own.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

impl AddressKind {
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    /// Whether an operator may have an upstream there; of the others nobody has one.
    pub fn can_be_named(self) -> bool {
        matches!(self, Self::Public | Self::Loopback | Self::Private)
    }
}

impl fmt::Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Metadata => "metadata",
            Self::Multicast => "multicast",
            Self::Unspecified => "unspecified",
            Self::Reserved => "reserved",
        })
    }
}

fn of_v4(address: Ipv4Addr) -> AddressKind {
    if METADATA_V4.contains(&address) {
        return AddressKind::Metadata;
    }
    match address.octets() {
        [0, ..] => AddressKind::Unspecified,
        [127, ..] => AddressKind::Loopback,
        // 169.254.169.254 and its neighbours: Amazon, Google, Azure, OpenStack and most others.
        [169, 254, 169 | 170, _] => AddressKind::Metadata,
        [169, 254, ..] => AddressKind::LinkLocal,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => AddressKind::Private,
        [100, 64..=127, ..] | [198, 18 | 19, ..] => AddressKind::Private,
        [192, 0, 0 | 2, _] | [192, 88, 99, _] => AddressKind::Reserved,
        [198, 51, 100, _] | [203, 0, 113, _] => AddressKind::Reserved,
        [224..=239, ..] => AddressKind::Multicast,
        [240..=255, ..] => AddressKind::Reserved,
        _ => AddressKind::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> AddressKind {
    if METADATA_V6.contains(&address) {
        return AddressKind::Metadata;
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressKind::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressKind::Loopback,
        // Mapped (RFC 4291), and the well-known prefix of NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low] => carried(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => carried(high, low),
        // 6to4 (RFC 3056) carries the address in front.
        [0x2002, high, low, ..] => carried(high, low),
        // IPv4-compatible is out of use (RFC 4291, section 2.5.5.1).
        [0, 0, 0, 0, 0, 0, high, low] => not_public(carried(high, low)),
        // Amazon: metadata, DNS, time, container credentials.
        [0xfd00, 0xec2, ..] => AddressKind::Metadata,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => AddressKind::Private,
        [0xfe80..=0xfebf, ..] => AddressKind::LinkLocal,
        [0xff00..=0xffff, ..] => AddressKind::Multicast,
        // Protocols (RFC 2928, with Teredo), and documentation (RFC 3849, RFC 9637).
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] => AddressKind::Reserved,
        [0x3fff, 0..=0xfff, ..] => AddressKind::Reserved,
        [0x2000..=0x3fff, ..] => AddressKind::Public,
        // Not given to anybody, or for local translation only (RFC 8215).
        _ => AddressKind::Reserved,
    }
}

/// The kind of the IPv4 address in two segments.
fn carried(high: u16, low: u16) -> AddressKind {
    of_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

fn not_public(kind: AddressKind) -> AddressKind {
    match kind {
        AddressKind::Public => AddressKind::Reserved,
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind(text: &str) -> AddressKind {
        AddressKind::of(text.parse().unwrap())
    }

    #[test]
    fn every_range_is_what_the_registries_say_from_its_first_to_its_last_address() {
        use AddressKind::*;
        for (range, expected) in [
            ("0.0.0.0 0.255.255.255", Unspecified),
            ("1.0.0.0 9.255.255.255", Public),
            ("10.0.0.0 10.255.255.255", Private),
            ("11.0.0.0 100.63.255.255", Public),
            ("100.64.0.0 100.127.255.255", Private),
            ("100.128.0.0 126.255.255.255", Public),
            ("127.0.0.0 127.255.255.255", Loopback),
            ("128.0.0.0 169.253.255.255", Public),
            ("169.254.0.0 169.254.168.255", LinkLocal),
            ("169.254.169.0 169.254.170.255", Metadata),
            ("169.254.171.0 169.254.255.255", LinkLocal),
            ("169.255.0.0 172.15.255.255", Public),
            ("172.16.0.0 172.31.255.255", Private),
            ("172.32.0.0 191.255.255.255", Public),
            ("192.0.0.0 192.0.0.255", Reserved),
            ("192.0.1.0 192.0.1.255", Public),
            ("192.0.2.0 192.0.2.255", Reserved),
            ("192.0.3.0 192.88.98.255", Public),
            ("192.88.99.0 192.88.99.255", Reserved),
            ("192.88.100.0 192.167.255.255", Public),
            ("192.168.0.0 192.168.255.255", Private),
            ("192.169.0.0 198.17.255.255", Public),
            ("198.18.0.0 198.19.255.255", Private),
            ("198.20.0.0 198.51.99.255", Public),
            ("198.51.100.0 198.51.100.255", Reserved),
            ("198.51.101.0 203.0.112.255", Public),
            ("203.0.113.0 203.0.113.255", Reserved),
            ("203.0.114.0 223.255.255.255", Public),
            ("224.0.0.0 239.255.255.255", Multicast),
            ("240.0.0.0 255.255.255.255", Reserved),
            (":: ::", Unspecified),
            ("::1 ::1", Loopback),
            ("64:ff9b:1:: 64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("100:: 1fff::", Reserved),
            ("2001:: 2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("2001:200:: 2001:db7:ffff::", Public),
            (
                "2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                Reserved,
            ),
            ("2001:db9:: 2001:ffff::", Public),
            ("2003:: 3ffe:ffff::", Public),
            ("3fff:: 3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("3fff:1000:: 3fff:ffff::", Public),
            ("4000:: fbff:ffff::", Reserved),
            ("fc00:: fcff:ffff::", Private),
            (
                "fd00:ec2:: fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff",
                Metadata,
            ),
            ("fd00:ec3:: fdff:ffff::", Private),
            ("fe80:: febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", LinkLocal),
            ("fec0:: feff:ffff::", Private),
            ("ff00:: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Multicast),
        ] {
            let (first, last) = range.split_once(' ').unwrap();
            assert_eq!((kind(first), kind(last)), (expected, expected), "{range}");
        }
    }

    #[test]
    fn metadata_services_are_known_wherever_they_hide() {
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:42::42",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::ffff:100.100.100.200",
        ] {
            assert_eq!(kind(address), AddressKind::Metadata, "{address}");
        }
    }

    proptest! {
        #[test]
        fn an_address_in_disguise_is_what_it_is(bits: u32, tail: u64) {
            let plain = AddressKind::of(Ipv4Addr::from_bits(bits).into());
            let (high, low) = (bits >> 16, bits & 0xffff);
            for form in [
                format!("::ffff:{high:x}:{low:x}"),
                format!("64:ff9b::{high:x}:{low:x}"),
                format!("2002:{high:x}:{low:x}:{:x}::{:x}", tail >> 48, tail & 0xffff),
            ] {
                prop_assert_eq!(kind(&form), plain, "{}", form);
            }
            // Nothing of the old compatible form is reachable as a public address.
            prop_assert_ne!(kind(&format!("::{high:x}:{low:x}")), AddressKind::Public);
        }

        #[test]
        fn what_the_standard_library_calls_special_is_never_public(v4: u32, v6: u128) {
            let four = Ipv4Addr::from_bits(v4);
            let special = four.is_private() || four.is_loopback() || four.is_link_local()
                || four.is_multicast() || four.is_broadcast() || four.is_documentation()
                || four.is_unspecified();
            prop_assert!(!special || AddressKind::of(four.into()) != AddressKind::Public);
            for six in [v6, v6 | 0xfe80 << 112, v6 | 0xfc00 << 112] {
                let six = Ipv6Addr::from_bits(six);
                let special = six.is_unique_local() || six.is_unicast_link_local()
                    || six.is_multicast() || six.is_loopback() || six.is_unspecified();
                prop_assert!(!special || AddressKind::of(six.into()) != AddressKind::Public);
            }
        }
    }
}
