"""joblib's Memory and scikit-learn's pipelines over the cache."""

from __future__ import annotations

import copy
import datetime
import itertools
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from hotplate import Client, errors
from hotplate.adapters.joblib import SigningKey, memory
from hotplate.serializers import Raw

CALLS = itertools.count()


def square(n: int, offset: Any = None) -> Any:
    next(CALLS)
    return n * n if offset is None else n * n + offset


def double(n: int) -> int:
    return n + n


@pytest.fixture
def kept(url: str, key_file: Path) -> joblib.Memory:
    return memory("features/v1", hmac_key=key_file, url=url, ttl="1h", tags=["features"])


def made(call: Any) -> int:
    """How often the function ran."""
    before = next(CALLS)
    call()
    return next(CALLS) - before - 1


def test_the_second_call_is_a_hit(kept: joblib.Memory, client: Client) -> None:
    cached = kept.cache(square)
    assert made(lambda: cached(3)) == 1
    assert made(lambda: cached(3)) == 0
    assert cached(3) == 9
    assert cached.check_call_in_cache(3)
    assert not cached.check_call_in_cache(4)
    results = [entry for entry in client.namespace().entries() if entry.key.endswith(":output.pkl")]
    assert [(one.metadata.kind, list(one.metadata.tags)) for one in results] == [("joblib", ["features"])]
    assert results[0].metadata.fresh_for.seconds > 3500


def test_arrays_and_compression(url: str, key_file: Path) -> None:
    for compress in (False, 3):
        cached = memory(f"arrays/{compress}", hmac_key=key_file, url=url, compress=compress).cache(square)
        big = np.arange(400_000, dtype=np.float64)
        first, second = cached(2, big), cached(2, big)
        assert first is not second
        np.testing.assert_array_equal(first, second)


def test_clearing(kept: joblib.Memory, client: Client) -> None:
    one, other = kept.cache(square), kept.cache(double)
    one(1)
    one(2)
    other(1)
    one.clear(warn=False)
    assert not one.check_call_in_cache(1)
    assert any("double" in key for key in client.namespace().list())
    kept.clear(warn=False)
    assert client.namespace().list() == []


def test_reduce_size(kept: joblib.Memory) -> None:
    cached = kept.cache(square)
    for n in range(5):
        cached(n)
    kept.reduce_size(items_limit=2)
    assert sum(cached.check_call_in_cache(n) for n in range(5)) == 2
    kept.reduce_size(age_limit=datetime.timedelta(microseconds=1))
    assert not any(cached.check_call_in_cache(n) for n in range(5))


def test_what_made_a_result_is_no_longer_known(kept: joblib.Memory, client: Client, url: str, key_file: Path) -> None:
    source = "def f(n):\n    return n + {}\n"
    results = []
    for step in (1, 1, 2):
        scope: dict[str, Any] = {"__name__": "released"}
        exec(compile(source.format(step), "<released>", "exec"), scope)
        # Where the source cannot be read joblib takes the code from here.
        kept.store_backend.store_cached_func_code(["released/f"], source.format(step))
        call = ["released/f", "args"]
        if not kept.store_backend.contains_item(call):
            kept.store_backend.dump_item(call, scope["f"](1))
        results.append(kept.store_backend.load_item(call))
    assert results == [2, 2, 3]
    space = client.namespace()
    space.remove(next(key for key in space.list() if key.endswith(":func_code.py")))
    kept.store_backend.store_cached_func_code(["released/f"], source.format(2))
    assert not kept.store_backend.contains_item(["released/f", "args"])


def test_a_failed_pickle_stores_nothing_wrong(kept: joblib.Memory) -> None:
    cached = kept.cache(lambda: (n for n in range(3)))
    with pytest.warns(Warning, match="Unable to cache"):
        assert list(cached()) == [0, 1, 2]


