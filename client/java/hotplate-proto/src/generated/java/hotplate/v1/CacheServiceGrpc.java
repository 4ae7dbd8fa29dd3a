package hotplate.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Stores, finds, drops, fetches ahead, counts and follows entries. In every request an empty namespace means
 * `default`.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class CacheServiceGrpc {

  private CacheServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "hotplate.v1.CacheService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<hotplate.v1.GetRequest,
      hotplate.v1.GetResponse> getGetMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Get",
      requestType = hotplate.v1.GetRequest.class,
      responseType = hotplate.v1.GetResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hotplate.v1.GetRequest,
      hotplate.v1.GetResponse> getGetMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.GetRequest, hotplate.v1.GetResponse> getGetMethod;
    if ((getGetMethod = CacheServiceGrpc.getGetMethod) == null) {
      synchronized (CacheServiceGrpc.class) {
        if ((getGetMethod = CacheServiceGrpc.getGetMethod) == null) {
          CacheServiceGrpc.getGetMethod = getGetMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.GetRequest, hotplate.v1.GetResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Get"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.GetRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.GetResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CacheServiceMethodDescriptorSupplier("Get"))
              .build();
        }
      }
    }
    return getGetMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hotplate.v1.BatchGetRequest,
      hotplate.v1.BatchGetResponse> getBatchGetMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "BatchGet",
      requestType = hotplate.v1.BatchGetRequest.class,
      responseType = hotplate.v1.BatchGetResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hotplate.v1.BatchGetRequest,
      hotplate.v1.BatchGetResponse> getBatchGetMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.BatchGetRequest, hotplate.v1.BatchGetResponse> getBatchGetMethod;
    if ((getBatchGetMethod = CacheServiceGrpc.getBatchGetMethod) == null) {
      synchronized (CacheServiceGrpc.class) {
        if ((getBatchGetMethod = CacheServiceGrpc.getBatchGetMethod) == null) {
          CacheServiceGrpc.getBatchGetMethod = getBatchGetMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.BatchGetRequest, hotplate.v1.BatchGetResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "BatchGet"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.BatchGetRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.BatchGetResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CacheServiceMethodDescriptorSupplier("BatchGet"))
              .build();
        }
      }
    }
    return getBatchGetMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hotplate.v1.PutRequest,
      hotplate.v1.PutResponse> getPutMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Put",
      requestType = hotplate.v1.PutRequest.class,
      responseType = hotplate.v1.PutResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hotplate.v1.PutRequest,
      hotplate.v1.PutResponse> getPutMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.PutRequest, hotplate.v1.PutResponse> getPutMethod;
    if ((getPutMethod = CacheServiceGrpc.getPutMethod) == null) {
      synchronized (CacheServiceGrpc.class) {
        if ((getPutMethod = CacheServiceGrpc.getPutMethod) == null) {
          CacheServiceGrpc.getPutMethod = getPutMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.PutRequest, hotplate.v1.PutResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Put"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.PutRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.PutResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CacheServiceMethodDescriptorSupplier("Put"))
              .build();
        }
      }
    }
    return getPutMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hotplate.v1.BatchPutRequest,
      hotplate.v1.BatchPutResponse> getBatchPutMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "BatchPut",
      requestType = hotplate.v1.BatchPutRequest.class,
      responseType = hotplate.v1.BatchPutResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hotplate.v1.BatchPutRequest,
      hotplate.v1.BatchPutResponse> getBatchPutMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.BatchPutRequest, hotplate.v1.BatchPutResponse> getBatchPutMethod;
    if ((getBatchPutMethod = CacheServiceGrpc.getBatchPutMethod) == null) {
      synchronized (CacheServiceGrpc.class) {
        if ((getBatchPutMethod = CacheServiceGrpc.getBatchPutMethod) == null) {
          CacheServiceGrpc.getBatchPutMethod = getBatchPutMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.BatchPutRequest, hotplate.v1.BatchPutResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "BatchPut"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.BatchPutRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.BatchPutResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CacheServiceMethodDescriptorSupplier("BatchPut"))
              .build();
        }
      }
    }
    return getBatchPutMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hotplate.v1.TouchRequest,
      hotplate.v1.TouchResponse> getTouchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Touch",
      requestType = hotplate.v1.TouchRequest.class,
      responseType = hotplate.v1.TouchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hotplate.v1.TouchRequest,
      hotplate.v1.TouchResponse> getTouchMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.TouchRequest, hotplate.v1.TouchResponse> getTouchMethod;
    if ((getTouchMethod = CacheServiceGrpc.getTouchMethod) == null) {
      synchronized (CacheServiceGrpc.class) {
        if ((getTouchMethod = CacheServiceGrpc.getTouchMethod) == null) {
          CacheServiceGrpc.getTouchMethod = getTouchMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.TouchRequest, hotplate.v1.TouchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Touch"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.TouchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.TouchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CacheServiceMethodDescriptorSupplier("Touch"))
              .build();
        }
      }
    }
    return getTouchMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hotplate.v1.InvalidateRequest,
      hotplate.v1.InvalidateResponse> getInvalidateMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Invalidate",
      requestType = hotplate.v1.InvalidateRequest.class,
      responseType = hotplate.v1.InvalidateResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hotplate.v1.InvalidateRequest,
      hotplate.v1.InvalidateResponse> getInvalidateMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.InvalidateRequest, hotplate.v1.InvalidateResponse> getInvalidateMethod;
    if ((getInvalidateMethod = CacheServiceGrpc.getInvalidateMethod) == null) {
      synchronized (CacheServiceGrpc.class) {
        if ((getInvalidateMethod = CacheServiceGrpc.getInvalidateMethod) == null) {
          CacheServiceGrpc.getInvalidateMethod = getInvalidateMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.InvalidateRequest, hotplate.v1.InvalidateResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Invalidate"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.InvalidateRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.InvalidateResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CacheServiceMethodDescriptorSupplier("Invalidate"))
              .build();
        }
      }
    }
    return getInvalidateMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hotplate.v1.PreloadRequest,
      hotplate.v1.PreloadResponse> getPreloadMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Preload",
      requestType = hotplate.v1.PreloadRequest.class,
      responseType = hotplate.v1.PreloadResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<hotplate.v1.PreloadRequest,
      hotplate.v1.PreloadResponse> getPreloadMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.PreloadRequest, hotplate.v1.PreloadResponse> getPreloadMethod;
    if ((getPreloadMethod = CacheServiceGrpc.getPreloadMethod) == null) {
      synchronized (CacheServiceGrpc.class) {
        if ((getPreloadMethod = CacheServiceGrpc.getPreloadMethod) == null) {
          CacheServiceGrpc.getPreloadMethod = getPreloadMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.PreloadRequest, hotplate.v1.PreloadResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Preload"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.PreloadRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.PreloadResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CacheServiceMethodDescriptorSupplier("Preload"))
              .build();
        }
      }
    }
    return getPreloadMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hotplate.v1.StatsRequest,
      hotplate.v1.StatsResponse> getStatsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Stats",
      requestType = hotplate.v1.StatsRequest.class,
      responseType = hotplate.v1.StatsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hotplate.v1.StatsRequest,
      hotplate.v1.StatsResponse> getStatsMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.StatsRequest, hotplate.v1.StatsResponse> getStatsMethod;
    if ((getStatsMethod = CacheServiceGrpc.getStatsMethod) == null) {
      synchronized (CacheServiceGrpc.class) {
        if ((getStatsMethod = CacheServiceGrpc.getStatsMethod) == null) {
          CacheServiceGrpc.getStatsMethod = getStatsMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.StatsRequest, hotplate.v1.StatsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Stats"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.StatsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.StatsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CacheServiceMethodDescriptorSupplier("Stats"))
              .build();
        }
      }
    }
    return getStatsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hotplate.v1.WatchRequest,
      hotplate.v1.WatchResponse> getWatchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Watch",
      requestType = hotplate.v1.WatchRequest.class,
      responseType = hotplate.v1.WatchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<hotplate.v1.WatchRequest,
      hotplate.v1.WatchResponse> getWatchMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.WatchRequest, hotplate.v1.WatchResponse> getWatchMethod;
    if ((getWatchMethod = CacheServiceGrpc.getWatchMethod) == null) {
      synchronized (CacheServiceGrpc.class) {
        if ((getWatchMethod = CacheServiceGrpc.getWatchMethod) == null) {
          CacheServiceGrpc.getWatchMethod = getWatchMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.WatchRequest, hotplate.v1.WatchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Watch"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.WatchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.WatchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CacheServiceMethodDescriptorSupplier("Watch"))
              .build();
        }
      }
    }
    return getWatchMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hotplate.v1.UpdateWatchRequest,
      hotplate.v1.UpdateWatchResponse> getUpdateWatchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UpdateWatch",
      requestType = hotplate.v1.UpdateWatchRequest.class,
      responseType = hotplate.v1.UpdateWatchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hotplate.v1.UpdateWatchRequest,
      hotplate.v1.UpdateWatchResponse> getUpdateWatchMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.UpdateWatchRequest, hotplate.v1.UpdateWatchResponse> getUpdateWatchMethod;
    if ((getUpdateWatchMethod = CacheServiceGrpc.getUpdateWatchMethod) == null) {
      synchronized (CacheServiceGrpc.class) {
        if ((getUpdateWatchMethod = CacheServiceGrpc.getUpdateWatchMethod) == null) {
          CacheServiceGrpc.getUpdateWatchMethod = getUpdateWatchMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.UpdateWatchRequest, hotplate.v1.UpdateWatchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UpdateWatch"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.UpdateWatchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.UpdateWatchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CacheServiceMethodDescriptorSupplier("UpdateWatch"))
              .build();
        }
      }
    }
    return getUpdateWatchMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hotplate.v1.RevalidateRequest,
      hotplate.v1.RevalidateResponse> getRevalidateMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Revalidate",
      requestType = hotplate.v1.RevalidateRequest.class,
      responseType = hotplate.v1.RevalidateResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hotplate.v1.RevalidateRequest,
      hotplate.v1.RevalidateResponse> getRevalidateMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.RevalidateRequest, hotplate.v1.RevalidateResponse> getRevalidateMethod;
    if ((getRevalidateMethod = CacheServiceGrpc.getRevalidateMethod) == null) {
      synchronized (CacheServiceGrpc.class) {
        if ((getRevalidateMethod = CacheServiceGrpc.getRevalidateMethod) == null) {
          CacheServiceGrpc.getRevalidateMethod = getRevalidateMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.RevalidateRequest, hotplate.v1.RevalidateResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Revalidate"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.RevalidateRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.RevalidateResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CacheServiceMethodDescriptorSupplier("Revalidate"))
              .build();
        }
      }
    }
    return getRevalidateMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hotplate.v1.ListEntriesRequest,
      hotplate.v1.ListEntriesResponse> getListEntriesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListEntries",
      requestType = hotplate.v1.ListEntriesRequest.class,
      responseType = hotplate.v1.ListEntriesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hotplate.v1.ListEntriesRequest,
      hotplate.v1.ListEntriesResponse> getListEntriesMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.ListEntriesRequest, hotplate.v1.ListEntriesResponse> getListEntriesMethod;
    if ((getListEntriesMethod = CacheServiceGrpc.getListEntriesMethod) == null) {
      synchronized (CacheServiceGrpc.class) {
        if ((getListEntriesMethod = CacheServiceGrpc.getListEntriesMethod) == null) {
          CacheServiceGrpc.getListEntriesMethod = getListEntriesMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.ListEntriesRequest, hotplate.v1.ListEntriesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListEntries"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.ListEntriesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.ListEntriesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CacheServiceMethodDescriptorSupplier("ListEntries"))
              .build();
        }
      }
    }
    return getListEntriesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hotplate.v1.ExplainKeyRequest,
      hotplate.v1.ExplainKeyResponse> getExplainKeyMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ExplainKey",
      requestType = hotplate.v1.ExplainKeyRequest.class,
      responseType = hotplate.v1.ExplainKeyResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hotplate.v1.ExplainKeyRequest,
      hotplate.v1.ExplainKeyResponse> getExplainKeyMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.ExplainKeyRequest, hotplate.v1.ExplainKeyResponse> getExplainKeyMethod;
    if ((getExplainKeyMethod = CacheServiceGrpc.getExplainKeyMethod) == null) {
      synchronized (CacheServiceGrpc.class) {
        if ((getExplainKeyMethod = CacheServiceGrpc.getExplainKeyMethod) == null) {
          CacheServiceGrpc.getExplainKeyMethod = getExplainKeyMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.ExplainKeyRequest, hotplate.v1.ExplainKeyResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ExplainKey"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.ExplainKeyRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.ExplainKeyResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CacheServiceMethodDescriptorSupplier("ExplainKey"))
              .build();
        }
      }
    }
    return getExplainKeyMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hotplate.v1.ExtendLeaseRequest,
      hotplate.v1.ExtendLeaseResponse> getExtendLeaseMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ExtendLease",
      requestType = hotplate.v1.ExtendLeaseRequest.class,
      responseType = hotplate.v1.ExtendLeaseResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hotplate.v1.ExtendLeaseRequest,
      hotplate.v1.ExtendLeaseResponse> getExtendLeaseMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.ExtendLeaseRequest, hotplate.v1.ExtendLeaseResponse> getExtendLeaseMethod;
    if ((getExtendLeaseMethod = CacheServiceGrpc.getExtendLeaseMethod) == null) {
      synchronized (CacheServiceGrpc.class) {
        if ((getExtendLeaseMethod = CacheServiceGrpc.getExtendLeaseMethod) == null) {
          CacheServiceGrpc.getExtendLeaseMethod = getExtendLeaseMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.ExtendLeaseRequest, hotplate.v1.ExtendLeaseResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ExtendLease"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.ExtendLeaseRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.ExtendLeaseResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CacheServiceMethodDescriptorSupplier("ExtendLease"))
              .build();
        }
      }
    }
    return getExtendLeaseMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hotplate.v1.ReleaseLeaseRequest,
      hotplate.v1.ReleaseLeaseResponse> getReleaseLeaseMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ReleaseLease",
      requestType = hotplate.v1.ReleaseLeaseRequest.class,
      responseType = hotplate.v1.ReleaseLeaseResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hotplate.v1.ReleaseLeaseRequest,
      hotplate.v1.ReleaseLeaseResponse> getReleaseLeaseMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.ReleaseLeaseRequest, hotplate.v1.ReleaseLeaseResponse> getReleaseLeaseMethod;
    if ((getReleaseLeaseMethod = CacheServiceGrpc.getReleaseLeaseMethod) == null) {
      synchronized (CacheServiceGrpc.class) {
        if ((getReleaseLeaseMethod = CacheServiceGrpc.getReleaseLeaseMethod) == null) {
          CacheServiceGrpc.getReleaseLeaseMethod = getReleaseLeaseMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.ReleaseLeaseRequest, hotplate.v1.ReleaseLeaseResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ReleaseLease"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.ReleaseLeaseRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.ReleaseLeaseResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CacheServiceMethodDescriptorSupplier("ReleaseLease"))
              .build();
        }
      }
    }
    return getReleaseLeaseMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hotplate.v1.PipelineRequest,
      hotplate.v1.PipelineResponse> getPipelineMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Pipeline",
      requestType = hotplate.v1.PipelineRequest.class,
      responseType = hotplate.v1.PipelineResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
  public static io.grpc.MethodDescriptor<hotplate.v1.PipelineRequest,
      hotplate.v1.PipelineResponse> getPipelineMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.PipelineRequest, hotplate.v1.PipelineResponse> getPipelineMethod;
    if ((getPipelineMethod = CacheServiceGrpc.getPipelineMethod) == null) {
      synchronized (CacheServiceGrpc.class) {
        if ((getPipelineMethod = CacheServiceGrpc.getPipelineMethod) == null) {
          CacheServiceGrpc.getPipelineMethod = getPipelineMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.PipelineRequest, hotplate.v1.PipelineResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Pipeline"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.PipelineRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.PipelineResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CacheServiceMethodDescriptorSupplier("Pipeline"))
              .build();
        }
      }
    }
    return getPipelineMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hotplate.v1.GetServerInfoRequest,
      hotplate.v1.GetServerInfoResponse> getGetServerInfoMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetServerInfo",
      requestType = hotplate.v1.GetServerInfoRequest.class,
      responseType = hotplate.v1.GetServerInfoResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hotplate.v1.GetServerInfoRequest,
      hotplate.v1.GetServerInfoResponse> getGetServerInfoMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.GetServerInfoRequest, hotplate.v1.GetServerInfoResponse> getGetServerInfoMethod;
    if ((getGetServerInfoMethod = CacheServiceGrpc.getGetServerInfoMethod) == null) {
      synchronized (CacheServiceGrpc.class) {
        if ((getGetServerInfoMethod = CacheServiceGrpc.getGetServerInfoMethod) == null) {
          CacheServiceGrpc.getGetServerInfoMethod = getGetServerInfoMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.GetServerInfoRequest, hotplate.v1.GetServerInfoResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetServerInfo"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.GetServerInfoRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.GetServerInfoResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CacheServiceMethodDescriptorSupplier("GetServerInfo"))
              .build();
        }
      }
    }
    return getGetServerInfoMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static CacheServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<CacheServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<CacheServiceStub>() {
        @java.lang.Override
        public CacheServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new CacheServiceStub(channel, callOptions);
        }
      };
    return CacheServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static CacheServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<CacheServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<CacheServiceBlockingV2Stub>() {
        @java.lang.Override
        public CacheServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new CacheServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return CacheServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static CacheServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<CacheServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<CacheServiceBlockingStub>() {
        @java.lang.Override
        public CacheServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new CacheServiceBlockingStub(channel, callOptions);
        }
      };
    return CacheServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static CacheServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<CacheServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<CacheServiceFutureStub>() {
        @java.lang.Override
        public CacheServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new CacheServiceFutureStub(channel, callOptions);
        }
      };
    return CacheServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Stores, finds, drops, fetches ahead, counts and follows entries. In every request an empty namespace means
   * `default`.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Finds one entry. A miss is an answer with its reason, not an error. With a `miss_policy` it may come with a lease,
     * which takes the permission to write as well; no entry is changed by it.
     * </pre>
     */
    default void get(hotplate.v1.GetRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.GetResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetMethod(), responseObserver);
    }

    /**
     * <pre>
     * Finds several entries; each succeeds or fails alone, answers come in the order of the request. Items wait together,
     * and only while no item has a lease: whoever is given one computes it first, and asks again for what is PENDING.
     * </pre>
     */
    default void batchGet(hotplate.v1.BatchGetRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.BatchGetResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getBatchGetMethod(), responseObserver);
    }

    /**
     * <pre>
     * Stores one entry, on a condition when one is given, under a lease when its token is given. Whatever is stored
     * releases those who wait for the key.
     * </pre>
     */
    default void put(hotplate.v1.PutRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.PutResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getPutMethod(), responseObserver);
    }

    /**
     * <pre>
     * Stores several entries; each succeeds or fails alone, answers come in the order of the request.
     * </pre>
     */
    default void batchPut(hotplate.v1.BatchPutRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.BatchPutResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getBatchPutMethod(), responseObserver);
    }

    /**
     * <pre>
     * Changes how long an entry lives, without sending its value.
     * </pre>
     */
    default void touch(hotplate.v1.TouchRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.TouchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getTouchMethod(), responseObserver);
    }

    /**
     * <pre>
     * Drops entries. Once it has answered, no Get on this server returns what was stored before it, not even a value
     * that was being fetched while it ran.
     * </pre>
     */
    default void invalidate(hotplate.v1.InvalidateRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.InvalidateResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getInvalidateMethod(), responseObserver);
    }

    /**
     * <pre>
     * Fetches entries from a configured origin ahead of their use. The stream reports progress; the job goes on when the
     * stream is lost and can be joined again by its id.
     * </pre>
     */
    default void preload(hotplate.v1.PreloadRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.PreloadResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getPreloadMethod(), responseObserver);
    }

    /**
     * <pre>
     * Counts what happened and what is held.
     * </pre>
     */
    default void stats(hotplate.v1.StatsRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.StatsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getStatsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Follows changes. Resumable: every message that carries a token can be continued from, on this server, for as long
     * as its history reaches back; otherwise the stream says so with a Discontinuity.
     * </pre>
     */
    default void watch(hotplate.v1.WatchRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.WatchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getWatchMethod(), responseObserver);
    }

    /**
     * <pre>
     * Changes which single keys an open Watch follows, all of them or none. A Watch opened with `follow_keys` takes part.
     * </pre>
     */
    default void updateWatch(hotplate.v1.UpdateWatchRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.UpdateWatchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUpdateWatchMethod(), responseObserver);
    }

    /**
     * <pre>
     * Tells which of the entries that a caller holds copies of are still current, without sending them. It is not a read:
     * neither order, idle time, hit counts nor statistics of reads change.
     * </pre>
     */
    default void revalidate(hotplate.v1.RevalidateRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.RevalidateResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRevalidateMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists metadata of entries in key order, a page at a time.
     * </pre>
     */
    default void listEntries(hotplate.v1.ListEntriesRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.ListEntriesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListEntriesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Explains a key: what a Get would say and why, and what happened to the key before. It is not a read: neither order,
     * lifetimes nor statistics change. Needs READ in the key's namespace: it shows no more of an entry than a Get does, and
     * who changed the key as a Watch does. It looks through the whole history of the server: meant for people, not for
     * every call.
     * </pre>
     */
    default void explainKey(hotplate.v1.ExplainKeyRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.ExplainKeyResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getExplainKeyMethod(), responseObserver);
    }

    /**
     * <pre>
     * Keeps a lease for one more duration, for computations that take longer than it lasts. Call it at a third of the
     * duration. A lease that is not held any more is an outcome, not an error.
     * </pre>
     */
    default void extendLease(hotplate.v1.ExtendLeaseRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.ExtendLeaseResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getExtendLeaseMethod(), responseObserver);
    }

    /**
     * <pre>
     * Gives a lease back without a value: with a failure that those who wait get, or for the next of them to compute.
     * </pre>
     */
    default void releaseLease(hotplate.v1.ReleaseLeaseRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.ReleaseLeaseResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getReleaseLeaseMethod(), responseObserver);
    }

    /**
     * <pre>
     * Carries many small calls over one stream, several in each message, answered in any order. Each operation is what the
     * RPC of its name is, with the same answer, and needs the permission that that needs. How much is under way is bounded:
     * what the server does not take yet waits in the stream.
     * </pre>
     */
    default io.grpc.stub.StreamObserver<hotplate.v1.PipelineRequest> pipeline(
        io.grpc.stub.StreamObserver<hotplate.v1.PipelineResponse> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getPipelineMethod(), responseObserver);
    }

    /**
     * <pre>
     * Tells version, limits and features, so that a client can set itself up.
     * </pre>
     */
    default void getServerInfo(hotplate.v1.GetServerInfoRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.GetServerInfoResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetServerInfoMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service CacheService.
   * <pre>
   * Stores, finds, drops, fetches ahead, counts and follows entries. In every request an empty namespace means
   * `default`.
   * </pre>
   */
  public static abstract class CacheServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return CacheServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service CacheService.
   * <pre>
   * Stores, finds, drops, fetches ahead, counts and follows entries. In every request an empty namespace means
   * `default`.
   * </pre>
   */
  public static final class CacheServiceStub
      extends io.grpc.stub.AbstractAsyncStub<CacheServiceStub> {
    private CacheServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected CacheServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new CacheServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Finds one entry. A miss is an answer with its reason, not an error. With a `miss_policy` it may come with a lease,
     * which takes the permission to write as well; no entry is changed by it.
     * </pre>
     */
    public void get(hotplate.v1.GetRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.GetResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Finds several entries; each succeeds or fails alone, answers come in the order of the request. Items wait together,
     * and only while no item has a lease: whoever is given one computes it first, and asks again for what is PENDING.
     * </pre>
     */
    public void batchGet(hotplate.v1.BatchGetRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.BatchGetResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getBatchGetMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Stores one entry, on a condition when one is given, under a lease when its token is given. Whatever is stored
     * releases those who wait for the key.
     * </pre>
     */
    public void put(hotplate.v1.PutRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.PutResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getPutMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Stores several entries; each succeeds or fails alone, answers come in the order of the request.
     * </pre>
     */
    public void batchPut(hotplate.v1.BatchPutRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.BatchPutResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getBatchPutMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Changes how long an entry lives, without sending its value.
     * </pre>
     */
    public void touch(hotplate.v1.TouchRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.TouchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getTouchMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Drops entries. Once it has answered, no Get on this server returns what was stored before it, not even a value
     * that was being fetched while it ran.
     * </pre>
     */
    public void invalidate(hotplate.v1.InvalidateRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.InvalidateResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getInvalidateMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Fetches entries from a configured origin ahead of their use. The stream reports progress; the job goes on when the
     * stream is lost and can be joined again by its id.
     * </pre>
     */
    public void preload(hotplate.v1.PreloadRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.PreloadResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getPreloadMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Counts what happened and what is held.
     * </pre>
     */
    public void stats(hotplate.v1.StatsRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.StatsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getStatsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Follows changes. Resumable: every message that carries a token can be continued from, on this server, for as long
     * as its history reaches back; otherwise the stream says so with a Discontinuity.
     * </pre>
     */
    public void watch(hotplate.v1.WatchRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.WatchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getWatchMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Changes which single keys an open Watch follows, all of them or none. A Watch opened with `follow_keys` takes part.
     * </pre>
     */
    public void updateWatch(hotplate.v1.UpdateWatchRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.UpdateWatchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUpdateWatchMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Tells which of the entries that a caller holds copies of are still current, without sending them. It is not a read:
     * neither order, idle time, hit counts nor statistics of reads change.
     * </pre>
     */
    public void revalidate(hotplate.v1.RevalidateRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.RevalidateResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRevalidateMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists metadata of entries in key order, a page at a time.
     * </pre>
     */
    public void listEntries(hotplate.v1.ListEntriesRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.ListEntriesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListEntriesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Explains a key: what a Get would say and why, and what happened to the key before. It is not a read: neither order,
     * lifetimes nor statistics change. Needs READ in the key's namespace: it shows no more of an entry than a Get does, and
     * who changed the key as a Watch does. It looks through the whole history of the server: meant for people, not for
     * every call.
     * </pre>
     */
    public void explainKey(hotplate.v1.ExplainKeyRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.ExplainKeyResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getExplainKeyMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Keeps a lease for one more duration, for computations that take longer than it lasts. Call it at a third of the
     * duration. A lease that is not held any more is an outcome, not an error.
     * </pre>
     */
    public void extendLease(hotplate.v1.ExtendLeaseRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.ExtendLeaseResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getExtendLeaseMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Gives a lease back without a value: with a failure that those who wait get, or for the next of them to compute.
     * </pre>
     */
    public void releaseLease(hotplate.v1.ReleaseLeaseRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.ReleaseLeaseResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getReleaseLeaseMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Carries many small calls over one stream, several in each message, answered in any order. Each operation is what the
     * RPC of its name is, with the same answer, and needs the permission that that needs. How much is under way is bounded:
     * what the server does not take yet waits in the stream.
     * </pre>
     */
    public io.grpc.stub.StreamObserver<hotplate.v1.PipelineRequest> pipeline(
        io.grpc.stub.StreamObserver<hotplate.v1.PipelineResponse> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncBidiStreamingCall(
          getChannel().newCall(getPipelineMethod(), getCallOptions()), responseObserver);
    }

    /**
     * <pre>
     * Tells version, limits and features, so that a client can set itself up.
     * </pre>
     */
    public void getServerInfo(hotplate.v1.GetServerInfoRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.GetServerInfoResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetServerInfoMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service CacheService.
   * <pre>
   * Stores, finds, drops, fetches ahead, counts and follows entries. In every request an empty namespace means
   * `default`.
   * </pre>
   */
  public static final class CacheServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<CacheServiceBlockingV2Stub> {
    private CacheServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected CacheServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new CacheServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Finds one entry. A miss is an answer with its reason, not an error. With a `miss_policy` it may come with a lease,
     * which takes the permission to write as well; no entry is changed by it.
     * </pre>
     */
    public hotplate.v1.GetResponse get(hotplate.v1.GetRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Finds several entries; each succeeds or fails alone, answers come in the order of the request. Items wait together,
     * and only while no item has a lease: whoever is given one computes it first, and asks again for what is PENDING.
     * </pre>
     */
    public hotplate.v1.BatchGetResponse batchGet(hotplate.v1.BatchGetRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getBatchGetMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Stores one entry, on a condition when one is given, under a lease when its token is given. Whatever is stored
     * releases those who wait for the key.
     * </pre>
     */
    public hotplate.v1.PutResponse put(hotplate.v1.PutRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getPutMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Stores several entries; each succeeds or fails alone, answers come in the order of the request.
     * </pre>
     */
    public hotplate.v1.BatchPutResponse batchPut(hotplate.v1.BatchPutRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getBatchPutMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes how long an entry lives, without sending its value.
     * </pre>
     */
    public hotplate.v1.TouchResponse touch(hotplate.v1.TouchRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getTouchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Drops entries. Once it has answered, no Get on this server returns what was stored before it, not even a value
     * that was being fetched while it ran.
     * </pre>
     */
    public hotplate.v1.InvalidateResponse invalidate(hotplate.v1.InvalidateRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getInvalidateMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Fetches entries from a configured origin ahead of their use. The stream reports progress; the job goes on when the
     * stream is lost and can be joined again by its id.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, hotplate.v1.PreloadResponse>
        preload(hotplate.v1.PreloadRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getPreloadMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Counts what happened and what is held.
     * </pre>
     */
    public hotplate.v1.StatsResponse stats(hotplate.v1.StatsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getStatsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Follows changes. Resumable: every message that carries a token can be continued from, on this server, for as long
     * as its history reaches back; otherwise the stream says so with a Discontinuity.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, hotplate.v1.WatchResponse>
        watch(hotplate.v1.WatchRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getWatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes which single keys an open Watch follows, all of them or none. A Watch opened with `follow_keys` takes part.
     * </pre>
     */
    public hotplate.v1.UpdateWatchResponse updateWatch(hotplate.v1.UpdateWatchRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUpdateWatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Tells which of the entries that a caller holds copies of are still current, without sending them. It is not a read:
     * neither order, idle time, hit counts nor statistics of reads change.
     * </pre>
     */
    public hotplate.v1.RevalidateResponse revalidate(hotplate.v1.RevalidateRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRevalidateMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists metadata of entries in key order, a page at a time.
     * </pre>
     */
    public hotplate.v1.ListEntriesResponse listEntries(hotplate.v1.ListEntriesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListEntriesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Explains a key: what a Get would say and why, and what happened to the key before. It is not a read: neither order,
     * lifetimes nor statistics change. Needs READ in the key's namespace: it shows no more of an entry than a Get does, and
     * who changed the key as a Watch does. It looks through the whole history of the server: meant for people, not for
     * every call.
     * </pre>
     */
    public hotplate.v1.ExplainKeyResponse explainKey(hotplate.v1.ExplainKeyRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getExplainKeyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Keeps a lease for one more duration, for computations that take longer than it lasts. Call it at a third of the
     * duration. A lease that is not held any more is an outcome, not an error.
     * </pre>
     */
    public hotplate.v1.ExtendLeaseResponse extendLease(hotplate.v1.ExtendLeaseRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getExtendLeaseMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Gives a lease back without a value: with a failure that those who wait get, or for the next of them to compute.
     * </pre>
     */
    public hotplate.v1.ReleaseLeaseResponse releaseLease(hotplate.v1.ReleaseLeaseRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getReleaseLeaseMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Carries many small calls over one stream, several in each message, answered in any order. Each operation is what the
     * RPC of its name is, with the same answer, and needs the permission that that needs. How much is under way is bounded:
     * what the server does not take yet waits in the stream.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<hotplate.v1.PipelineRequest, hotplate.v1.PipelineResponse>
        pipeline() {
      return io.grpc.stub.ClientCalls.blockingBidiStreamingCall(
          getChannel(), getPipelineMethod(), getCallOptions());
    }

    /**
     * <pre>
     * Tells version, limits and features, so that a client can set itself up.
     * </pre>
     */
    public hotplate.v1.GetServerInfoResponse getServerInfo(hotplate.v1.GetServerInfoRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetServerInfoMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service CacheService.
   * <pre>
   * Stores, finds, drops, fetches ahead, counts and follows entries. In every request an empty namespace means
   * `default`.
   * </pre>
   */
  public static final class CacheServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<CacheServiceBlockingStub> {
    private CacheServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected CacheServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new CacheServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Finds one entry. A miss is an answer with its reason, not an error. With a `miss_policy` it may come with a lease,
     * which takes the permission to write as well; no entry is changed by it.
     * </pre>
     */
    public hotplate.v1.GetResponse get(hotplate.v1.GetRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Finds several entries; each succeeds or fails alone, answers come in the order of the request. Items wait together,
     * and only while no item has a lease: whoever is given one computes it first, and asks again for what is PENDING.
     * </pre>
     */
    public hotplate.v1.BatchGetResponse batchGet(hotplate.v1.BatchGetRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getBatchGetMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Stores one entry, on a condition when one is given, under a lease when its token is given. Whatever is stored
     * releases those who wait for the key.
     * </pre>
     */
    public hotplate.v1.PutResponse put(hotplate.v1.PutRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getPutMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Stores several entries; each succeeds or fails alone, answers come in the order of the request.
     * </pre>
     */
    public hotplate.v1.BatchPutResponse batchPut(hotplate.v1.BatchPutRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getBatchPutMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes how long an entry lives, without sending its value.
     * </pre>
     */
    public hotplate.v1.TouchResponse touch(hotplate.v1.TouchRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getTouchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Drops entries. Once it has answered, no Get on this server returns what was stored before it, not even a value
     * that was being fetched while it ran.
     * </pre>
     */
    public hotplate.v1.InvalidateResponse invalidate(hotplate.v1.InvalidateRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getInvalidateMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Fetches entries from a configured origin ahead of their use. The stream reports progress; the job goes on when the
     * stream is lost and can be joined again by its id.
     * </pre>
     */
    public java.util.Iterator<hotplate.v1.PreloadResponse> preload(
        hotplate.v1.PreloadRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getPreloadMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Counts what happened and what is held.
     * </pre>
     */
    public hotplate.v1.StatsResponse stats(hotplate.v1.StatsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getStatsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Follows changes. Resumable: every message that carries a token can be continued from, on this server, for as long
     * as its history reaches back; otherwise the stream says so with a Discontinuity.
     * </pre>
     */
    public java.util.Iterator<hotplate.v1.WatchResponse> watch(
        hotplate.v1.WatchRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getWatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes which single keys an open Watch follows, all of them or none. A Watch opened with `follow_keys` takes part.
     * </pre>
     */
    public hotplate.v1.UpdateWatchResponse updateWatch(hotplate.v1.UpdateWatchRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUpdateWatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Tells which of the entries that a caller holds copies of are still current, without sending them. It is not a read:
     * neither order, idle time, hit counts nor statistics of reads change.
     * </pre>
     */
    public hotplate.v1.RevalidateResponse revalidate(hotplate.v1.RevalidateRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRevalidateMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists metadata of entries in key order, a page at a time.
     * </pre>
     */
    public hotplate.v1.ListEntriesResponse listEntries(hotplate.v1.ListEntriesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListEntriesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Explains a key: what a Get would say and why, and what happened to the key before. It is not a read: neither order,
     * lifetimes nor statistics change. Needs READ in the key's namespace: it shows no more of an entry than a Get does, and
     * who changed the key as a Watch does. It looks through the whole history of the server: meant for people, not for
     * every call.
     * </pre>
     */
    public hotplate.v1.ExplainKeyResponse explainKey(hotplate.v1.ExplainKeyRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getExplainKeyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Keeps a lease for one more duration, for computations that take longer than it lasts. Call it at a third of the
     * duration. A lease that is not held any more is an outcome, not an error.
     * </pre>
     */
    public hotplate.v1.ExtendLeaseResponse extendLease(hotplate.v1.ExtendLeaseRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getExtendLeaseMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Gives a lease back without a value: with a failure that those who wait get, or for the next of them to compute.
     * </pre>
     */
    public hotplate.v1.ReleaseLeaseResponse releaseLease(hotplate.v1.ReleaseLeaseRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getReleaseLeaseMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Tells version, limits and features, so that a client can set itself up.
     * </pre>
     */
    public hotplate.v1.GetServerInfoResponse getServerInfo(hotplate.v1.GetServerInfoRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetServerInfoMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service CacheService.
   * <pre>
   * Stores, finds, drops, fetches ahead, counts and follows entries. In every request an empty namespace means
   * `default`.
   * </pre>
   */
  public static final class CacheServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<CacheServiceFutureStub> {
    private CacheServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected CacheServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new CacheServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Finds one entry. A miss is an answer with its reason, not an error. With a `miss_policy` it may come with a lease,
     * which takes the permission to write as well; no entry is changed by it.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hotplate.v1.GetResponse> get(
        hotplate.v1.GetRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Finds several entries; each succeeds or fails alone, answers come in the order of the request. Items wait together,
     * and only while no item has a lease: whoever is given one computes it first, and asks again for what is PENDING.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hotplate.v1.BatchGetResponse> batchGet(
        hotplate.v1.BatchGetRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getBatchGetMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Stores one entry, on a condition when one is given, under a lease when its token is given. Whatever is stored
     * releases those who wait for the key.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hotplate.v1.PutResponse> put(
        hotplate.v1.PutRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getPutMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Stores several entries; each succeeds or fails alone, answers come in the order of the request.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hotplate.v1.BatchPutResponse> batchPut(
        hotplate.v1.BatchPutRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getBatchPutMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Changes how long an entry lives, without sending its value.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hotplate.v1.TouchResponse> touch(
        hotplate.v1.TouchRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getTouchMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Drops entries. Once it has answered, no Get on this server returns what was stored before it, not even a value
     * that was being fetched while it ran.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hotplate.v1.InvalidateResponse> invalidate(
        hotplate.v1.InvalidateRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getInvalidateMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Counts what happened and what is held.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hotplate.v1.StatsResponse> stats(
        hotplate.v1.StatsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getStatsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Changes which single keys an open Watch follows, all of them or none. A Watch opened with `follow_keys` takes part.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hotplate.v1.UpdateWatchResponse> updateWatch(
        hotplate.v1.UpdateWatchRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUpdateWatchMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Tells which of the entries that a caller holds copies of are still current, without sending them. It is not a read:
     * neither order, idle time, hit counts nor statistics of reads change.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hotplate.v1.RevalidateResponse> revalidate(
        hotplate.v1.RevalidateRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRevalidateMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists metadata of entries in key order, a page at a time.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hotplate.v1.ListEntriesResponse> listEntries(
        hotplate.v1.ListEntriesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListEntriesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Explains a key: what a Get would say and why, and what happened to the key before. It is not a read: neither order,
     * lifetimes nor statistics change. Needs READ in the key's namespace: it shows no more of an entry than a Get does, and
     * who changed the key as a Watch does. It looks through the whole history of the server: meant for people, not for
     * every call.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hotplate.v1.ExplainKeyResponse> explainKey(
        hotplate.v1.ExplainKeyRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getExplainKeyMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Keeps a lease for one more duration, for computations that take longer than it lasts. Call it at a third of the
     * duration. A lease that is not held any more is an outcome, not an error.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hotplate.v1.ExtendLeaseResponse> extendLease(
        hotplate.v1.ExtendLeaseRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getExtendLeaseMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Gives a lease back without a value: with a failure that those who wait get, or for the next of them to compute.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hotplate.v1.ReleaseLeaseResponse> releaseLease(
        hotplate.v1.ReleaseLeaseRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getReleaseLeaseMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Tells version, limits and features, so that a client can set itself up.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hotplate.v1.GetServerInfoResponse> getServerInfo(
        hotplate.v1.GetServerInfoRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetServerInfoMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_GET = 0;
  private static final int METHODID_BATCH_GET = 1;
  private static final int METHODID_PUT = 2;
  private static final int METHODID_BATCH_PUT = 3;
  private static final int METHODID_TOUCH = 4;
  private static final int METHODID_INVALIDATE = 5;
  private static final int METHODID_PRELOAD = 6;
  private static final int METHODID_STATS = 7;
  private static final int METHODID_WATCH = 8;
  private static final int METHODID_UPDATE_WATCH = 9;
  private static final int METHODID_REVALIDATE = 10;
  private static final int METHODID_LIST_ENTRIES = 11;
  private static final int METHODID_EXPLAIN_KEY = 12;
  private static final int METHODID_EXTEND_LEASE = 13;
  private static final int METHODID_RELEASE_LEASE = 14;
  private static final int METHODID_GET_SERVER_INFO = 15;
  private static final int METHODID_PIPELINE = 16;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_GET:
          serviceImpl.get((hotplate.v1.GetRequest) request,
              (io.grpc.stub.StreamObserver<hotplate.v1.GetResponse>) responseObserver);
          break;
        case METHODID_BATCH_GET:
          serviceImpl.batchGet((hotplate.v1.BatchGetRequest) request,
              (io.grpc.stub.StreamObserver<hotplate.v1.BatchGetResponse>) responseObserver);
          break;
        case METHODID_PUT:
          serviceImpl.put((hotplate.v1.PutRequest) request,
              (io.grpc.stub.StreamObserver<hotplate.v1.PutResponse>) responseObserver);
          break;
        case METHODID_BATCH_PUT:
          serviceImpl.batchPut((hotplate.v1.BatchPutRequest) request,
              (io.grpc.stub.StreamObserver<hotplate.v1.BatchPutResponse>) responseObserver);
          break;
        case METHODID_TOUCH:
          serviceImpl.touch((hotplate.v1.TouchRequest) request,
              (io.grpc.stub.StreamObserver<hotplate.v1.TouchResponse>) responseObserver);
          break;
        case METHODID_INVALIDATE:
          serviceImpl.invalidate((hotplate.v1.InvalidateRequest) request,
              (io.grpc.stub.StreamObserver<hotplate.v1.InvalidateResponse>) responseObserver);
          break;
        case METHODID_PRELOAD:
          serviceImpl.preload((hotplate.v1.PreloadRequest) request,
              (io.grpc.stub.StreamObserver<hotplate.v1.PreloadResponse>) responseObserver);
          break;
        case METHODID_STATS:
          serviceImpl.stats((hotplate.v1.StatsRequest) request,
              (io.grpc.stub.StreamObserver<hotplate.v1.StatsResponse>) responseObserver);
          break;
        case METHODID_WATCH:
          serviceImpl.watch((hotplate.v1.WatchRequest) request,
              (io.grpc.stub.StreamObserver<hotplate.v1.WatchResponse>) responseObserver);
          break;
        case METHODID_UPDATE_WATCH:
          serviceImpl.updateWatch((hotplate.v1.UpdateWatchRequest) request,
              (io.grpc.stub.StreamObserver<hotplate.v1.UpdateWatchResponse>) responseObserver);
          break;
        case METHODID_REVALIDATE:
          serviceImpl.revalidate((hotplate.v1.RevalidateRequest) request,
              (io.grpc.stub.StreamObserver<hotplate.v1.RevalidateResponse>) responseObserver);
          break;
        case METHODID_LIST_ENTRIES:
          serviceImpl.listEntries((hotplate.v1.ListEntriesRequest) request,
              (io.grpc.stub.StreamObserver<hotplate.v1.ListEntriesResponse>) responseObserver);
          break;
        case METHODID_EXPLAIN_KEY:
          serviceImpl.explainKey((hotplate.v1.ExplainKeyRequest) request,
              (io.grpc.stub.StreamObserver<hotplate.v1.ExplainKeyResponse>) responseObserver);
          break;
        case METHODID_EXTEND_LEASE:
          serviceImpl.extendLease((hotplate.v1.ExtendLeaseRequest) request,
              (io.grpc.stub.StreamObserver<hotplate.v1.ExtendLeaseResponse>) responseObserver);
          break;
        case METHODID_RELEASE_LEASE:
          serviceImpl.releaseLease((hotplate.v1.ReleaseLeaseRequest) request,
              (io.grpc.stub.StreamObserver<hotplate.v1.ReleaseLeaseResponse>) responseObserver);
          break;
        case METHODID_GET_SERVER_INFO:
          serviceImpl.getServerInfo((hotplate.v1.GetServerInfoRequest) request,
              (io.grpc.stub.StreamObserver<hotplate.v1.GetServerInfoResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_PIPELINE:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.pipeline(
              (io.grpc.stub.StreamObserver<hotplate.v1.PipelineResponse>) responseObserver);
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getGetMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hotplate.v1.GetRequest,
              hotplate.v1.GetResponse>(
                service, METHODID_GET)))
        .addMethod(
          getBatchGetMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hotplate.v1.BatchGetRequest,
              hotplate.v1.BatchGetResponse>(
                service, METHODID_BATCH_GET)))
        .addMethod(
          getPutMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hotplate.v1.PutRequest,
              hotplate.v1.PutResponse>(
                service, METHODID_PUT)))
        .addMethod(
          getBatchPutMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hotplate.v1.BatchPutRequest,
              hotplate.v1.BatchPutResponse>(
                service, METHODID_BATCH_PUT)))
        .addMethod(
          getTouchMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hotplate.v1.TouchRequest,
              hotplate.v1.TouchResponse>(
                service, METHODID_TOUCH)))
        .addMethod(
          getInvalidateMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hotplate.v1.InvalidateRequest,
              hotplate.v1.InvalidateResponse>(
                service, METHODID_INVALIDATE)))
        .addMethod(
          getPreloadMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              hotplate.v1.PreloadRequest,
              hotplate.v1.PreloadResponse>(
                service, METHODID_PRELOAD)))
        .addMethod(
          getStatsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hotplate.v1.StatsRequest,
              hotplate.v1.StatsResponse>(
                service, METHODID_STATS)))
        .addMethod(
          getWatchMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              hotplate.v1.WatchRequest,
              hotplate.v1.WatchResponse>(
                service, METHODID_WATCH)))
        .addMethod(
          getUpdateWatchMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hotplate.v1.UpdateWatchRequest,
              hotplate.v1.UpdateWatchResponse>(
                service, METHODID_UPDATE_WATCH)))
        .addMethod(
          getRevalidateMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hotplate.v1.RevalidateRequest,
              hotplate.v1.RevalidateResponse>(
                service, METHODID_REVALIDATE)))
        .addMethod(
          getListEntriesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hotplate.v1.ListEntriesRequest,
              hotplate.v1.ListEntriesResponse>(
                service, METHODID_LIST_ENTRIES)))
        .addMethod(
          getExplainKeyMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hotplate.v1.ExplainKeyRequest,
              hotplate.v1.ExplainKeyResponse>(
                service, METHODID_EXPLAIN_KEY)))
        .addMethod(
          getExtendLeaseMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hotplate.v1.ExtendLeaseRequest,
              hotplate.v1.ExtendLeaseResponse>(
                service, METHODID_EXTEND_LEASE)))
        .addMethod(
          getReleaseLeaseMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hotplate.v1.ReleaseLeaseRequest,
              hotplate.v1.ReleaseLeaseResponse>(
                service, METHODID_RELEASE_LEASE)))
        .addMethod(
          getPipelineMethod(),
          io.grpc.stub.ServerCalls.asyncBidiStreamingCall(
            new MethodHandlers<
              hotplate.v1.PipelineRequest,
              hotplate.v1.PipelineResponse>(
                service, METHODID_PIPELINE)))
        .addMethod(
          getGetServerInfoMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hotplate.v1.GetServerInfoRequest,
              hotplate.v1.GetServerInfoResponse>(
                service, METHODID_GET_SERVER_INFO)))
        .build();
  }

  private static abstract class CacheServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    CacheServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return hotplate.v1.CacheProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("CacheService");
    }
  }

  private static final class CacheServiceFileDescriptorSupplier
      extends CacheServiceBaseDescriptorSupplier {
    CacheServiceFileDescriptorSupplier() {}
  }

  private static final class CacheServiceMethodDescriptorSupplier
      extends CacheServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    CacheServiceMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (CacheServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new CacheServiceFileDescriptorSupplier())
              .addMethod(getGetMethod())
              .addMethod(getBatchGetMethod())
              .addMethod(getPutMethod())
              .addMethod(getBatchPutMethod())
              .addMethod(getTouchMethod())
              .addMethod(getInvalidateMethod())
              .addMethod(getPreloadMethod())
              .addMethod(getStatsMethod())
              .addMethod(getWatchMethod())
              .addMethod(getUpdateWatchMethod())
              .addMethod(getRevalidateMethod())
              .addMethod(getListEntriesMethod())
              .addMethod(getExplainKeyMethod())
              .addMethod(getExtendLeaseMethod())
              .addMethod(getReleaseLeaseMethod())
              .addMethod(getPipelineMethod())
              .addMethod(getGetServerInfoMethod())
              .build();
        }
      }
    }
    return result;
  }
}
