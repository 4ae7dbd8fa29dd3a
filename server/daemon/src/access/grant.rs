//! What a token allows: a role in some namespaces. Deny is the default.

use std::sync::Arc;

use hotplate_proto::v1::Permission;

/// A named set of permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads, follows, counts.
    Reader,
    /// And writes, invalidates by selector, preloads.
    Writer,
    /// And everything else.
    Admin,
}

/// All roles, least first.
pub const ROLES: [Role; 3] = [Role::Reader, Role::Writer, Role::Admin];

impl Role {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Admin => "admin",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ROLES.into_iter().find(|role| role.name() == name)
    }

    fn allows(self, permission: Permission) -> bool {
        match permission {
            Permission::Unspecified => false,
            Permission::Authenticated | Permission::Read | Permission::Watch | Permission::Stats => true,
            Permission::Write | Permission::Invalidate | Permission::Preload => self != Self::Reader,
            Permission::InvalidateAll => self == Self::Admin,
        }
    }
}

/// A role in the namespaces that some patterns match.
#[derive(Clone, Debug)]
pub struct Grant {
    role: Role,
    namespaces: Arc<[Pattern]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Any,
    Exact(String),
    /// Everything below, written `prefix/*`; kept with its slash, so that `team-a/*` leaves `team-ab/x` alone.
    Below(String),
}

impl Grant {
    /// The role in these namespaces: names, `prefix/*` or `*`.
    #[must_use]
    pub fn new(role: Role, namespaces: &[String]) -> Self {
        Self { role, namespaces: namespaces.iter().map(|text| Pattern::of(text)).collect() }
    }

    /// Everything everywhere.
    #[must_use]
    pub fn everything() -> Self {
        Self { role: Role::Admin, namespaces: Arc::from([Pattern::Any]) }
    }

    /// Whether it allows this somewhere.
    pub(super) fn has(&self, permission: Permission) -> bool {
        self.role.allows(permission) && !self.namespaces.is_empty()
    }

    /// Whether it allows this in that namespace.
    #[must_use]
    pub fn allows(&self, permission: Permission, namespace: &str) -> bool {
        self.role.allows(permission) && self.namespaces.iter().any(|pattern| pattern.matches(namespace))
    }
}

impl Pattern {
    fn of(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some("") => Self::Any,
            Some(prefix) if prefix.ends_with('/') => Self::Below(prefix.to_owned()),
            _ => Self::Exact(text.to_owned()),
        }
    }

    fn matches(&self, namespace: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(name) => name == namespace,
            Self::Below(prefix) => namespace.len() > prefix.len() && namespace.starts_with(prefix),
        }
    }
}

/// Checks a namespace pattern of the configuration: a namespace's name, `prefix/*` or `*`.
///
/// # Errors
/// A sentence with the rule.
pub fn check_pattern(text: &str) -> Result<(), String> {
    let name = match text.strip_suffix("/*") {
        _ if text == "*" => return Ok(()),
        Some(prefix) => prefix,
        None => text,
    };
    if name.is_empty() || hotplate_engine::key::namespace_name(name).is_err() {
        return Err(format!("`{text}` is no namespace pattern: write a name, `prefix/*` or `*`"));
    }
    Ok(())
}
