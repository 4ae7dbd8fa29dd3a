"""Measures diskcache: writing, reading in random order, opening again. Called with a directory, bytes of a value, values."""

import json
import os
import random
import sys
import time

import diskcache

CAPACITY = 2 << 30


def main() -> None:
    directory, size, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    values = [os.urandom(size) for _ in range(count)]
    keys = [f"result/{number:08}" for number in range(count)]
    order = list(range(count))
    random.Random(size).shuffle(order)
    cache = diskcache.Cache(directory, size_limit=CAPACITY)
    begun = time.perf_counter()
    for key, value in zip(keys, values):
        cache.set(key, value, expire=86_400)
    write = time.perf_counter() - begun
    begun = time.perf_counter()
    for number in order:
        assert len(cache.get(keys[number])) == size
    read = time.perf_counter() - begun
    cache.close()
    begun = time.perf_counter()
    cache = diskcache.Cache(directory, size_limit=CAPACITY)
    opened = time.perf_counter() - begun
    found = sum(cache.get(keys[number]) == values[number] for number in order)
    cache.close()
    measured = {"write_us": write * 1e6 / count, "read_us": read * 1e6 / count, "open_ms": opened * 1e3, "found": found}
    print(json.dumps(measured))


main()
