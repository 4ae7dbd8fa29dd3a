//! Reads of an answer what a load must know of it, and nothing else: the outcome and the value, where they lie. What is not
//! known is passed over, as protobuf wants it. Checked against the generated types in the tests.

/// A field of a message: its number, and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    /// A number.
    Number(u64),
    /// Text, bytes or a message.
    Bytes(&'a [u8]),
    /// Four or eight bytes, which nobody here looks at.
    Fixed,
}

/// The fields of a message, in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Of these bytes.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for (at, byte) in self.0.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.0 = &self.0[at + 1..];
                return Some(number);
            }
        }
        None
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let tag = self.number()?;
        let field = match tag & 7 {
            0 => Field::Number(self.number()?),
            1 => self.bytes(8).map(|_| Field::Fixed)?,
            2 => {
                let count = usize::try_from(self.number()?).ok()?;
                Field::Bytes(self.bytes(count)?)
            }
            5 => self.bytes(4).map(|_| Field::Fixed)?,
            _ => return None,
        };
        Some((tag >> 3, field))
    }
}

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field().ok_or(Malformed);
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// Of a GetResponse: its outcome and its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found<'a> {
    /// `GetOutcome`.
    pub(crate) outcome: u64,
    /// The value, where one came.
    pub(crate) value: Option<&'a [u8]>,
}

/// Reads a GetResponse.
pub(crate) fn get_response(message: &[u8]) -> Result<Found<'_>, Malformed> {
    let mut found = Found::default();
    for field in Fields::new(message) {
        match field? {
            (1, Field::Number(outcome)) => found.outcome = outcome,
            (2, Field::Bytes(entry)) => found.value = value(entry)?,
            _ => {}
        }
    }
    Ok(found)
}

fn value(entry: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    for field in Fields::new(entry) {
        if let (2, Field::Bytes(value)) = field? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// The outcome of a PutResponse.
pub(crate) fn put_response(message: &[u8]) -> Result<u64, Malformed> {
    let mut outcome = 0;
    for field in Fields::new(message) {
        if let (1, Field::Number(number)) = field? {
            outcome = number;
        }
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use hotplate_proto::v1;
    use prost::Message;

    use super::*;

    fn answer(value: &[u8]) -> v1::GetResponse {
        let metadata =
            v1::EntryMetadata { etag: "e".into(), size_bytes: 300, hit_count: 1 << 40, ..Default::default() };
        let payload = Some(v1::entry::Payload::Value(value.to_vec().into()));
        let entry = v1::Entry { key: "k".into(), payload, metadata: Some(metadata) };
        let as_of = Some(v1::Position { logs: vec![Default::default()] });
        v1::GetResponse { outcome: v1::GetOutcome::Hit.into(), entry: Some(entry), as_of, ..Default::default() }
    }

    #[test]
    fn it_reads_what_the_generated_types_write() {
        for length in [0, 1, 100, 200, 70_000] {
            let value = vec![7; length];
            let bytes = answer(&value).encode_to_vec();
            assert_eq!(get_response(&bytes), Ok(Found { outcome: 1, value: Some(&value) }));
        }
        let miss = v1::GetResponse { outcome: v1::GetOutcome::Miss.into(), miss_reason: 1, ..Default::default() };
        assert_eq!(get_response(&miss.encode_to_vec()), Ok(Found { outcome: 5, value: None }));
        let put =
            v1::PutResponse { outcome: v1::PutOutcome::Refreshed.into(), waiters_released: 3, ..Default::default() };
        assert_eq!(put_response(&put.encode_to_vec()), Ok(2));
    }

    #[test]
    fn a_message_that_was_cut_is_malformed_or_has_less_in_it_and_never_panics() {
        let bytes = answer(b"value").encode_to_vec();
        for length in 0..bytes.len() {
            let found = get_response(&bytes[..length]);
            assert!(found.is_err() || v1::GetResponse::decode(&bytes[..length]).is_ok(), "{length}");
        }
        assert_eq!(get_response(&[0x0f]), Err(Malformed));
        assert_eq!(get_response(&[0x80; 12]), Err(Malformed));
    }
}
