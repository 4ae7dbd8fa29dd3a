//! Tests of access: every RPC has a permission, every role its part of them, every bad token its reason.

use std::time::Duration;

use super::*;

const ALL: [Permission; 8] = [
    Permission::Authenticated,
    Permission::Read,
    Permission::Write,
    Permission::Invalidate,
    Permission::InvalidateAll,
    Permission::Preload,
    Permission::Stats,
    Permission::Watch,
];

/// The permissions of each role, written out a second time so that a change of the code is noticed.
fn expected(role: Role) -> &'static [Permission] {
    use Permission::{Authenticated, Invalidate, Preload, Read, Stats, Watch, Write};
    match role {
        Role::Reader => &[Authenticated, Read, Stats, Watch],
        Role::Writer => &[Authenticated, Read, Stats, Watch, Write, Invalidate, Preload],
        Role::Admin => &ALL,
    }
}

fn settings(token: &token::NewToken, role: Role, namespaces: &[&str]) -> TokenSettings {
    let mut sha256 = [0; 32];
    hex::decode_to_slice(&token.sha256_hex, &mut sha256).unwrap();
    let namespaces = namespaces.iter().map(|&name| name.to_owned()).collect();
    TokenSettings { id: token.id.clone(), sha256, role, namespaces, expires: None }
}

fn bearing(text: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(text).unwrap());
    headers
}

fn shown(token: &token::NewToken) -> HeaderMap {
    bearing(&format!("Bearer {}", token.secret_text))
}

fn reason(access: &Access, headers: &HeaderMap) -> &'static str {
    access.authenticate(headers).unwrap_err().reason.name()
}

#[test]
fn every_rpc_of_the_contract_needs_something() {
    let permissions = Permissions::of_contract();
    let all: Vec<(&str, Permission)> = permissions.iter().collect();
    assert!(all.len() >= 11, "{all:?}");
    assert!(all.iter().all(|(_, permission)| *permission != Permission::Unspecified), "{all:?}");
    let needs = |rpc: &str| permissions.need(&format!("/hotplate.v1.CacheService/{rpc}"));
    assert_eq!(needs("Get"), Need::Permission(Permission::Read));
    assert_eq!(needs("BatchPut"), Need::Permission(Permission::Write));
    assert_eq!(needs("GetServerInfo"), Need::Permission(Permission::Authenticated));
    assert_eq!(needs("Steal"), Need::NoSuchRpc);
    assert_eq!(permissions.need("/grpc.health.v1.Health/Check"), Need::Nothing);
    assert_eq!(permissions.need("/grpc.health.v1.HealthX/Check"), Need::NoSuchRpc);
    let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    assert_eq!(permissions.need(reflection), Need::Permission(Permission::Authenticated));
}

/// The caller may call exactly the RPCs of the contract whose permission is granted.
fn check_rpcs(caller: &Caller, namespace: &str, granted: impl Fn(Permission) -> bool) {
    for (path, permission) in Permissions::of_contract().iter() {
        assert_eq!(caller.allows(permission, namespace), granted(permission), "{path} in {namespace}");
        assert_eq!(caller.check(permission, namespace).is_ok(), granted(permission));
    }
}

#[test]
fn each_role_may_call_exactly_its_rpcs_in_exactly_its_namespaces() {
    let patterns: [(&[&str], &[&str], &[&str]); 3] = [
        (&["team-a/*"], &["team-a/x", "team-a/x/y"], &["team-a", "team-a/", "team-ab/x", "default", ""]),
        (&["default", "shared"], &["", "default", "shared"], &["shared/x", "Shared", "shared2"]),
        (&["*"], &["", "default", "team-a/x"], &[]),
    ];
    for role in ROLES {
        for (namespaces, inside, outside) in patterns {
            let made = token::generate();
            let access = Access::new(&[settings(&made, role, namespaces)], Clock::manual());
            let caller = access.authenticate(&shown(&made)).unwrap();
            assert_eq!(caller.id(), made.id);
            let granted = |permission: Permission| expected(role).contains(&permission);
            inside.iter().for_each(|namespace| check_rpcs(&caller, namespace, granted));
            let outsider = |permission: Permission| permission == Permission::Authenticated;
            outside.iter().for_each(|namespace| check_rpcs(&caller, namespace, outsider));
            assert_eq!(caller.allows(Permission::InvalidateAll, inside[0]), role == Role::Admin);
            assert!(!caller.allows(Permission::Unspecified, inside[0]));
        }
    }
}

#[test]
fn tokens_are_refused_with_their_reason() {
    let made = token::generate();
    let access = Access::new(&[settings(&made, Role::Writer, &["*"])], Clock::manual());
    assert_eq!(reason(&access, &HeaderMap::new()), "TOKEN_MISSING");
    let mut wrong_secret = made.secret_text.clone();
    let last = if wrong_secret.pop() == Some('A') { 'Q' } else { 'A' };
    wrong_secret.push(last);
    let bad = [
        format!("Bearer {wrong_secret}"),
        format!("Bearer {}", token::generate().secret_text),
        format!("Basic {}", made.secret_text),
        format!("Bearer {}x", made.secret_text),
        format!("Bearer {}", made.secret_text.replace("hp_", "hq_")),
        made.secret_text.clone(),
        "Bearer ".to_owned(),
        "Bearer hp_".to_owned(),
        format!("Bearer hp_{}", "a".repeat(5000)),
    ];
    for text in bad {
        assert_eq!(reason(&access, &bearing(&text)), "TOKEN_INVALID", "{text}");
    }
    let mut not_ascii = HeaderMap::new();
    not_ascii.insert(AUTHORIZATION, HeaderValue::from_bytes(b"Bearer hp_\xff").unwrap());
    assert_eq!(reason(&access, &not_ascii), "TOKEN_INVALID");
    assert!(access.authenticate(&bearing(&format!("bearer {}", made.secret_text))).is_ok(), "schemes ignore case");
    let denied = access.authenticate(&shown(&made)).unwrap().check(Permission::InvalidateAll, "x").unwrap_err();
    assert_eq!(denied.reason.name(), "PERMISSION_DENIED");
    assert!(!denied.reason.is_authentication() && denied.message.contains("invalidate_all"), "{denied:?}");
    assert!(!denied.message.contains(&made.secret_text));
}

