//! A service of many kinds: answers of language models are 90 % of the cost in 1 % of the bytes, models are most of the
//! bytes.

use super::{Mix, Share, kinds};

pub(super) const MIX: Mix = Mix {
    name: "synthetic-ai-mix",
    seed: 20_261_121,
    requests: 1_000_000,
    shares: &[
        Share { kind: &kinds::ANSWER, share: 0.40, keys: 200_000, skew: 0.9, once: 0.15, drift: 40.0 },
        Share { kind: &kinds::PREDICTION, share: 0.30, keys: 300_000, skew: 0.8, once: 0.15, drift: 100.0 },
        Share { kind: &kinds::EMBEDDING, share: 0.20, keys: 200_000, skew: 0.9, once: 0.05, drift: 20.0 },
        Share { kind: &kinds::IMAGE, share: 0.08, keys: 50_000, skew: 0.7, once: 0.10, drift: 5.0 },
        Share { kind: &kinds::MODEL, share: 0.02, keys: 400, skew: 1.0, once: 0.0, drift: 0.1 },
    ],
};
