//! A BatchGet as Gets that share a stream with others: what their answers are together. How they are sent lives in `lane`.

use super::{Said, answer, desk::Outcome, operation::Operation, senseless};
use crate::{Error, ErrorKind, v1};
use v1::batch_get_result::Result as Found;

/// What a BatchGet would have answered.
pub(super) fn said(outcomes: Vec<Outcome>) -> Said<v1::BatchGetResponse> {
    let mut results = Vec::with_capacity(outcomes.len());
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let answer = match outcome {
            Outcome::Answered(answer) => answer,
            Outcome::Lost { error, sent: true } => return Said::Failed(*error),
            // It only reads: what was answered already may be asked for again.
            Outcome::Lost { sent: false, .. } | Outcome::Absent => return Said::Unsent,
            Outcome::TooMany => return Said::TooMany,
            Outcome::Expired => return Said::Expired,
        };
        match found(number, &answer) {
            Ok(found) => results.push(v1::BatchGetResult { result: Some(found) }),
            Err(error) => return Said::Failed(error),
        }
    }
    Said::Answer(v1::BatchGetResponse { results })
}

/// An item's answer; as an error what a BatchGet would have said of the whole.
fn found(number: usize, answer: &answer::Answer) -> Result<Found, Error> {
    let body = answer.body.clone();
    if answer.field == v1::GetRequest::ANSWER {
        return prost::Message::decode(body).map(Found::Response).map_err(|_unreadable| senseless());
    }
    if answer.field != answer::ERROR {
        return Err(senseless());
    }
    let mut item: v1::ItemError = prost::Message::decode(body).map_err(|_unreadable| senseless())?;
    let error = Error::from_item(&item);
    if !is_of_item(error.kind) {
        return Err(error);
    }
    let at = format!("items[{number}]");
    item.field = if item.field.is_empty() { at } else { format!("{at}.{}", item.field) };
    Ok(Found::Error(item))
}

/// Whether such a failure is that of an item. Others concern whoever asks, where, or the server: of those the whole call
/// fails, and is tried again as one where that may help.
fn is_of_item(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::InvalidArgument | ErrorKind::FailedPrecondition | ErrorKind::Internal)
}
