//! The plain Get as it lies in its message: where its names are, without a copy. What else a Get may ask is left to prost.

use hotplate_proto::v1;

use crate::grpc::lane::read::{bytes, varint};

/// A Get that asks nothing but one entry, fresh or not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PlainGet<'m> {
    /// The namespace; empty means the default.
    pub(crate) namespace: &'m str,
    /// The key.
    pub(crate) key: &'m str,
    /// Whether metadata is wanted with the value.
    pub(crate) full: bool,
}

/// Fields of `GetRequest`, and what kind each is on the wire.
const NAMESPACE: u64 = 1 << 3 | 2;
const KEY: u64 = 2 << 3 | 2;
const STALE_POLICY: u64 = 3 << 3;
const VIEW: u64 = 8 << 3;
const MISS_POLICY: u64 = 9 << 3;

impl<'m> PlainGet<'m> {
    /// Reads a `GetRequest`; `None`: it asks for more, or is none.
    pub(crate) fn read(mut message: &'m [u8]) -> Option<Self> {
        let mut asked = Self { full: true, ..Self::default() };
        while !message.is_empty() {
            match varint(&mut message)? {
                NAMESPACE => asked.namespace = text(&mut message)?,
                KEY => asked.key = text(&mut message)?,
                VIEW => asked.full = full(varint(&mut message)?)?,
                STALE_POLICY if varint(&mut message)? <= v1::StalePolicy::Refuse as u64 => {}
                MISS_POLICY if varint(&mut message)? <= v1::MissPolicy::Report as u64 => {}
                _ => return None,
            }
        }
        Some(asked)
    }
}

fn full(view: u64) -> Option<bool> {
    const UNSPECIFIED: u64 = v1::EntryView::Unspecified as u64;
    const FULL: u64 = v1::EntryView::Full as u64;
    const VALUE: u64 = v1::EntryView::Value as u64;
    match view {
        UNSPECIFIED | FULL => Some(true),
        VALUE => Some(false),
        _ => None,
    }
}

fn text<'m>(message: &mut &'m [u8]) -> Option<&'m str> {
    str::from_utf8(bytes(message)?).ok()
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn a_plain_get_is_read_as_prost_reads_it() {
        let request = |view: v1::EntryView| v1::GetRequest {
            namespace: "team/a".to_owned(),
            key: "ключ".repeat(40),
            view: view.into(),
            stale_policy: v1::StalePolicy::Refuse.into(),
            miss_policy: v1::MissPolicy::Report.into(),
            ..Default::default()
        };
        for (view, full) in
            [(v1::EntryView::Full, true), (v1::EntryView::Unspecified, true), (v1::EntryView::Value, false)]
        {
            let (asked, bytes) = (request(view), request(view).encode_to_vec());
            let expected = PlainGet { namespace: &asked.namespace, key: &asked.key, full };
            assert_eq!(PlainGet::read(&bytes), Some(expected));
        }
        assert_eq!(PlainGet::read(b""), Some(PlainGet { full: true, ..PlainGet::default() }));
    }

    #[test]
    fn whatever_asks_for_more_is_left_to_prost() {
        let plain = v1::GetRequest { key: "k".to_owned(), ..Default::default() };
        let more = [
            v1::GetRequest { peek: true, ..plain.clone() },
            v1::GetRequest { view: v1::EntryView::Metadata.into(), ..plain.clone() },
            v1::GetRequest { view: 99, ..plain.clone() },
            v1::GetRequest { view: -1, ..plain.clone() },
            v1::GetRequest { stale_policy: v1::StalePolicy::IfError.into(), ..plain.clone() },
            v1::GetRequest { miss_policy: v1::MissPolicy::Lease.into(), ..plain.clone() },
            v1::GetRequest { if_etag_not: "e".to_owned(), ..plain.clone() },
            v1::GetRequest { max_age: Some(prost_types::Duration::default()), ..plain.clone() },
            v1::GetRequest { min_position: Some(v1::Position::default()), ..plain.clone() },
            v1::GetRequest { slowest_tier: v1::Tier::Memory.into(), ..plain },
        ];
        for request in more {
            assert_eq!(PlainGet::read(&request.encode_to_vec()), None, "{request:?}");
        }
        assert_eq!(PlainGet::read(&[0x12, 2, 0xff, 0xfe]), None, "not UTF-8");
    }

    #[test]
    fn damaged_messages_are_never_read_otherwise_than_prost_does() {
        let whole =
            v1::GetRequest { namespace: "n".to_owned(), key: "some:key".to_owned(), view: 3, ..Default::default() };
        let (whole, mut random) = (whole.encode_to_vec(), StdRng::seed_from_u64(7));
        for _ in 0..20_000 {
            let mut bytes = whole[..random.random_range(0..=whole.len())].to_vec();
            for _ in 0..random.random_range(0..3).min(bytes.len()) {
                let byte = random.random_range(0..bytes.len());
                bytes[byte] = random.random();
            }
            if let Some(plain) = PlainGet::read(&bytes) {
                let request = v1::GetRequest::decode(&bytes[..]).unwrap();
                assert_eq!((plain.namespace, plain.key), (&*request.namespace, &*request.key), "{bytes:?}");
            }
        }
    }
}
