"""Second process: never fits. Finds the model by the hash of the data, and must predict what the first one did."""

import hashlib
import json
import time

import skops.io

import shared
from hotplate.v1 import cache_pb2


def main():
    args = shared.arguments(__doc__)
    expected = json.loads((args.work / "expected.json").read_text())
    cache = shared.connect(args.endpoint)
    features, unseen, labels, _ = shared.data()

    start = time.perf_counter()
    request = cache_pb2.GetRequest(namespace=shared.NAMESPACE, key=shared.key(features, labels))
    found = cache.Get(request, timeout=5, wait_for_ready=True)
    if found.outcome != cache_pb2.GET_OUTCOME_HIT:
        raise SystemExit(f"no model: {cache_pb2.GetOutcome.Name(found.outcome)}")
    value, facts = found.entry.value, found.entry.metadata
    if hashlib.sha256(value).digest() != facts.digest:
        raise SystemExit("the bytes are not those that were stored")
    # Nothing outside of what skops trusts by itself may be in the file; otherwise this raises.
    model = skops.io.loads(value, trusted=[])
    reading = time.perf_counter() - start

    if facts.kind != shared.KIND or f"dataset:{shared.DATASET}" not in facts.tags:
        raise SystemExit(f"stored as {facts.kind} {list(facts.tags)}")
    if model.predict(unseen).tolist() != expected["predictions"]:
        raise SystemExit("the cached model predicts otherwise than the one that was fitted")

    fitting = expected["fit_seconds"]
    print(f"python: without the cache {fitting:.3f} s, with the cache {reading:.3f} s: {fitting / reading:.0f} times faster")
    print(f"python: {len(expected['predictions'])} predictions are the same")


if __name__ == "__main__":
    main()
