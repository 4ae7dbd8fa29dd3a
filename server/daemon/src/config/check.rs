//! What must hold between settings, and what is only worth a warning.

mod tiers;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use hotplate_engine::namespace::KindTtl;
use tracing_subscriber::EnvFilter;

use super::{
    ConfigError,
    shape::{Create, NamespaceSettings, Settings},
    values::{duration_text, size_text},
};

/// Room a message needs around the largest value: key, tags, labels and framing at their bounds.
const MESSAGE_OVERHEAD: usize = 64 << 10;
/// Tokens at most.
const TOKENS_MAX: usize = 10_000;
/// Tokens of one id at most: the old and the new one while callers change over.
const TOKENS_PER_ID_MAX: usize = 2;

/// Refuses settings that contradict each other.
///
/// # Errors
/// All contradictions; of the kind [`super::ErrorKind::OpenBind`] when the only one is an open server on a reachable
/// address.
pub(super) fn check(settings: &Settings) -> Result<(), ConfigError> {
    let mut found = Vec::new();
    sizes(settings, &mut found);
    lifetimes(settings, &mut found);
    files(settings, &mut found);
    tokens(settings, &mut found);
    names(settings, &mut found);
    policies(settings, &mut found);
    tiers::tiers(settings, &mut found);
    if let Err(error) = settings.origins() {
        found.extend(error.problems().iter().cloned());
    }
    if !found.is_empty() {
        return Err(ConfigError::of(found));
    }
    open_bind(settings)
}

/// What looks wrong but can be used.
pub(super) fn warnings(settings: &Settings) -> Vec<String> {
    let mut found = Vec::new();
    let open = settings.access.tokens.is_empty();
    if open && settings.access.insecure_bind && !is_loopback(settings.grpc.listen) {
        let listen = settings.grpc.listen;
        found.push(format!("listening on {listen} without access control: everyone who can connect may do everything"));
    }
    if !open && settings.tls.cert_file.is_none() && !is_loopback(settings.grpc.listen) {
        found.push("tokens travel in plaintext: set tls.cert_file and tls.key_file, or put TLS in front".to_owned());
    }
    quotas_without_effect(settings, &mut found);
    tiers::warnings(settings, &mut found);
    found
}

fn quotas_without_effect(settings: &Settings, found: &mut Vec<String>) {
    let memory = &settings.memory;
    for (name, own) in &settings.namespaces.configured {
        let quotas = [
            ("bytes_max", own.bytes_max.is_some_and(|bytes| bytes > memory.bytes_max)),
            ("entries_max", own.entries_max.is_some_and(|entries| entries > memory.entries_max)),
        ];
        for (key, _) in quotas.into_iter().filter(|(_, above)| *above) {
            found.push(format!("namespaces.{name}.{key} is above memory.{key}, so it has no effect"));
        }
    }
}

