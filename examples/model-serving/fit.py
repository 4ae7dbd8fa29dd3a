"""First process: looks for the model, fits it when there is none, and stores it for everybody."""

import hashlib
import json
import time

import numpy
import skops.io
from google.protobuf import duration_pb2
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

import shared
from hotplate.v1 import cache_pb2, types_pb2


def fit(features, labels):
    """A search over 12 settings with five folds: seconds, as fitting in earnest is."""
    search = GridSearchCV(SVC(), {"C": [0.5, 1, 2, 4], "gamma": [0.0005, 0.001, 0.002]}, cv=5)
    return search.fit(features, labels).best_estimator_


def main():
    args = shared.arguments(__doc__)
    cache = shared.connect(args.endpoint)
    features, unseen, labels, truth = shared.data()
    key = shared.key(features, labels)

    found = cache.Get(cache_pb2.GetRequest(namespace=shared.NAMESPACE, key=key), timeout=5, wait_for_ready=True)
    if found.outcome != cache_pb2.GET_OUTCOME_MISS:
        raise SystemExit(f"the server was started for this and already knows {key}")
    print(f"python: miss ({cache_pb2.MissReason.Name(found.miss_reason)}), fitting")

    start = time.perf_counter()
    model = fit(features, labels)
    fitting = time.perf_counter() - start

    # skops writes a description of the object, not code to run: reading it back cannot execute anything, as a pickle
    # could. Whoever may write to the namespace is still trusted to store the right model.
    value = skops.io.dumps(model)
    cost = duration_pb2.Duration()
    cost.FromNanoseconds(int(fitting * 1e9))
    request = cache_pb2.PutRequest(
        namespace=shared.NAMESPACE,
        key=key,
        value=value,
        content_type="application/zip",
        digest=hashlib.sha256(value).digest(),
        kind=shared.KIND,
        tags=[f"dataset:{shared.DATASET}", "algorithm:svc"],
        labels={"library": "scikit-learn", "format": "skops"},
        expiration=types_pb2.Expiration(ttl_class="long"),
        compute_cost=cost,
    )
    stored = cache.Put(request, timeout=5)
    if stored.outcome != cache_pb2.PUT_OUTCOME_STORED:
        raise SystemExit(f"not stored: {cache_pb2.PutOutcome.Name(stored.outcome)} {stored.not_admitted_reason}")

    predictions = model.predict(unseen)
    print(f"python: fitted in {fitting:.2f} s, right on {(predictions == truth).mean():.1%} of unseen images")
    print(f"python: stored {len(value):,} bytes")
    args.work.mkdir(parents=True, exist_ok=True)
    facts = {"fit_seconds": fitting, "predictions": predictions.tolist()}
    (args.work / "expected.json").write_text(json.dumps(facts))
    digits = load_digits()
    table = numpy.column_stack([digits.data.astype(int), digits.target])
    numpy.savetxt(args.work / "data.csv", table, fmt="%d", delimiter=",")


if __name__ == "__main__":
    main()
