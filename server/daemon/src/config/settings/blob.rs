//! The rows of large values and of the bytes that are held while they move.

use super::{DAY, GIB, KIB, MIB, Row, Slot, TIB, row};

/// Those rows.
pub(super) const ROWS: &[Row] = &[
    row("uploads.max", (1, 1_000_000), "Uploads by WriteValue that are not finished at most.", |s| {
        Slot::Count(&mut s.uploads.max)
    }),
    row(
        "uploads.rate_min",
        (0, GIB),
        "Bytes a second at least of an upload that is said or found to be larger than 1 MiB; what is slower is given up.",
        |s| Slot::Bytes(&mut s.uploads.rate_min),
    ),
    row("uploads.rate_window", (100, DAY), "Time over which that is measured.", |s| {
        Slot::Duration(&mut s.uploads.rate_window)
    }),
    row(
        "uploads.expire_after",
        (100, DAY),
        "Time after which an upload that nobody continues, or in which a small one gets nothing, is given up.",
        |s| Slot::Duration(&mut s.uploads.expire_after),
    ),
    row(
        "uploads.remembered_max",
        (1, 1_000_000),
        "Finished uploads that are remembered at most, so that repeating one is answered the same; 1 KiB for each in all.",
        |s| Slot::Count(&mut s.uploads.remembered_max),
    ),
    row(
        "ledger.requests_bytes_max",
        (MIB, TIB),
        "Bytes at most that are held at once for requests above 4 KiB that are coming in or wait; a token's callers get half at \
         most, a connection has 64 KiB besides.",
        |s| Slot::Bytes(&mut s.ledger.requests_bytes_max),
    ),
    row(
        "ledger.uploads_bytes_max",
        (0, 16 * TIB),
        "Bytes at most that unfinished uploads hold at once, as part of memory.bytes_max; 0: half of that.",
        |s| Slot::Bytes(&mut s.ledger.uploads_bytes_max),
    ),
    row(
        "ledger.sending_bytes_max",
        (64 * KIB, TIB),
        "Bytes at most of large values, unary answers above 65 KiB and answers of Pipelines that are on their way to readers at \
         once; a token's callers get half at most, a connection has 64 KiB besides, and 1,040 KiB for smaller answers.",
        |s| Slot::Bytes(&mut s.ledger.sending_bytes_max),
    ),
    row(
        "limits.read_stall",
        (100, DAY),
        "Time in which a reader takes nothing of a ReadValue, or not 64 KiB of a Pipeline or a unary answer or the rest of a message, \
         after which that is ended, and a request above 4 KiB comes slower than `uploads.rate_min`; a tenth of it when others wait \
         for its room. Small unary answers, 1,040 KiB over a connection and 1 KiB for each of its streams, are left to it once it has begun to take them.",
        |s| Slot::Duration(&mut s.limits.read_stall),
    ),
];
