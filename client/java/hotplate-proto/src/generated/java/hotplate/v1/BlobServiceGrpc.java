package hotplate.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Reads and writes values of any size up to the server's `value_bytes_max`. What is written here and what is put by
 * CacheService are entries of the same cache. In every request an empty namespace means `default`.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class BlobServiceGrpc {

  private BlobServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "hotplate.v1.BlobService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<hotplate.v1.ReadValueRequest,
      hotplate.v1.ReadValueResponse> getReadValueMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ReadValue",
      requestType = hotplate.v1.ReadValueRequest.class,
      responseType = hotplate.v1.ReadValueResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<hotplate.v1.ReadValueRequest,
      hotplate.v1.ReadValueResponse> getReadValueMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.ReadValueRequest, hotplate.v1.ReadValueResponse> getReadValueMethod;
    if ((getReadValueMethod = BlobServiceGrpc.getReadValueMethod) == null) {
      synchronized (BlobServiceGrpc.class) {
        if ((getReadValueMethod = BlobServiceGrpc.getReadValueMethod) == null) {
          BlobServiceGrpc.getReadValueMethod = getReadValueMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.ReadValueRequest, hotplate.v1.ReadValueResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ReadValue"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.ReadValueRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.ReadValueResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BlobServiceMethodDescriptorSupplier("ReadValue"))
              .build();
        }
      }
    }
    return getReadValueMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hotplate.v1.WriteValueRequest,
      hotplate.v1.WriteValueResponse> getWriteValueMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "WriteValue",
      requestType = hotplate.v1.WriteValueRequest.class,
      responseType = hotplate.v1.WriteValueResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.CLIENT_STREAMING)
  public static io.grpc.MethodDescriptor<hotplate.v1.WriteValueRequest,
      hotplate.v1.WriteValueResponse> getWriteValueMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.WriteValueRequest, hotplate.v1.WriteValueResponse> getWriteValueMethod;
    if ((getWriteValueMethod = BlobServiceGrpc.getWriteValueMethod) == null) {
      synchronized (BlobServiceGrpc.class) {
        if ((getWriteValueMethod = BlobServiceGrpc.getWriteValueMethod) == null) {
          BlobServiceGrpc.getWriteValueMethod = getWriteValueMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.WriteValueRequest, hotplate.v1.WriteValueResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.CLIENT_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "WriteValue"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.WriteValueRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.WriteValueResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BlobServiceMethodDescriptorSupplier("WriteValue"))
              .build();
        }
      }
    }
    return getWriteValueMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hotplate.v1.QueryWriteRequest,
      hotplate.v1.QueryWriteResponse> getQueryWriteMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "QueryWrite",
      requestType = hotplate.v1.QueryWriteRequest.class,
      responseType = hotplate.v1.QueryWriteResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hotplate.v1.QueryWriteRequest,
      hotplate.v1.QueryWriteResponse> getQueryWriteMethod() {
    io.grpc.MethodDescriptor<hotplate.v1.QueryWriteRequest, hotplate.v1.QueryWriteResponse> getQueryWriteMethod;
    if ((getQueryWriteMethod = BlobServiceGrpc.getQueryWriteMethod) == null) {
      synchronized (BlobServiceGrpc.class) {
        if ((getQueryWriteMethod = BlobServiceGrpc.getQueryWriteMethod) == null) {
          BlobServiceGrpc.getQueryWriteMethod = getQueryWriteMethod =
              io.grpc.MethodDescriptor.<hotplate.v1.QueryWriteRequest, hotplate.v1.QueryWriteResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "QueryWrite"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.QueryWriteRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hotplate.v1.QueryWriteResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BlobServiceMethodDescriptorSupplier("QueryWrite"))
              .build();
        }
      }
    }
    return getQueryWriteMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static BlobServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<BlobServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<BlobServiceStub>() {
        @java.lang.Override
        public BlobServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new BlobServiceStub(channel, callOptions);
        }
      };
    return BlobServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static BlobServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<BlobServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<BlobServiceBlockingV2Stub>() {
        @java.lang.Override
        public BlobServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new BlobServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return BlobServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static BlobServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<BlobServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<BlobServiceBlockingStub>() {
        @java.lang.Override
        public BlobServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new BlobServiceBlockingStub(channel, callOptions);
        }
      };
    return BlobServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static BlobServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<BlobServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<BlobServiceFutureStub>() {
        @java.lang.Override
        public BlobServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new BlobServiceFutureStub(channel, callOptions);
        }
      };
    return BlobServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Reads and writes values of any size up to the server's `value_bytes_max`. What is written here and what is put by
   * CacheService are entries of the same cache. In every request an empty namespace means `default`.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Reads one value: a header, its bytes in chunks, a trailer. A stream that breaks is continued by another that begins
     * where it ended, on the same version. Nothing is held for a slow reader but the chunks on their way to it.
     * </pre>
     */
    default void readValue(hotplate.v1.ReadValueRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.ReadValueResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getReadValueMethod(), responseObserver);
    }

    /**
     * <pre>
     * Writes one value: a header, its bytes in chunks, the finish. Nothing of it can be read under its key before the
     * finish was received and all of it proved whole; then it is stored in one step, as by a Put. A stream that breaks, or
     * that ends before its finish, leaves an upload that another continues; the server gives up what nobody continues.
     * </pre>
     */
    default io.grpc.stub.StreamObserver<hotplate.v1.WriteValueRequest> writeValue(
        io.grpc.stub.StreamObserver<hotplate.v1.WriteValueResponse> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getWriteValueMethod(), responseObserver);
    }

    /**
     * <pre>
     * Tells how much of an upload the server has.
     * </pre>
     */
    default void queryWrite(hotplate.v1.QueryWriteRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.QueryWriteResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getQueryWriteMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service BlobService.
   * <pre>
   * Reads and writes values of any size up to the server's `value_bytes_max`. What is written here and what is put by
   * CacheService are entries of the same cache. In every request an empty namespace means `default`.
   * </pre>
   */
  public static abstract class BlobServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return BlobServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service BlobService.
   * <pre>
   * Reads and writes values of any size up to the server's `value_bytes_max`. What is written here and what is put by
   * CacheService are entries of the same cache. In every request an empty namespace means `default`.
   * </pre>
   */
  public static final class BlobServiceStub
      extends io.grpc.stub.AbstractAsyncStub<BlobServiceStub> {
    private BlobServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected BlobServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new BlobServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads one value: a header, its bytes in chunks, a trailer. A stream that breaks is continued by another that begins
     * where it ended, on the same version. Nothing is held for a slow reader but the chunks on their way to it.
     * </pre>
     */
    public void readValue(hotplate.v1.ReadValueRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.ReadValueResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getReadValueMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Writes one value: a header, its bytes in chunks, the finish. Nothing of it can be read under its key before the
     * finish was received and all of it proved whole; then it is stored in one step, as by a Put. A stream that breaks, or
     * that ends before its finish, leaves an upload that another continues; the server gives up what nobody continues.
     * </pre>
     */
    public io.grpc.stub.StreamObserver<hotplate.v1.WriteValueRequest> writeValue(
        io.grpc.stub.StreamObserver<hotplate.v1.WriteValueResponse> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncClientStreamingCall(
          getChannel().newCall(getWriteValueMethod(), getCallOptions()), responseObserver);
    }

    /**
     * <pre>
     * Tells how much of an upload the server has.
     * </pre>
     */
    public void queryWrite(hotplate.v1.QueryWriteRequest request,
        io.grpc.stub.StreamObserver<hotplate.v1.QueryWriteResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getQueryWriteMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service BlobService.
   * <pre>
   * Reads and writes values of any size up to the server's `value_bytes_max`. What is written here and what is put by
   * CacheService are entries of the same cache. In every request an empty namespace means `default`.
   * </pre>
   */
  public static final class BlobServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<BlobServiceBlockingV2Stub> {
    private BlobServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected BlobServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new BlobServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads one value: a header, its bytes in chunks, a trailer. A stream that breaks is continued by another that begins
     * where it ended, on the same version. Nothing is held for a slow reader but the chunks on their way to it.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, hotplate.v1.ReadValueResponse>
        readValue(hotplate.v1.ReadValueRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getReadValueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Writes one value: a header, its bytes in chunks, the finish. Nothing of it can be read under its key before the
     * finish was received and all of it proved whole; then it is stored in one step, as by a Put. A stream that breaks, or
     * that ends before its finish, leaves an upload that another continues; the server gives up what nobody continues.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<hotplate.v1.WriteValueRequest, hotplate.v1.WriteValueResponse>
        writeValue() {
      return io.grpc.stub.ClientCalls.blockingClientStreamingCall(
          getChannel(), getWriteValueMethod(), getCallOptions());
    }

    /**
     * <pre>
     * Tells how much of an upload the server has.
     * </pre>
     */
    public hotplate.v1.QueryWriteResponse queryWrite(hotplate.v1.QueryWriteRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getQueryWriteMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service BlobService.
   * <pre>
   * Reads and writes values of any size up to the server's `value_bytes_max`. What is written here and what is put by
   * CacheService are entries of the same cache. In every request an empty namespace means `default`.
   * </pre>
   */
  public static final class BlobServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<BlobServiceBlockingStub> {
    private BlobServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected BlobServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new BlobServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads one value: a header, its bytes in chunks, a trailer. A stream that breaks is continued by another that begins
     * where it ended, on the same version. Nothing is held for a slow reader but the chunks on their way to it.
     * </pre>
     */
    public java.util.Iterator<hotplate.v1.ReadValueResponse> readValue(
        hotplate.v1.ReadValueRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getReadValueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Tells how much of an upload the server has.
     * </pre>
     */
    public hotplate.v1.QueryWriteResponse queryWrite(hotplate.v1.QueryWriteRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getQueryWriteMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service BlobService.
   * <pre>
   * Reads and writes values of any size up to the server's `value_bytes_max`. What is written here and what is put by
   * CacheService are entries of the same cache. In every request an empty namespace means `default`.
   * </pre>
   */
  public static final class BlobServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<BlobServiceFutureStub> {
    private BlobServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected BlobServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new BlobServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Tells how much of an upload the server has.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hotplate.v1.QueryWriteResponse> queryWrite(
        hotplate.v1.QueryWriteRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getQueryWriteMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_READ_VALUE = 0;
  private static final int METHODID_QUERY_WRITE = 1;
  private static final int METHODID_WRITE_VALUE = 2;

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
        case METHODID_READ_VALUE:
          serviceImpl.readValue((hotplate.v1.ReadValueRequest) request,
              (io.grpc.stub.StreamObserver<hotplate.v1.ReadValueResponse>) responseObserver);
          break;
        case METHODID_QUERY_WRITE:
          serviceImpl.queryWrite((hotplate.v1.QueryWriteRequest) request,
              (io.grpc.stub.StreamObserver<hotplate.v1.QueryWriteResponse>) responseObserver);
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
        case METHODID_WRITE_VALUE:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.writeValue(
              (io.grpc.stub.StreamObserver<hotplate.v1.WriteValueResponse>) responseObserver);
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getReadValueMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              hotplate.v1.ReadValueRequest,
              hotplate.v1.ReadValueResponse>(
                service, METHODID_READ_VALUE)))
        .addMethod(
          getWriteValueMethod(),
          io.grpc.stub.ServerCalls.asyncClientStreamingCall(
            new MethodHandlers<
              hotplate.v1.WriteValueRequest,
              hotplate.v1.WriteValueResponse>(
                service, METHODID_WRITE_VALUE)))
        .addMethod(
          getQueryWriteMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hotplate.v1.QueryWriteRequest,
              hotplate.v1.QueryWriteResponse>(
                service, METHODID_QUERY_WRITE)))
        .build();
  }

  private static abstract class BlobServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    BlobServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return hotplate.v1.BlobProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("BlobService");
    }
  }

  private static final class BlobServiceFileDescriptorSupplier
      extends BlobServiceBaseDescriptorSupplier {
    BlobServiceFileDescriptorSupplier() {}
  }

  private static final class BlobServiceMethodDescriptorSupplier
      extends BlobServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    BlobServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (BlobServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new BlobServiceFileDescriptorSupplier())
              .addMethod(getReadValueMethod())
              .addMethod(getWriteValueMethod())
              .addMethod(getQueryWriteMethod())
              .build();
        }
      }
    }
    return result;
  }
}
