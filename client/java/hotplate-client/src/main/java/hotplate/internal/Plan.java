package hotplate.internal;

import java.time.Duration;

/**
 * How one call is made.
 *
 * @param timeout its deadline, retries included
 * @param safe whether doing it twice is the same as once
 */
record Plan(Duration timeout, boolean safe) {}
