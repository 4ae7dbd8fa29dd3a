"""What both processes have to agree on: the data, the key made from it, and how to reach the cache.

No hotplate library: the stubs come from proto/ through grpcio-tools, as in any language.
"""

import argparse
import hashlib
import pathlib

import grpc
import numpy
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from hotplate.v1 import cache_pb2_grpc

NAMESPACE = "models"
KIND = "sklearn"
DATASET = "digits"


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--endpoint", default="127.0.0.1:7070", help="HOST:PORT of the server")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for what the processes compare")
    return parser.parse_args()


def connect(endpoint):
    return cache_pb2_grpc.CacheServiceStub(grpc.insecure_channel(endpoint))


def data():
    """The digits that scikit-learn ships: 1,797 images of 8 by 8, the same split every time."""
    digits = load_digits()
    return train_test_split(digits.data, digits.target, test_size=0.25, random_state=7, stratify=digits.target)


def key(features, labels):
    """Names the model by what it is fitted on: the same data finds the same model, other data never does."""
    fingerprint = hashlib.sha256()
    for array in (features, labels):
        array = numpy.ascontiguousarray(array)
        fingerprint.update(f"{array.dtype.str}{array.shape}".encode())
        fingerprint.update(array.tobytes())
    return f"svc:{DATASET}:{fingerprint.hexdigest()}"
