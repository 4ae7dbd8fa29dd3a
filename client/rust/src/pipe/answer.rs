//! What comes back on a stream: messages as they are, taken apart just enough to know whose each answer is. Answers are
//! read by those who wait for them.

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{WireType, decode_key, decode_varint};
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

/// Field numbers of `PipelineResponse` and `PipelineResult`.
const RESULTS: u32 = 1;
const CALL_ID: u32 = 1;
/// The field of an `ItemError` in `PipelineResult`.
pub(crate) const ERROR: u32 = 6;

/// Bytes that a message is written into at once, and past which it is sent on.
fn buffer() -> BufferSettings {
    BufferSettings::new(16 << 10, 64 << 10)
}

/// One answer, not read yet.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Whose it is.
    pub(crate) call_id: u64,
    /// What it is: a field of `PipelineResult`.
    pub(crate) field: u32,
    /// The message in that field.
    pub(crate) body: Bytes,
}

/// Takes a response apart, in the order of its answers.
///
/// # Errors
/// A status when it is no message of the contract.
pub(crate) fn answers(message: &Bytes, mut each: impl FnMut(Answer)) -> Result<(), Status> {
    fields(message, |field, body| {
        if let (RESULTS, Some(result)) = (field, body) {
            each(answer(&result)?);
        }
        Ok(())
    })
}

fn answer(result: &Bytes) -> Result<Answer, Status> {
    let mut answer = Answer { call_id: 0, field: 0, body: Bytes::new() };
    let mut rest: &[u8] = result;
    while rest.has_remaining() {
        let (field, wire) = decode_key(&mut rest).map_err(unreadable)?;
        match (field, wire) {
            (CALL_ID, WireType::Varint) => answer.call_id = decode_varint(&mut rest).map_err(unreadable)?,
            (_, WireType::LengthDelimited) => {
                (answer.field, answer.body) = (field, delimited(result, &mut rest)?);
            }
            _ => skip(wire, &mut rest)?,
        }
    }
    Ok(answer)
}

/// Calls `each` with all fields of a message; bodies of those that have one share its memory.
fn fields(message: &Bytes, mut each: impl FnMut(u32, Option<Bytes>) -> Result<(), Status>) -> Result<(), Status> {
    let mut rest: &[u8] = message;
    while rest.has_remaining() {
        let (field, wire) = decode_key(&mut rest).map_err(unreadable)?;
        match wire {
            WireType::LengthDelimited => each(field, Some(delimited(message, &mut rest)?))?,
            other => {
                skip(other, &mut rest)?;
                each(field, None)?;
            }
        }
    }
    Ok(())
}

/// The bytes of a field with a length, at the front of what is left of `whole`.
fn delimited(whole: &Bytes, rest: &mut &[u8]) -> Result<Bytes, Status> {
    let length = decode_varint(rest).map_err(unreadable)?;
    let length = usize::try_from(length).ok().filter(|length| *length <= rest.len());
    let length = length.ok_or_else(|| Status::internal("a pipeline answer is cut off"))?;
    let from = whole.len() - rest.len();
    rest.advance(length);
    Ok(whole.slice(from..from + length))
}

fn skip(wire: WireType, rest: &mut &[u8]) -> Result<(), Status> {
    let length = match wire {
        WireType::Varint => return decode_varint(rest).map(|_| ()).map_err(unreadable),
        WireType::SixtyFourBit => 8,
        WireType::ThirtyTwoBit => 4,
        _ => return Err(Status::internal("a pipeline answer has a field of no known kind")),
    };
    if rest.len() < length {
        return Err(Status::internal("a pipeline answer is cut off"));
    }
    rest.advance(length);
    Ok(())
}

fn unreadable(cause: prost::DecodeError) -> Status {
    Status::internal(format!("a pipeline answer cannot be read: {cause}"))
}

/// Sends and receives messages that are written and read elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Verbatim;

impl Codec for Verbatim {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Verbatim {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(message);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffer()
    }
}

impl Decoder for Verbatim {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffer()
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::v1;

    fn taken_apart(message: &Bytes) -> Result<Vec<(u64, u32, Bytes)>, Status> {
        let mut found = Vec::new();
        answers(message, |answer| found.push((answer.call_id, answer.field, answer.body)))?;
        Ok(found)
    }

    #[test]
    fn every_answer_is_found_with_its_name() {
        use v1::pipeline_result::Result as Said;
        let get = v1::GetResponse { outcome: 1, ..v1::GetResponse::default() };
        let error = v1::ItemError { code: 5, ..v1::ItemError::default() };
        let result = |call_id, said| v1::PipelineResult { call_id, result: Some(said) };
        let results = vec![result(3 << 32, Said::Get(get.clone())), result(0, Said::Error(error.clone()))];
        let message = Bytes::from(v1::PipelineResponse { results }.encode_to_vec());
        let expected = vec![(3 << 32, 2, get.encode_to_vec().into()), (0, ERROR, error.encode_to_vec().into())];
        assert_eq!(taken_apart(&message).expect("of the contract"), expected);
    }

    #[test]
    fn what_is_cut_off_is_an_error_and_never_a_panic() {
        let get = v1::GetResponse { served_from: 1, miss_reason: 2, ..v1::GetResponse::default() };
        let result = v1::PipelineResult { call_id: 900, result: Some(v1::pipeline_result::Result::Get(get)) };
        let whole = Bytes::from(v1::PipelineResponse { results: vec![result] }.encode_to_vec());
        for length in 1..whole.len() {
            taken_apart(&whole.slice(..length)).expect_err("cut off");
        }
        for seed in 0..=255_u8 {
            let noise: Vec<u8> = (0..40_u8).map(|at| at.wrapping_mul(seed) ^ seed).collect();
            let _either = taken_apart(&Bytes::from(noise));
        }
    }
}
