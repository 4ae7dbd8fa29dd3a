//! The rows of what lies besides memory.

use super::{MIB, MINUTE, NONE, Row, SECOND, Slot, row};

/// Those rows.
pub(super) const ROWS: &[Row] = &[
    row(
        "shared.url",
        NONE,
        "The Redis that replicas share: `redis://HOST:PORT/DB`, `rediss://` with TLS, `redis+sentinel://HOST:PORT,…/NAME` or \
         `redis+cluster://HOST:PORT,…`; empty means none.",
        |s| Slot::Text(&mut s.shared.url),
    ),
    row("shared.prefix", NONE, "What its keys there begin with: servers of one fleet have the same.", |s| {
        Slot::Text(&mut s.shared.prefix)
    }),
    row("shared.timeout", (1, 10 * SECOND), "How long a call to it may take.", |s| {
        Slot::Duration(&mut s.shared.timeout)
    }),
    row(
        "shared.value_bytes_max",
        (0, 512 * MIB),
        "Bytes of a value that may lie there at most; larger ones lie on the server that stored them.",
        |s| Slot::Bytes(&mut s.shared.value_bytes_max),
    ),
    row("shared.username_file", NONE, "A file with the name of its user; empty means the default user.", |s| {
        Slot::Path(&mut s.shared.username_file)
    }),
    row("shared.password_file", NONE, "A file with the password of that user; empty means none.", |s| {
        Slot::Path(&mut s.shared.password_file)
    }),
    row(
        "shared.ca_file",
        NONE,
        "Certificates of who may have signed its own, as PEM; empty means those of this machine.",
        |s| Slot::Path(&mut s.shared.ca_file),
    ),
    row(
        "shared.allow_local_ack",
        NONE,
        "Answer an Invalidate that it could not be told as done, for this server alone, and not with TIER_PENDING.",
        |s| Slot::Switch(&mut s.shared.allow_local_ack),
    ),
    row(
        "snapshot.path",
        NONE,
        "A file for the entries worth most, written at the end and read at the start where there is memory alone; empty: none.",
        |s| Slot::Path(&mut s.snapshot.path),
    ),
    row("snapshot.bytes_max", (MIB, u64::MAX), "Bytes of that file at most.", |s| {
        Slot::Bytes(&mut s.snapshot.bytes_max)
    }),
    row("snapshot.time_max", (100, 10 * MINUTE), "How long writing it, and reading it, may take.", |s| {
        Slot::Duration(&mut s.snapshot.time_max)
    }),
    row("snapshot.before_ready", NONE, "Read it before the server is ready; else beside the first calls.", |s| {
        Slot::Switch(&mut s.snapshot.before_ready)
    }),
];
