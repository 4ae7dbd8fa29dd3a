/**
 * The generated messages and services of `hotplate.v1`, for who wants no client: with `create`, `toBinary` and `fromBinary` of
 * `@bufbuild/protobuf`, and any gRPC transport.
 */
export * from "./generated/hotplate/v1/auth_pb.js";
export * from "./generated/hotplate/v1/blob_pb.js";
export * from "./generated/hotplate/v1/cache_pb.js";
export * from "./generated/hotplate/v1/types_pb.js";
