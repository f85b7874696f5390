//! Whose turn it is to be written down: all organizations, or where there are many a part of them.

use crate::domain::organization::OrganizationId;

/// What is written down of profiles and of their tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A login, a token, a failure; requests of a day that has a limit.
    News,
    /// How many calls and requests there were, too.
    Numbers,
}

/// The parts of all organizations whose turn it is, and what is told of each.
#[derive(Default)]
pub struct Turn([Option<Told>; Turn::PARTS]);

impl Turn {
    pub const PARTS: usize = 6;

    pub fn of_all() -> Self {
        Self([Some(Told::Numbers); Self::PARTS])
    }

    pub fn tell(&mut self, part: usize, what: Told) {
        self.0[part] = Some(what);
    }

    /// Whether that is told of some.
    pub(super) fn tells(&self, what: Told) -> bool {
        self.0.contains(&Some(what))
    }

    pub fn of_part(&self, part: usize) -> Option<Told> {
        self.0[part]
    }

    /// The part that an organization is in.
    pub(super) fn part(organization: OrganizationId) -> usize {
        // The end of an id is as good as random.
        (organization.0.as_u128() % Self::PARTS as u128) as usize
    }

    /// What is told of an organization, if it is its turn.
    pub(super) fn of(&self, organization: OrganizationId) -> Option<Told> {
        self.of_part(Self::part(organization))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_organization_is_in_one_part_and_each_part_has_as_many() {
        let mut counts = [0; Turn::PARTS];
        for _ in 0..6_000 {
            let organization = OrganizationId(Uuid::now_v7());
            let in_part = |part: &usize| {
                let mut turn = Turn::default();
                turn.tell(*part, Told::News);
                turn.of(organization).is_some()
            };
            let parts: Vec<usize> = (0..Turn::PARTS).filter(in_part).collect();
            assert_eq!(parts.len(), 1);
            counts[parts[0]] += 1;
            assert_eq!(Turn::of_all().of(organization), Some(Told::Numbers));
        }
        assert!(
            counts.iter().all(|count| (700..1_300).contains(count)),
            "{counts:?}"
        );
    }
}
