/**
 * Client of the hotplate cache: results that are expensive to compute, kept where every process can reach them.
 *
 * <p>{@link hotplate.Hotplate} holds the connections, {@link hotplate.HotplateCache} reads and writes typed values of one
 * namespace. A cache that is away is a miss, never an error, unless {@link hotplate.OnError#RAISE} asks for it.
 *
 * <p>What is in {@code hotplate.internal} and below is no part of the API and changes without notice.
 */
package hotplate;
