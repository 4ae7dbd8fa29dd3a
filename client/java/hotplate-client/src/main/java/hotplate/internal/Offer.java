package hotplate.internal;

import hotplate.v1.GetResponse;
import hotplate.v1.Lease;

/**
 * A lease on its way to who asked for it. Whoever gives up while the answer comes in has no use for it: then it goes to the next, however far the
 * answer had come.
 */
final class Offer {
    private final RemoteHotplate client;
    private final String namespace;
    private final String key;
    private Lease lease;
    private boolean accepted;
    private boolean abandoned;

    Offer(RemoteHotplate client, String namespace, String key) {
        this.client = client;
        this.namespace = namespace;
        this.key = key;
    }

    /** An answer came in. */
    synchronized void came(GetResponse response) {
        if (response.hasLease()) {
            lease = response.getLease();
            giveUp();
        }
    }

    /** Who asked has the answer now, and sees to its lease. False: too late. */
    synchronized boolean accept() {
        accepted = !abandoned;
        return accepted;
    }

    /** Nobody waits for the answer any more. */
    synchronized void abandon() {
        abandoned = true;
        giveUp();
    }

    private void giveUp() {
        if (abandoned && !accepted && lease != null) {
            new Held(client, namespace, key, lease).close();
            lease = null;
        }
    }
}