#[test]
fn tokens_expire_by_the_clock() {
    let clock = Clock::manual();
    let made = token::generate();
    let mut token = settings(&made, Role::Reader, &["*"]);
    token.expires = Some(clock.wall(clock.now()) + Duration::from_secs(10));
    let access = Access::new(&[token], clock.clone());
    let caller = access.authenticate(&shown(&made)).unwrap();
    assert_eq!(access.time_left(&caller), Some(Duration::from_secs(10)));
    clock.advance(Duration::from_nanos(9_999_999_999));
    assert!(access.authenticate(&shown(&made)).is_ok());
    clock.advance(Duration::from_nanos(1));
    assert_eq!(reason(&access, &shown(&made)), "TOKEN_EXPIRED");
    assert_eq!(access.time_left(&caller), Some(Duration::ZERO));
}

#[test]
fn an_id_may_have_two_secrets_while_callers_change_over() {
    let (old, mut new) = (token::generate(), token::generate());
    new.secret_text = new.secret_text.replace(&new.id, &old.id);
    new.sha256_hex = hex::encode(Sha256::digest(new.secret_text.as_bytes()));
    new.id.clone_from(&old.id);
    let both = [settings(&old, Role::Reader, &["*"]), settings(&new, Role::Writer, &["*"])];
    let access = Access::new(&both, Clock::manual());
    assert!(!access.authenticate(&shown(&old)).unwrap().allows(Permission::Write, "x"));
    assert!(access.authenticate(&shown(&new)).unwrap().allows(Permission::Write, "x"));
}

#[test]
fn without_tokens_everyone_may_do_everything() {
    let access = Access::new(&[], Clock::manual());
    assert!(access.is_open());
    assert_eq!(access.method(), "none");
    let caller = access.authenticate(&HeaderMap::new()).unwrap();
    assert!(ALL.iter().all(|permission| caller.allows(*permission, "any")));
    assert_eq!(access.time_left(&caller), None);
    let closed = Access::new(&[settings(&token::generate(), Role::Reader, &["*"])], Clock::manual());
    assert_eq!(closed.method(), "token");
}

#[test]
fn generated_tokens_have_their_form_and_differ() {
    let made = token::generate();
    assert_eq!(token::id_of(&made.secret_text), Some(made.id.as_str()));
    assert_eq!(made.secret_text.len(), 3 + token::ID_CHARS + 1 + token::SECRET_CHARS);
    assert_eq!(made.sha256_hex, hex::encode(Sha256::digest(made.secret_text.as_bytes())));
    let other = token::generate();
    assert_ne!(made.secret_text[12..], other.secret_text[12..]);
    for text in ["", "hp_", "hp_short_x", &made.secret_text[..54], "hp_äbcdefg_"] {
        assert_eq!(token::id_of(text), None, "{text}");
    }
}

#[test]
fn patterns_are_names_prefixes_or_everything() {
    for good in ["*", "team-a/*", "team-a", "a/b/*", "a.b_c"] {
        assert_eq!(check_pattern(good), Ok(()), "{good}");
    }
    for bad in ["", "/*", "a*", "*/a", "a/*/b", "a b", "**", "a/**"] {
        assert!(check_pattern(bad).is_err(), "{bad}");
    }
}

#[test]
fn who_shows_the_same_again_is_the_same_until_it_expires() {
    let clock = Clock::manual();
    let (one, other) = (token::generate(), token::generate());
    let mut expiring = settings(&one, Role::Reader, &["*"]);
    expiring.expires = Some(clock.wall(clock.now()) + Duration::from_secs(10));
    let access = Access::new(&[expiring, settings(&other, Role::Writer, &["*"])], clock.clone());
    let known = Known::default();
    let who = |headers: &HeaderMap| access.recognize(headers, &known).map(|caller| caller.id().to_owned());
    for _ in 0..2 {
        assert_eq!(who(&shown(&one)).as_ref(), Ok(&one.id));
        assert_eq!(who(&shown(&other)).as_ref(), Ok(&other.id), "another caller of the same connection");
        assert_eq!(who(&HeaderMap::new()).unwrap_err().reason.name(), "TOKEN_MISSING");
        let last = bearing(&format!("Bearer {}x", other.secret_text));
        assert_eq!(who(&last).unwrap_err().reason.name(), "TOKEN_INVALID");
    }
    assert_eq!(who(&shown(&one)).as_ref(), Ok(&one.id));
    clock.advance(Duration::from_secs(10));
    assert_eq!(who(&shown(&one)).unwrap_err().reason.name(), "TOKEN_EXPIRED");
    assert_eq!(who(&shown(&other)).as_ref(), Ok(&other.id));
}
