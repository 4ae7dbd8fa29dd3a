"""A fitted scikit-learn pipeline, cached by the content of its training data: it is fitted once for all processes.

The server is the one that HOTPLATE_URL names, else one on this machine.
"""

from __future__ import annotations

import time
from typing import Any

import skops.io
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from hotplate import Client, Key, detect
from hotplate.errors import CodecError
from hotplate.serializers import Encoded, Place


class Skops:
    """Estimators in the format of skops: a description of the object, and not code to run, as a pickle is."""

    content_type = "application/x-skops"

    def reads(self, content_type: str) -> bool:
        """Its own kind only."""
        return content_type == self.content_type

    def encode(self, value: Any, place: Place) -> Encoded:
        """The estimator as bytes."""
        return Encoded(skops.io.dumps(value), self.content_type)

    def decode(self, data: bytes, content_type: str, place: Place) -> Any:
        """The estimator. Types that skops does not trust by itself are refused."""
        try:
            return skops.io.loads(data, trusted=[])
        except Exception as cause:
            raise CodecError(f"the stored model cannot be read: {type(cause).__name__}") from None


def main() -> None:
    """Fits, or finds what was fitted."""
    digits = load_digits()
    features, unseen, labels, truth = train_test_split(digits.data, digits.target, random_state=7)

    def fit() -> Pipeline:
        choices = {"svc__C": [0.5, 1, 2, 4], "svc__gamma": [0.005, 0.01, 0.02]}
        search = GridSearchCV(make_pipeline(StandardScaler(), SVC()), choices, cv=5)
        return search.fit(features, labels).best_estimator_

    with Client.from_env() as client, detect() as seen:
        models = client.namespace(serializer=Skops())
        # Other data is another key: a model never answers for data that it was not fitted on.
        key = Key("svc", "digits").content(features).content(labels)
        start = time.perf_counter()
        model = models.get_or_compute(key, fit, ttl="24h", kind="sklearn", tags=["dataset:digits"])
        seconds = time.perf_counter() - start

    print(f"{'from the cache' if seen.hits else 'computed'} in {seconds:.3f} s")
    print(f"answer: right on {(model.predict(unseen) == truth).mean():.1%} of unseen images")


if __name__ == "__main__":
    main()
