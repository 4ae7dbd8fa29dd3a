"""Runs protoc's builtin generator of Python gRPC stubs as a plugin, which buf cannot call by itself.

Reads a CodeGeneratorRequest from standard input and writes a CodeGeneratorResponse. What the stubs look like is decided
by grpcio-tools, whose version is pinned in xtask/requirements.txt.
"""

import sys
import tempfile
from pathlib import Path

from google.protobuf.compiler import plugin_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc


def generate(request: plugin_pb2.CodeGeneratorRequest, folder: Path) -> plugin_pb2.CodeGeneratorResponse:
    """Generates what `request` asks for, by way of files in `folder`."""
    response = plugin_pb2.CodeGeneratorResponse()
    response.supported_features = plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    descriptors = folder / "descriptors.bin"
    descriptors.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
    stubs = folder / "stubs"
    stubs.mkdir()
    arguments = ["protoc", f"--descriptor_set_in={descriptors}", f"--grpc_python_out={stubs}", *request.file_to_generate]
    if protoc.main(arguments) != 0:
        response.error = "grpc_tools.protoc failed; what it said is above"
        return response
    for path in sorted(stubs.rglob("*.py")):
        response.file.add(name=str(path.relative_to(stubs)), content=path.read_text())
    return response


def main() -> None:
    """Answers the one request that a plugin gets."""
    request = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.buffer.write(generate(request, Path(folder)).SerializeToString())


if __name__ == "__main__":
    main()
