//! What each RPC needs, read once from the contract's own option. No RPC is named here.

use std::collections::HashMap;

use hotplate_proto::v1::Permission;
use prost_reflect::{DescriptorPool, Value};

/// Services every server has that the contract does not describe, by the start of their paths.
const HEALTH: &str = "/grpc.health.v1.Health/";
const REFLECTION: [&str; 2] = ["/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/"];

/// What an RPC needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: probes have no token.
    Nothing,
    /// This permission, in the namespace the request names.
    Permission(Permission),
    /// There is no such RPC: nobody may call it.
    NoSuchRpc,
}

/// The permissions of all RPCs.
#[derive(Debug)]
pub struct Permissions(HashMap<String, Permission>);

impl Permissions {
    /// Reads them from the contract's descriptor set.
    #[must_use]
    pub fn of_contract() -> Self {
        let pool = DescriptorPool::decode(hotplate_proto::FILE_DESCRIPTOR_SET)
            .expect("the descriptor set was written by the build of the contract");
        let needs = pool
            .get_extension_by_name("hotplate.v1.needs")
            .expect("the build of the contract fails without the option");
        let mut by_path = HashMap::new();
        for service in pool.services() {
            for method in service.methods() {
                let number = match method.options().get_extension(&needs).as_ref() {
                    Value::EnumNumber(number) => *number,
                    _ => 0,
                };
                let permission = Permission::try_from(number).unwrap_or(Permission::Unspecified);
                by_path.insert(format!("/{}/{}", service.full_name(), method.name()), permission);
            }
        }
        Self(by_path)
    }

    /// What the RPC at this path needs.
    #[must_use]
    pub fn need(&self, path: &str) -> Need {
        if let Some(permission) = self.0.get(path) {
            return Need::Permission(*permission);
        }
        if path.starts_with(HEALTH) {
            return Need::Nothing;
        }
        if REFLECTION.iter().any(|prefix| path.starts_with(prefix)) {
            return Need::Permission(Permission::Authenticated);
        }
        Need::NoSuchRpc
    }

    /// All of them, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Permission)> {
        self.0.iter().map(|(path, permission)| (path.as_str(), *permission))
    }
}
