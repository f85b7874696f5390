//! Host names to addresses that may be connected to.
//!
//! The connector gets what passed the policy and nothing else: the address that was checked is the
//! address that is connected to, however often a name changes its mind.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::domain::destination::{Destinations, HostName};

/// Addresses of a host name, to come.
pub type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// What names mean. A parameter, as the clock is.
pub trait Resolver: Send + Sync {
    fn lookup(&self, name: &str) -> Lookup;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn lookup(&self, name: &str) -> Lookup {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// A resolver behind the policy.
pub(super) struct Checked {
    pub resolver: Arc<dyn Resolver>,
    pub destinations: Arc<Destinations>,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = self.resolver.lookup(name.as_str());
        let destinations = self.destinations.clone();
        Box::pin(async move {
            let host = HostName::parse(name.as_str())?;
            let mut allowed = Vec::new();
            let mut refused = None;
            for address in lookup.await? {
                match destinations.admit(&host, address) {
                    Ok(()) => allowed.push(SocketAddr::new(address, 0)),
                    Err(error) => refused = Some(error),
                }
            }
            match refused {
                Some(refused) if allowed.is_empty() => Err(refused.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::domain::destination::ForbiddenAddress;

    /// A name that means something else every time it is asked for.
    struct Rebinding(Mutex<Vec<Vec<IpAddr>>>);

    impl Resolver for Rebinding {
        fn lookup(&self, _: &str) -> Lookup {
            let answer = self.0.lock().unwrap().remove(0);
            Box::pin(async move { Ok(answer) })
        }
    }

    fn checked(answers: &[&[&str]]) -> Checked {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        Checked {
            resolver: Arc::new(Rebinding(Mutex::new(answers.iter().map(parse).collect()))),
            destinations: Arc::default(),
        }
    }

    async fn resolve(checked: &Checked) -> Result<Vec<String>, String> {
        let found = checked.resolve("api.example".parse().unwrap()).await;
        match found {
            Ok(found) => Ok(found.map(|address| address.ip().to_string()).collect()),
            Err(error) => {
                assert!(error.is::<ForbiddenAddress>());
                Err(error.to_string())
            }
        }
    }

    #[tokio::test]
    async fn a_name_that_is_public_first_and_private_later_is_refused_later() {
        let checked = checked(&[
            &["8.8.8.8"],
            &["10.0.0.5"],
            &["127.0.0.1", "::1"],
            &["169.254.169.254"],
            &["8.8.4.4"],
        ]);
        assert_eq!(resolve(&checked).await.unwrap(), ["8.8.8.8"]);
        for kind in ["(private)", "(loopback)", "(metadata)"] {
            let refused = resolve(&checked).await.unwrap_err();
            assert!(
                refused.starts_with("`api.example` resolves to"),
                "{refused}"
            );
            assert!(refused.contains(kind), "{refused}");
        }
        assert_eq!(resolve(&checked).await.unwrap(), ["8.8.4.4"]);
    }

    #[tokio::test]
    async fn of_a_mixed_answer_only_what_is_allowed_is_used() {
        let checked = checked(&[
            &[
                "10.0.0.5",
                "8.8.8.8",
                "::ffff:10.0.0.5",
                "2600::1",
                "fe80::1",
            ],
            &[],
        ]);
        assert_eq!(resolve(&checked).await.unwrap(), ["8.8.8.8", "2600::1"]);
        assert!(resolve(&checked).await.unwrap().is_empty());
    }
}