fn open_bind(settings: &Settings) -> Result<(), ConfigError> {
    if !settings.access.tokens.is_empty() || settings.access.insecure_bind {
        return Ok(());
    }
    let listens = [("grpc.listen", settings.grpc.listen), ("http.listen", settings.http.listen)];
    let Some((key, address)) = listens.into_iter().find(|(_, address)| !is_loopback(*address)) else {
        return Ok(());
    };
    Err(ConfigError::open_bind(format!(
        "refusing to listen on {address} ({key}) without access control: create a token with `hotplate token create` \
         and add it as [[access.tokens]], listen on 127.0.0.1, or start with --insecure-bind"
    )))
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn sizes(settings: &Settings, found: &mut Vec<String>) {
    let limits = &settings.limits;
    let needed = limits.unary_value_bytes_max.min(limits.value_bytes_max).saturating_add(MESSAGE_OVERHEAD);
    if limits.message_bytes_max < needed {
        let (message, needed) = (size_text(limits.message_bytes_max as u64), size_text(needed as u64));
        found.push(format!(
            "limits.message_bytes_max is {message}, but a value of limits.unary_value_bytes_max needs messages of {needed}"
        ));
    }
    // What memory refuses a disk serves alone.
    let unary = limits.unary_value_bytes_max.min(limits.value_bytes_max);
    if unary > settings.memory.bytes_max && settings.disk.path.is_none() {
        found.push("limits.unary_value_bytes_max is above memory.bytes_max: no such value could be stored".to_owned());
    }
    if !settings.memory.shards.is_power_of_two() {
        found.push(format!("memory.shards is {}, which is no power of two", settings.memory.shards));
    }
    let preload = &settings.preload;
    if preload.parallelism_default > preload.parallelism_max {
        found.push("preload.parallelism_default is above preload.parallelism_max".to_owned());
    }
    let shutdown = &settings.shutdown;
    if shutdown.drain_delay >= shutdown.deadline {
        found.push(format!(
            "shutdown.drain_delay ({}) leaves nothing of shutdown.deadline ({})",
            duration_text(shutdown.drain_delay),
            duration_text(shutdown.deadline)
        ));
    }
    if settings.grpc.listen == settings.http.listen && settings.grpc.listen.port() != 0 {
        found.push(format!("grpc.listen and http.listen are both {}", settings.grpc.listen));
    }
}

fn lifetimes(settings: &Settings, found: &mut Vec<String>) {
    let plain = NamespaceSettings::default();
    lifetimes_of("ttl", &plain, settings, found);
    kinds_of("kinds", &settings.kinds, settings, found);
    for (name, namespace) in &settings.namespaces.configured {
        let path = format!("namespaces.{name}");
        lifetimes_of(&path, namespace, settings, found);
        kinds_of(&format!("{path}.kinds"), &namespace.kinds, settings, found);
    }
    let too_short = settings.ttl_classes.iter().filter(|(_, ttl)| ttl.is_zero());
    found.extend(too_short.map(|(name, _)| format!("ttl_classes.{name}: a lifetime is longer than zero")));
}

fn lifetimes_of(path: &str, own: &NamespaceSettings, settings: &Settings, found: &mut Vec<String>) {
    let most = own.ttl_max.unwrap_or(settings.ttl.max);
    let checked = [
        ("default", own.ttl_default.unwrap_or(settings.ttl.default)),
        ("negative", own.ttl_negative.unwrap_or(settings.ttl.negative)),
        ("failure", own.ttl_failure.unwrap_or(settings.ttl.failure)),
    ];
    for (what, ttl) in checked {
        if ttl > most {
            let (ttl, most) = (duration_text(ttl), duration_text(most));
            found.push(format!("{path}: the {what} lifetime is {ttl}, above the longest one, {most}"));
        }
    }
}

fn kinds_of(path: &str, kinds: &BTreeMap<String, KindTtl>, settings: &Settings, found: &mut Vec<String>) {
    for (kind, lifetime) in kinds {
        if let KindTtl::Class(class) = lifetime
            && !settings.ttl_classes.contains_key(class)
        {
            let near = super::nearest(class, settings.ttl_classes.keys().map(String::as_str));
            let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            found.push(format!("{path}.{kind}: `{class}` is neither a duration nor a TTL class{hint}"));
        }
    }
}

fn files(settings: &Settings, found: &mut Vec<String>) {
    if let Err(error) = crate::tls::acceptor(&settings.tls) {
        found.push(error.to_string());
    }
    if !settings.log.filter.is_empty()
        && let Err(error) = EnvFilter::builder().parse(&settings.log.filter)
    {
        found.push(format!("log.filter: {error}"));
    }
}

fn tokens(settings: &Settings, found: &mut Vec<String>) {
    let tokens = &settings.access.tokens;
    if tokens.len() > TOKENS_MAX {
        found.push(format!("access.tokens: {} tokens, at most {TOKENS_MAX} are accepted", tokens.len()));
    }
    let mut by_id: BTreeMap<&str, usize> = BTreeMap::new();
    for token in tokens {
        *by_id.entry(&token.id).or_default() += 1;
        if token.namespaces.is_empty() {
            found.push(format!("access.tokens: `{}` is for no namespace: write [\"*\"] for all", token.id));
        }
    }
    for (id, count) in by_id.into_iter().filter(|(_, count)| *count > TOKENS_PER_ID_MAX) {
        found.push(format!("access.tokens: `{id}` is there {count} times, at most {TOKENS_PER_ID_MAX}"));
    }
}

fn policies(settings: &Settings, found: &mut Vec<String>) {
    let own = settings.namespaces.configured.iter();
    let own = own.filter_map(|(name, own)| Some((format!("namespaces.{name}.policy"), own.policy.as_ref()?)));
    for (path, policy) in own.chain([("memory.policy".to_owned(), &settings.memory.policy)]) {
        if let Err(error) = hotplate_engine::policy::find(policy) {
            found.push(format!("{path}: {}", error.message()));
        }
    }
}

fn names(settings: &Settings, found: &mut Vec<String>) {
    let namespaces = &settings.namespaces;
    if namespaces.configured.len() > namespaces.max {
        let count = namespaces.configured.len();
        found.push(format!("{count} namespaces are configured, above namespaces.max ({})", namespaces.max));
    }
    if namespaces.create == Create::Configured && namespaces.configured.is_empty() {
        found
            .push("namespaces.create is `configured`, but no [namespaces.NAME] is: nothing could be stored".to_owned());
    }
    let zero = |ttl: Duration| ttl.is_zero();
    if zero(settings.ttl.default) || zero(settings.ttl.negative) || zero(settings.ttl.failure) {
        found.push("ttl.default, ttl.negative and ttl.failure are longer than zero".to_owned());
    }
}
