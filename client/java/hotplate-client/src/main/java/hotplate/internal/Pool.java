package hotplate.internal;

import hotplate.HotplateException;
import io.grpc.ChannelCredentials;
import io.grpc.ConnectivityState;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.TlsChannelCredentials;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.ChannelOption;
import io.grpc.netty.shaded.io.netty.channel.socket.nio.NioSocketChannel;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The connections of a client and which one a call takes. Every one is opened when first needed and again when lost.
 *
 * <p>Those for calls are apart from those for streams that are read slowly: a watch that waits for its reader must not hold up calls
 * that share its connection's flow control window.
 */
final class Pool {
    static final int MESSAGE_BYTES_MAX = 16 << 20;
    private static final int CALLS_PER_CONNECTION = 32;
    private static final int WINDOW = 4 << 20;

    private final Settings settings;
    private final Threads threads;
    private final ChannelCredentials plain = InsecureChannelCredentials.create();
    private final ChannelCredentials secure;
    private final List<List<Line>> servers = new ArrayList<>();
    private final List<List<Line>> transfers = new ArrayList<>();
    private final List<List<Line>> streams = new ArrayList<>();
    private final AtomicInteger next = new AtomicInteger();
    private volatile boolean closed;

    /** Opens nothing. */
    Pool(Settings settings, Threads threads) {
        this.settings = settings;
        this.threads = threads;
        this.secure = settings.addresses().stream().anyMatch(Address::tls) ? credentials(settings.tls()) : null;
        int each = Math.max(1, settings.connectionsMax() / settings.addresses().size());
        for (Address address : settings.addresses()) {
            servers.add(lines(address, each));
            transfers.add(lines(address, each));
            streams.add(lines(address, 1));
        }
    }

    private List<Line> lines(Address address, int count) {
        List<Line> lines = new ArrayList<>();
        for (int made = 0; made < count; made++) {
            lines.add(new Line(address));
        }
        return lines;
    }

    private static ChannelCredentials credentials(Settings.Tls tls) {
        TlsChannelCredentials.Builder builder = TlsChannelCredentials.newBuilder();
        try {
            if (tls.ca() != null) {
                builder.trustManager(new ByteArrayInputStream(tls.ca()));
            }
            if (tls.certificate() != null) {
                builder.keyManager(new ByteArrayInputStream(tls.certificate()), new ByteArrayInputStream(tls.key()));
            }
        } catch (IOException | RuntimeException cause) {
            // The cause may tell about the key.
            throw HotplateException.configuration("the TLS settings cannot be used: the PEM cannot be read");
        }
        return builder.build();
    }

    /** Whose turn it is. To be asked once for each call, as it goes round: who is tried again takes the next. */
    int turn() {
        return next.getAndIncrement() & Integer.MAX_VALUE;
    }

    /** A connection for a call to the server whose turn this is: the first that has few under way, else the one with the fewest. */
    Place forCall(int turn) {
        return place(servers.get(turn % servers.size()), CALLS_PER_CONNECTION);
    }

    /** A connection for a large value: one that no small call waits behind, and of its own as long as there are. */
    Place forTransfer(int turn) {
        return place(transfers.get(turn % transfers.size()), 1);
    }

    /** A connection for a long-lived stream. */
    Place forStream(int turn) {
        return place(streams.get(turn % streams.size()), Integer.MAX_VALUE);
    }

    private Place place(List<Line> lines, int few) {
        Line best = lines.get(0);
        for (Line line : lines) {
            int load = line.load.get();
            if (load < few) {
                best = line;
                break;
            }
            best = load < best.load.get() ? line : best;
        }
        best.load.incrementAndGet();
        return new Place(best);
    }

    /** Whether the client was closed. */
    boolean isClosed() {
        return closed;
    }

    /** Ends all connections and what is under way on them. */
    void close() {
        closed = true;
        List<ManagedChannel> ended = new ArrayList<>();
        for (List<List<Line>> kind : List.of(servers, transfers, streams)) {
            kind.forEach(lines -> lines.forEach(line -> line.end(ended)));
        }
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(2);
        for (ManagedChannel channel : ended) {
            try {
                channel.awaitTermination(until - System.nanoTime(), TimeUnit.NANOSECONDS);
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }

    /** A place on a connection, for as long as a call is under way. */
    static final class Place {
        private final Line line;
        private boolean left;

        private Place(Line line) {
            this.line = line;
        }

        ManagedChannel channel() {
            return line.channel();
        }

        synchronized void leave() {
            if (!left) {
                left = true;
                line.load.decrementAndGet();
            }
        }
    }

    /** A connection and how many calls are under way on it. */
    private final class Line {
        final AtomicInteger load = new AtomicInteger();
        private final Address address;
        private ManagedChannel channel;

        Line(Address address) {
            this.address = address;
        }

        /**
         * One that failed is given up for a new one: it would refuse all calls until its own time to try again has come, which grows to
         * minutes. How often the server is asked while it is away is decided by the breaker.
         */
        synchronized ManagedChannel channel() {
            if (closed) {
                throw Threads.closed();
            }
            if (channel != null && channel.getState(false) == ConnectivityState.TRANSIENT_FAILURE) {
                channel.shutdown();
                channel = null;
            }
            if (channel == null) {
                channel = open();
            }
            return channel;
        }

        synchronized void end(List<ManagedChannel> ended) {
            if (channel != null) {
                ended.add(channel.shutdownNow());
            }
        }

        private ManagedChannel open() {
            NettyChannelBuilder builder = NettyChannelBuilder.forTarget(
                            "dns:///" + address.host() + ":" + address.port(), address.tls() ? secure : plain)
                    .eventLoopGroup(threads.io)
                    .channelType(NioSocketChannel.class)
                    .directExecutor()
                    .offloadExecutor(threads.work())
                    .defaultLoadBalancingPolicy("round_robin")
                    .disableServiceConfigLookUp()
                    .disableRetry()
                    .flowControlWindow(WINDOW)
                    .maxInboundMessageSize(MESSAGE_BYTES_MAX)
                    .keepAliveTime(20, TimeUnit.SECONDS)
                    .keepAliveTimeout(5, TimeUnit.SECONDS)
                    .idleTimeout(1, TimeUnit.HOURS)
                    .userAgent("hotplate-java/" + version())
                    .withOption(
                            ChannelOption.CONNECT_TIMEOUT_MILLIS,
                            (int) Math.min(Integer.MAX_VALUE, settings.profile().connectTimeout().toMillis()));
            if (settings.tls().domain() != null && address.tls()) {
                builder.overrideAuthority(settings.tls().domain());
            }
            return builder.build();
        }
    }

    static String version() {
        String version = Pool.class.getPackage().getImplementationVersion();
        return version == null ? "0.1.0" : version;
    }
}
