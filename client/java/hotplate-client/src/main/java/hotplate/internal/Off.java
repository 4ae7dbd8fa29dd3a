package hotplate.internal;

import hotplate.ErrorKind;
import hotplate.HotplateException;
import hotplate.Lookup;
import hotplate.MissReason;
import hotplate.ReadStream;
import hotplate.WriteStream;
import hotplate.Written;

/** What streams are where the cache is turned off: there is nothing to read, and what is written is dropped. */
final class Off {
    private Off() {}

    /** A read that finds nothing. */
    static final class Reading implements ReadStream {
        @Override
        public Lookup<Long> found() {
            return new Lookup.Miss<>(MissReason.DISABLED);
        }

        @Override
        public byte[] next() {
            return null;
        }

        @Override
        public long offset() {
            return 0;
        }

        @Override
        public void close() {}
    }

    /** A write that goes nowhere. */
    static final class Writing implements WriteStream {
        private boolean over;

        @Override
        public void send(byte[] piece) {
            checkOpen();
        }

        @Override
        public Written finish() {
            checkOpen();
            over = true;
            return new Written.Dropped(MissReason.DISABLED);
        }

        private void checkOpen() {
            if (over) {
                throw new HotplateException(ErrorKind.FAILED_PRECONDITION, "the stream was finished or closed");
            }
        }

        @Override
        public void close() {
            over = true;
        }
    }
}