def test_without_a_key_nothing_works(url: str, tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_bytes(b"x" * 31)
    for key in (None, b"x" * 32, short, tmp_path / "missing"):
        with pytest.raises(errors.ConfigurationError, match="key"):
            memory("m", hmac_key=key, url=url)  # type: ignore[arg-type]
    with pytest.raises(errors.ConfigurationError, match="mmap"):
        joblib.Memory("m", backend="hotplate", mmap_mode="r", backend_options={"hmac_key": SigningKey(b"x" * 32)})
    with pytest.raises(errors.ConfigurationError, match="`tll`"):
        joblib.Memory("m", backend="hotplate", backend_options={"hmac_key": SigningKey(b"x" * 32), "tll": 1})


def test_a_key_in_memory_stays_there(url: str) -> None:
    kept = memory("m", hmac_key=SigningKey(b"k" * 32), url=url)
    assert "kkk" not in repr(kept) + repr(kept.store_backend) + repr(kept.backend_options)
    with pytest.raises(TypeError, match="the path of a file"):
        pickle.dumps(kept)
    assert copy.deepcopy(kept).store_backend is kept.store_backend


def test_what_was_not_written_here_is_never_loaded(kept: joblib.Memory, client: Client, url: str) -> None:
    cached = kept.cache(square)
    cached(3)
    (key,) = [key for key in client.namespace().list() if key.endswith(":output.pkl")]

    class Evil:
        def __reduce__(self) -> Any:
            return (os._exit, (3,))

    raw = client.namespace(serializer=Raw("application/x-signed-pickle"))
    good = raw.get_value(key)
    for planted in (pickle.dumps(Evil()), good[:36] + pickle.dumps(Evil()), b""):
        raw.put(key, planted)
        assert made(lambda: cached(3)) == 1
    # A result of another call, signed with the right key, is as wrong.
    cached(4)
    other = next(one for one in client.namespace().list() if one.endswith(":output.pkl") and one != key)
    raw.put(other, good)
    assert cached(4) == 16


def test_a_pipeline_is_fitted_once(kept: joblib.Memory) -> None:
    features, labels = make_classification(n_samples=200, random_state=7)
    steps = [("reduce", PCA(5, random_state=7)), ("classify", LogisticRegression())]
    first = Pipeline(steps, memory=kept).fit(features, labels)
    assert any("_fit_transform_one" in item.path for item in kept.store_backend.get_items())
    items = len(kept.store_backend.get_items())
    second = Pipeline(steps, memory=kept).fit(features, labels)
    assert len(kept.store_backend.get_items()) == items
    np.testing.assert_array_equal(first.predict(features), second.predict(features))


def test_a_search_shares_what_it_fitted(kept: joblib.Memory) -> None:
    features, labels = make_classification(n_samples=120, random_state=7)
    steps = [("reduce", PCA(5, random_state=7)), ("classify", LogisticRegression())]
    search = GridSearchCV(Pipeline(steps, memory=kept), {"classify__C": [0.1, 1.0, 10.0]}, cv=3)
    search.fit(features, labels)
    # Three folds and the whole, whatever C is.
    assert len(kept.store_backend.get_items()) == 4


def test_what_is_sent_to_other_processes_works_there(kept: joblib.Memory, key_file: Path) -> None:
    kept.cache(square)(3)
    sent = pickle.dumps(kept.cache(square))
    assert key_file.read_bytes() not in sent
    assert made(lambda: pickle.loads(sent)(3)) == 0
    assert pickle.loads(pickle.dumps(kept.cache(square).call_and_shelve(3))).get() == 9


def test_another_process_hits(url: str, key_file: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent("""
        import sys
        from hotplate.adapters.joblib import memory

        def slow(n):
            print("computing")
            return n + 1

        print(memory("m", hmac_key=sys.argv[1], url=sys.argv[2]).cache(slow)(1))
        """)
    )
    command = [sys.executable, str(program), str(key_file), url]
    said = [subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() for _ in range(2)]
    assert said == [["computing", "2"], ["2"]]


def test_a_cache_that_is_away_computes(key_file: Path) -> None:
    cached = memory("m", hmac_key=key_file, url="hotplate://127.0.0.1:1/n?timeout=200ms").cache(square)
    assert cached(3) == cached(3) == 9
