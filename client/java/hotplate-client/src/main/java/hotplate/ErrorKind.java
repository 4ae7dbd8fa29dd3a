package hotplate;

/** What sort of failure it was: the thing to branch on. What to do about one lives with its callers. */
public enum ErrorKind {
    /** The server could not be reached or is not ready. A later try may succeed. */
    UNAVAILABLE,
    /** The time allowed for the call ran out. Whether the server acted is not known. */
    DEADLINE_EXCEEDED,
    /** The server does not know who is calling: no token, or a wrong one. */
    UNAUTHENTICATED,
    /** The caller is known but may not do this in this namespace. */
    PERMISSION_DENIED,
    /** The request can never succeed as it is; the field often names the part at fault. */
    INVALID_ARGUMENT,
    /** Something named in the request does not exist. Never a missing key: that is a miss. */
    NOT_FOUND,
    /** A bound was reached; less, or later, may succeed. */
    RESOURCE_EXHAUSTED,
    /** The server is not set up for this. */
    FAILED_PRECONDITION,
    /** The call was cancelled before it ended. */
    CANCELLED,
    /** The server does not know this call. */
    UNIMPLEMENTED,
    /** A fault in the server, or an answer that makes no sense. */
    INTERNAL,
    /** A value could not be encoded or decoded, or has another content type than the codec reads. */
    CODEC,
    /** The client was set up in a way that cannot work. */
    CONFIGURATION,
    /** The caller's own computation failed. */
    COMPUTE;

    /** Whether the cache itself is away, as opposed to the request being at fault. */
    public boolean isOutage() {
        return switch (this) {
            case UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INTERNAL, CANCELLED -> true;
            default -> false;
        };
    }

    /**
     * The kind that a gRPC status code, as in the items of a batch, stands for.
     *
     * @param code the code's number; one that is not known is INTERNAL
     */
    public static ErrorKind ofCode(int code) {
        return switch (code) {
            case 1 -> CANCELLED;
            case 3, 11 -> INVALID_ARGUMENT;
            case 4 -> DEADLINE_EXCEEDED;
            case 5 -> NOT_FOUND;
            case 6, 9, 10 -> FAILED_PRECONDITION;
            case 7 -> PERMISSION_DENIED;
            case 8 -> RESOURCE_EXHAUSTED;
            case 12 -> UNIMPLEMENTED;
            case 14 -> UNAVAILABLE;
            case 16 -> UNAUTHENTICATED;
            default -> INTERNAL;
        };
    }
}
