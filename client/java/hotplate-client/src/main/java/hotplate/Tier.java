package hotplate;

/** A place where the server keeps entries, from fast to slow. */
public enum Tier {
    /** Not said. */
    UNKNOWN,
    /** The server's own memory. */
    MEMORY,
    /** The server's disk. */
    DISK,
    /** What replicas share. */
    SHARED
}
