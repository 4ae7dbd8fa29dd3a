package hotplate;

/** Why a read found nothing. */
public enum MissReason {
    /** Nothing is known of this key. */
    NEVER_STORED,
    /** Its lifetime ran out. */
    EXPIRED,
    /** It made room for others. */
    EVICTED,
    /** It was invalidated. */
    INVALIDATED,
    /** It could not fit. */
    NOT_ADMITTED,
    /** It is older than was asked for. */
    TOO_OLD,
    /** A slower tier that may have it could not be asked. */
    TIER_UNAVAILABLE,
    /** The cache did not answer in time. */
    TIMEOUT,
    /** The cache is away. */
    UNAVAILABLE,
    /** The cache is turned off in this process. */
    DISABLED,
    /** The server gave a reason that this client does not know. */
    OTHER
}
