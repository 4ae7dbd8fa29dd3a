//! The rows of what lies besides memory.

use hotplate_engine::tier::Takes;

use super::{Choice, DAY, GIB, MIB, MINUTE, NONE, Row, SECOND, Slot, TIB, row};
use crate::config::shape::DiskSync;

choice!(DiskSync, ["off", "interval", "always"], [DiskSync::Off, DiskSync::Interval, DiskSync::Always]);
choice!(Takes, ["behind", "evicted"], [Takes::Written, Takes::Evicted]);

/// Those rows.
pub(super) const ROWS: &[Row] = &[
    row(
        "disk.path",
        NONE,
        "Directory of entries on this machine's disk, for this server alone; empty means none.",
        |s| Slot::Path(&mut s.disk.path),
    ),
    row(
        "disk.required",
        NONE,
        "Start only when that directory can be used. If not, what is changed before it can be is not written down there: \
         after a stop before that, older values come back.",
        |s| Slot::Switch(&mut s.disk.required),
    ),
    row("disk.bytes_max", (MIB, 256 * TIB), "Bytes of its files at most, at every instant.", |s| {
        Slot::Bytes(&mut s.disk.bytes_max)
    }),
    row("disk.entries_max", (1, 1_000_000_000), "Entries there at most: each takes 54 to 94 bytes of memory.", |s| {
        Slot::Count(&mut s.disk.entries_max)
    }),
    row(
        "disk.age_max",
        (0, 3650 * DAY),
        "Entries stored or confirmed longer ago than this are gone there; 0 means that only their own ends count.",
        |s| Slot::Duration(&mut s.disk.age_max),
    ),
    row(
        "disk.sync",
        NONE,
        "When what was written is forced onto the medium: never by the server (a crash of the process loses nothing that \
         was written), within a second, or before an Invalidate is answered.",
        |s| Slot::Choice(&mut s.disk.sync),
    ),
    row(
        "disk.write",
        NONE,
        "What is written there: all that is stored, behind the answer; or only what makes room in memory and is worth \
         keeping, and what memory has no room for.",
        |s| Slot::Choice(&mut s.disk.write),
    ),
    row(
        "codec.level",
        (1, 9),
        "Level of zstd with which values are made smaller on the disk and in what is shared.",
        |s| Slot::Count(&mut s.codec.level),
    ),
    row("codec.bytes_min", (128, GIB), "Smaller values stay as they are there.", |s| {
        Slot::Bytes(&mut s.codec.bytes_min)
    }),
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
    row("shared.timeout", (1, 10 * SECOND), "How long a read from it may take, before it counts as a miss.", |s| {
        Slot::Duration(&mut s.shared.timeout)
    }),
    row(
        "shared.change_timeout",
        (1, 10 * SECOND),
        "How long a Put, an Invalidate or asking what others changed may take there, before it counts as away.",
        |s| Slot::Duration(&mut s.shared.change_timeout),
    ),
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
        "shared.quarantine",
        (2 * SECOND, DAY),
        "How long after its restart or failover what lies there is used again, where coherence is `available`: until then \
         all servers have told it again what it may have lost.",
        |s| Slot::Duration(&mut s.shared.quarantine),
    ),
    row(
        "shared.allow_local_ack",
        NONE,
        "Answer an Invalidate as done, and not with TIER_PENDING, that it could not be told, or that the disk could not write down.",
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
