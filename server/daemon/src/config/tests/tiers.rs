//! Settings of tiers beside memory that a start would refuse, or that cannot work: found by looking.

use super::*;

const REDIS: &str = "[shared]\nurl = \"redis://127.0.0.1\"\n";

#[test]
fn files_of_redis_are_looked_at() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (missing, empty) = (dir.path().join("missing").display().to_string(), file("empty", "\n"));
    let (lines, text) = (file("lines", "one\ntwo\n"), file("text", "secret\n"));
    for (setting, path, said) in [
        ("password_file", &missing, "No such file"),
        ("password_file", &empty, "has to hold one line"),
        ("username_file", &lines, "has to hold one line"),
        ("username_file", &text, "shared.password_file: a user of Redis needs a password"),
        ("ca_file", &missing, "No such file"),
        ("ca_file", &text, "shared.ca_file"),
    ] {
        let refused = problem(&[], &[], &format!("{REDIS}{setting} = \"{path}\"\n"));
        assert!(refused.contains(said) && !refused.contains("secret"), "{setting} {path}: {refused}");
        let alone = problem(&[], &[], &format!("[shared]\n{setting} = \"{text}\"\n"));
        assert!(alone.contains("shared.url is not"), "{setting}: {alone}");
    }
    assert!(load_from(&[], &[], &format!("{REDIS}password_file = \"{text}\"\n")).is_ok());
}

#[test]
fn a_user_in_the_url_is_told_where_to_go() {
    for account in ["hotplate@", "hotplate:@", "u:secret@", ":secret@"] {
        let refused = problem(&[], &[], &format!("[shared]\nurl = \"redis://{account}127.0.0.1\"\n"));
        assert!(refused.contains("shared.username_file") && refused.contains("shared.password_file"), "{refused}");
        assert!(!refused.contains("secret@"), "{refused}");
    }
}

#[test]
fn what_cannot_lie_anywhere_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    let (file, below, foreign) = (file.display(), file.join("disk"), dir.path().display());
    let disk = |path: &dyn std::fmt::Display| problem(&[], &[], &format!("[disk]\npath = \"{path}\"\n"));
    assert!(disk(&"/proc/x").contains("disk.path /proc/x is below /proc"));
    assert!(disk(&file).contains("is a file, and no directory; disk.required = false"));
    assert!(disk(&below.display()).contains("cannot be made"));
    assert!(disk(&foreign).contains("is not empty and not a cache's"));
    let may_be_away = format!("[disk]\npath = \"{file}\"\nrequired = false\n");
    let warned = load_from(&[], &[], &may_be_away).unwrap().warnings;
    assert!(warned.iter().any(|warning| warning.contains("is a file")), "{warned:?}");
    let new = dir.path().join("a/b").display().to_string();
    assert!(load_from(&["--disk-path", &new], &[], "").is_ok() && !dir.path().join("a").exists(), "only looked at");
    for prefix in ["a{b}*", ""] {
        let refused = problem(&["--shared-prefix", prefix], &[], REDIS);
        assert!(refused.contains("shared.prefix"), "{refused}");
    }
}

#[test]
fn tiers_that_are_not_there_are_not_named() {
    for (own, said) in [
        ("tiers = \"memory+disk\"", "namespaces.a.tiers names the disk, and disk.path is not set"),
        ("tiers = \"memory+shared\"", "shared.url is not set"),
        ("coherence = \"strict\"", "namespaces.a.coherence is `strict`, and shared.url is not set"),
    ] {
        let refused = problem(&[], &[], &format!("[namespaces.a]\n{own}\n"));
        assert!(refused.contains(said), "{refused}");
    }
    let left_out = format!("{REDIS}[namespaces.a]\ntiers = \"memory\"\ncoherence = \"strict\"\n");
    assert!(problem(&[], &[], &left_out).contains("leave out what servers share"));
    assert!(problem(&["--memory-entries-max", "0"], &[], "").contains("nothing could be kept"));
    let warned = load_from(&["--snapshot-path", "hot"], &[], REDIS).unwrap().warnings;
    assert!(warned.iter().any(|warning| warning.contains("snapshot.path is not used")), "{warned:?}");
}
