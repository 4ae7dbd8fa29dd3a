"""A scikit-learn pipeline with `memory=`: a step that is slow to fit is fitted once, in a search and for all processes.

The server is the one that HOTPLATE_URL names, else one on this machine. EXAMPLE_KEY_FILE is a file with 32 random
bytes, which signs what joblib pickles: `head -c 32 /dev/urandom > hmac.key`.
"""

from __future__ import annotations

import os
import time

from sklearn.datasets import load_digits
from sklearn.decomposition import KernelPCA
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from hotplate.adapters.joblib import memory

FITS: list[int] = []


class CountedPCA(KernelPCA):
    """The slow step, which counts how often it was fitted."""

    def fit_transform(self, X, y=None, **parameters):  # type: ignore[no-untyped-def] # noqa: N803 - scikit-learn's
        """Fits and transforms."""
        FITS.append(1)
        return super().fit_transform(X, y, **parameters)


def main() -> None:
    """Searches, and says how often the slow step was fitted for it."""
    digits = load_digits()
    # The release is part of the location: code that joblib cannot see has changed.
    kept = memory("digits/v1", hmac_key=os.environ["EXAMPLE_KEY_FILE"], ttl="24h", tags=["dataset:digits"])
    steps = [("reduce", CountedPCA(30, kernel="rbf", gamma=0.001)), ("classify", RidgeClassifier())]
    search = GridSearchCV(Pipeline(steps, memory=kept), {"classify__alpha": [0.1, 1.0, 10.0]}, cv=3)
    start = time.perf_counter()
    search.fit(digits.data[:900], digits.target[:900])
    seconds = time.perf_counter() - start

    if FITS:
        print(f"computed in {seconds:.3f} s: {len(FITS)} fits of the slow step, for 10 of the pipeline")
    else:
        print(f"all steps from the cache in {seconds:.3f} s")
    print(f"answer: best is {search.best_params_}, right on {search.best_score_:.1%}")


if __name__ == "__main__":
    main()
