//! Who administers, and what they may do.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::organization::OrganizationId;

/// What an admin token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, admin tokens too.
    Owner,
    /// Organizations, credentials and keys; of all organizations or of one.
    Operator,
    /// Reads; of all organizations or of one.
    Auditor,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Owner, Self::Operator, Self::Auditor];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
        }
    }

    /// Reads the label that [`Self::as_str`] writes.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == label)
    }
}

impl std::str::FromStr for Role {
    type Err = &'static str;

    fn from_str(label: &str) -> Result<Self, Self::Err> {
        Self::from_label(label).ok_or("expected owner, operator or auditor")
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an action takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// To see.
    Read,
    /// To change what belongs to organizations.
    Operate,
    /// To decide who administers, and what ends for good.
    Own,
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Someone at the command line, who has the database and its key anyway.
    Local { user: String },
    /// The holder of an admin token; `organization` is the one that it is for, if not all.
    Token {
        id: String,
        name: String,
        role: Role,
        organization: Option<OrganizationId>,
    },
    /// Locum itself: what ends by time, and what it puts right.
    Locum,
}

impl Actor {
    /// Whether this may be done to `organization`, or (`None`) to the installation as a whole.
    pub fn may(&self, right: Right, organization: Option<OrganizationId>) -> bool {
        match self {
            Self::Local { .. } | Self::Locum => true,
            Self::Token {
                role,
                organization: scope,
                ..
            } => role.has(right) && (scope.is_none() || *scope == organization),
        }
    }

    /// The one organization that this actor knows of; `None` stands for all.
    pub fn scope(&self) -> Option<OrganizationId> {
        match self {
            Self::Token { organization, .. } => *organization,
            Self::Local { .. } | Self::Locum => None,
        }
    }

    /// How people know them: what stands beside a credential as the one who entered it.
    pub fn name(&self) -> &str {
        match self {
            Self::Local { user } => user,
            Self::Token { id, name, .. } if name.is_empty() => id,
            Self::Token { name, .. } => name,
            Self::Locum => "locum",
        }
    }
}

impl Role {
    fn has(self, right: Right) -> bool {
        match self {
            Self::Owner => true,
            Self::Operator => matches!(right, Right::Read | Right::Operate),
            Self::Auditor => right == Right::Read,
        }
    }
}

/// As the audit log has it: the kind, and what names one of that kind for good.
impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { user } => write!(f, "local:{user}"),
            Self::Token { id, .. } => write!(f, "token:{id}"),
            Self::Locum => f.write_str("locum"),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn token(role: Role, organization: Option<u128>) -> Actor {
        Actor::Token {
            id: "id".to_owned(),
            name: String::new(),
            role,
            organization: organization.map(|id| OrganizationId(Uuid::from_u128(id))),
        }
    }

    #[test]
    fn roles_and_scopes_decide_together() {
        let one = Some(OrganizationId(Uuid::from_u128(1)));
        let two = Some(OrganizationId(Uuid::from_u128(2)));
        let rights = [Right::Read, Right::Operate, Right::Own];
        let of = |actor: &Actor, place| rights.map(|right| actor.may(right, place));
        for place in [None, one] {
            assert_eq!(of(&token(Role::Owner, None), place), [true; 3]);
            assert_eq!(of(&token(Role::Operator, None), place), [true, true, false]);
            assert_eq!(of(&token(Role::Auditor, None), place), [true, false, false]);
        }
        let scoped = token(Role::Operator, Some(1));
        assert_eq!(of(&scoped, one), [true, true, false]);
        assert_eq!(of(&scoped, two), [false; 3]);
        assert_eq!(of(&scoped, None), [false; 3]);
    }
}
