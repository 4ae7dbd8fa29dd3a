//! What one step can be, and what it is called. What it does is in the files named after who makes it.

use std::fmt::{self, Display};

/// One step. Replicas are numbered, and so are the calls at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Of a replica.
    Replica(usize, Does),
    /// Of a writer's call at a replica.
    Writer(usize, usize, Writes),
    /// Of the shared tier.
    Shared(Happens),
    /// The near cache asks a replica.
    NearAsk(usize),
    /// Of the near cache.
    Near(Follows),
}

/// What a replica does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Does {
    /// A Get asks the shared tier.
    Ask,
    /// The shared tier reads.
    Read,
    /// Its reply is used or not.
    Reply,
    /// Its reply is used or not, for the near cache.
    ReplyNear,
    /// Another Get joins it, in a mutant.
    Join,
    /// Its reply does not come.
    NoReply,
    /// A Get asks the disk.
    AskDisk,
    /// The disk's answer is used or not.
    ReplyDisk,
    /// A Get may compute for this replica alone.
    GrantAlone,
    /// A computation ends.
    Compute,
    /// Its value is let into memory, or not.
    Admit,
    /// It is offered to the shared tier.
    Offer,
    /// It is not: there is no way there.
    KeepAlone,
    /// The shared tier would not have it.
    TakeRefusal,
    /// A hint arrives.
    Hear(usize),
    /// It asks what happened since its position.
    Poll,
    /// What was noted is applied.
    ApplyHalf,
    /// What was lost counts as heard.
    Overlook,
    /// It sees that the log is another one, or went back.
    Lose,
    /// It tells again what it had acknowledged.
    Replay,
    /// It looks where the log is.
    Look,
    /// It follows from there.
    Adopt,
    /// It crashes and starts again.
    Crash,
    /// It is cut off from the shared tier.
    Cut,
    /// It is not any more.
    Mend,
    /// It tells what it owes.
    Pay,
    /// Memory makes room.
    Evict,
    /// A step to the disk lands.
    DiskLands,
    /// The disk's place in the log is saved.
    SavePosition,
}

/// What a writer's call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Writes {
    /// The source changes, Invalidate of the key.
    Invalidate,
    /// Invalidate of the witness.
    InvalidateWitness,
    /// Put.
    Put,
    /// Applied here first.
    ApplyFirst,
    /// The shared tier does it.
    Tell,
    /// Its reply is handled.
    Settle,
    /// There is no way to the shared tier.
    GiveUp,
    /// The answer.
    Answer,
    /// Applied after the answer.
    ApplyAnswered,
    /// The writer goes away.
    Leave,
}

/// What happens to the shared tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Happens {
    /// Its follower gets all there is.
    Replicate,
    /// Its follower takes over.
    FailOver,
    /// It has no room for fences.
    ForgetFences,
}

/// What happens at the near cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Follows {
    /// Its answer arrives.
    Receive,
    /// The stream delivers.
    Deliver,
    /// The stream is cut.
    Disconnect,
    /// The stream is opened again.
    Resume,
}

impl Display for Step {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |at: &usize| if *at == 0 { 'A' } else { 'B' };
        let words = |what: &dyn fmt::Debug| {
            let mut text = String::new();
            for letter in format!("{what:?}").chars() {
                text.extend((letter.is_uppercase() && !text.is_empty()).then_some(' '));
                text.push(letter.to_ascii_lowercase());
            }
            text
        };
        match self {
            Self::Replica(at, does) => write!(to, "{}: {}", name(at), words(does)),
            Self::Writer(at, slot, writes) => write!(to, "{}: writer {slot}: {}", name(at), words(writes)),
            Self::Shared(happens) => write!(to, "shared tier: {}", words(happens)),
            Self::NearAsk(at) => write!(to, "near: ask {}", name(at)),
            Self::Near(follows) => write!(to, "near: {}", words(follows)),
        }
    }
}
