//! Drivers that are wrong on purpose: what stands between a right one and the scenarios, so that these are seen to find it.
//! A driver itself knows nothing of it.

use serde_json::{Value, json};

use crate::driver::Answer;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Wrong {
    /// Invalidations are answered and not carried out.
    DropsInvalidations,
    /// What is asked for is computed although it is there, by everyone.
    ComputesTwice,
    /// Values that are read are others than those that were written.
    AnswersOtherValues,
    /// Failures carry another reason.
    AnswersOtherReasons,
    /// Reads are never answered.
    NeverAnswers,
    /// Near caches are said to have answered what the server did.
    ClaimsNearHits,
    /// It ends in the middle of a write.
    Dies,
    /// It ends once, when it was asked for many things at the same time.
    DiesInCompany,
    /// Writes are answered twice.
    AnswersTwice,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    /// It reaches the driver.
    Sent,
    /// It does not, and this is answered.
    Answered(Answer),
    /// It does not, and nothing is ever answered.
    Lost,
    /// The driver is killed.
    Kills,
}

impl Wrong {
    /// What becomes of a request, which may be changed.
    /// `company`: others are under way.
    pub(crate) fn fate(self, op: &str, request: &mut Value, company: bool) -> Fate {
        match (self, op) {
            (Self::DiesInCompany, _) if company => Fate::Kills,
            (Self::DropsInvalidations, "invalidate" | "remove") => {
                Fate::Answered(Answer::Ok(json!({ "outcome": "done", "matched": 1 })))
            }
            (Self::NeverAnswers, "get") => Fate::Lost,
            (Self::Dies, "touch") => Fate::Kills,
            (Self::ComputesTwice, "get_or_compute") => {
                if !request["options"].is_object() {
                    request["options"] = json!({});
                }
                request["options"]["mode"] = json!("refresh");
                Fate::Sent
            }
            _ => Fate::Sent,
        }
    }

    /// Whether an answer is given once more.
    pub(crate) fn repeats(self, line: &str) -> bool {
        self == Self::AnswersTwice && line.contains(r#""stored""#)
    }

    /// What becomes of an answer.
    pub(crate) fn spoil(self, answer: &mut Value) {
        match self {
            Self::AnswersOtherValues if answer["ok"]["outcome"] == "hit" => answer["ok"]["value"] = json!("another"),
            Self::AnswersOtherReasons if !answer["error"]["reason"].is_null() => {
                answer["error"]["reason"] = json!("BUG_OF_THE_CLIENT");
            }
            Self::ClaimsNearHits if answer["ok"]["outcome"] == "hit" => answer["ok"]["near"] = json!(true),
            _ => {}
        }
    }
}
