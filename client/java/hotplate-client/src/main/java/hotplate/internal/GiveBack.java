package hotplate.internal;

import hotplate.HotplateException;
import hotplate.Ttl;
import hotplate.WriteOptions;
import java.time.Duration;

/** How a lease is given back. */
sealed interface GiveBack {
    /** For the next who waits. */
    record Next() implements GiveBack {}

    /** For nobody before this is over. */
    record HoldOff(Duration pause) implements GiveBack {}

    /** Those who wait, and who comes within this time, get the failure; what drops the value described drops it. */
    record Failure(HotplateException failure, Ttl lifetime, WriteOptions described) implements GiveBack {}
}
