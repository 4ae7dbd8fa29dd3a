package hotplate.internal;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import hotplate.ErrorKind;
import hotplate.HotplateException;
import hotplate.v1.ItemError;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.io.IOException;
import java.time.Duration;
import java.util.Map;

/** How a gRPC status becomes the client's failure, whatever it holds. What to do about a failure lives with the callers. */
final class Statuses {
    private Statuses() {}

    static HotplateException of(Status status, Metadata trailers) {
        String reason = null;
        String field = null;
        Duration retryAfter = null;
        Map<String, String> details = Map.of();
        try {
            com.google.rpc.Status rich = StatusProto.fromStatusAndTrailers(status, trailers);
            for (Any detail : rich == null ? java.util.List.<Any>of() : rich.getDetailsList()) {
                if (detail.is(ErrorInfo.class)) {
                    ErrorInfo info = detail.unpack(ErrorInfo.class);
                    reason = info.getReason();
                    details = info.getMetadataMap();
                } else if (detail.is(BadRequest.class)) {
                    BadRequest bad = detail.unpack(BadRequest.class);
                    field = bad.getFieldViolationsCount() > 0 ? bad.getFieldViolations(0).getField() : null;
                } else if (detail.is(RetryInfo.class)) {
                    RetryInfo retry = detail.unpack(RetryInfo.class);
                    retryAfter = retry.hasRetryDelay() ? Wire.duration(retry.getRetryDelay()) : null;
                }
            }
        } catch (InvalidProtocolBufferException | RuntimeException damaged) {
            // Details that cannot be read say nothing: kind and text are there without them.
            reason = null;
            field = null;
            retryAfter = null;
            details = Map.of();
        }
        return new HotplateException(
                kind(status), text(status), emptyIsNull(reason), emptyIsNull(field), retryAfter, details, status.getCause());
    }

    static HotplateException of(ItemError item) {
        return new HotplateException(
                ErrorKind.ofCode(item.getCode()),
                item.getMessage(),
                emptyIsNull(item.getReason()),
                emptyIsNull(item.getField()),
                item.hasRetryAfter() ? Wire.duration(item.getRetryAfter()) : null,
                item.getDetailsMap(),
                null);
    }

    static HotplateException timedOut(Duration after) {
        return new HotplateException(ErrorKind.DEADLINE_EXCEEDED, "no answer within " + hotplate.Durations.format(after));
    }

    private static String emptyIsNull(String text) {
        return text == null || text.isEmpty() ? null : text;
    }

    /** A connection that broke under a call is reported in several ways. */
    private static ErrorKind kind(Status status) {
        boolean vague = status.getCode() == Status.Code.UNKNOWN || status.getCode() == Status.Code.INTERNAL;
        for (Throwable cause = status.getCause(); vague && cause != null; cause = cause.getCause()) {
            if (cause instanceof IOException) {
                return ErrorKind.UNAVAILABLE;
            }
        }
        return ErrorKind.ofCode(status.getCode().value());
    }

    /** The outermost text of a transport failure says nothing: the innermost cause does. */
    private static String text(Status status) {
        String text = status.getDescription() == null ? "" : status.getDescription();
        Throwable cause = status.getCause();
        while (cause != null && cause.getCause() != null) {
            cause = cause.getCause();
        }
        boolean more = cause != null && cause.getMessage() != null && !text.contains(cause.getMessage());
        return more ? text + (text.isEmpty() ? "" : ": ") + cause.getMessage() : text;
    }
}
