//! A service that answers from models it loads on demand: models are most of the cost and most of the bytes.

use super::{Mix, Share, kinds};

pub(super) const MIX: Mix = Mix {
    name: "synthetic-model-serving",
    // Of the first forty seeds, one whose popular models are neither unusually large nor small: LRU saves 11, 29 and 54 %
    // with 1, 5 and 20 % of the footprint. With 300 models, luck is worth several points either way.
    seed: 20_261_131,
    requests: 400_000,
    shares: &[
        Share { kind: &kinds::PREDICTION, share: 0.55, keys: 200_000, skew: 0.8, once: 0.15, drift: 100.0 },
        Share { kind: &kinds::EMBEDDING, share: 0.05, keys: 50_000, skew: 0.9, once: 0.05, drift: 20.0 },
        Share { kind: &kinds::IMAGE, share: 0.10, keys: 20_000, skew: 0.8, once: 0.10, drift: 5.0 },
        Share { kind: &kinds::REMOTE_MODEL, share: 0.30, keys: 300, skew: 0.9, once: 0.0, drift: 0.2 },
    ],
};
