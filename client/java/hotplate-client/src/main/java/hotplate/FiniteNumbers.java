package hotplate;

import com.fasterxml.jackson.core.JsonGenerationException;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.util.JsonGeneratorDelegate;
import com.fasterxml.jackson.core.util.JsonParserDelegate;
import java.io.IOException;

/** JSON has neither NaN nor infinity: what would write or read one is refused, as every other language would. */
final class FiniteNumbers {
    private FiniteNumbers() {}

    /** What is written. */
    static final class Written extends JsonGeneratorDelegate {
        Written(JsonGenerator generator) {
            super(generator, false);
        }

        private void check(double number) throws IOException {
            if (!Double.isFinite(number)) {
                throw new JsonGenerationException("JSON has no such number", this);
            }
        }

        @Override
        public void writeNumber(double number) throws IOException {
            check(number);
            super.writeNumber(number);
        }

        @Override
        public void writeNumber(float number) throws IOException {
            check(number);
            super.writeNumber(number);
        }

        @Override
        public void writeArray(double[] array, int offset, int length) throws IOException {
            for (int at = offset; at < offset + length; at++) {
                check(array[at]);
            }
            super.writeArray(array, offset, length);
        }
    }

    /** What is read: a number that is too large for its type would be infinite. */
    static final class Read extends JsonParserDelegate {
        Read(JsonParser parser) {
            super(parser);
        }

        private static void check(JsonParser parser, double number) throws IOException {
            if (!Double.isFinite(number)) {
                throw new JsonParseException(parser, "a number is too large for its type");
            }
        }

        @Override
        public double getDoubleValue() throws IOException {
            double number = super.getDoubleValue();
            check(this, number);
            return number;
        }

        @Override
        public float getFloatValue() throws IOException {
            float number = super.getFloatValue();
            check(this, number);
            return number;
        }

        @Override
        public Number getNumberValue() throws IOException {
            Number number = super.getNumberValue();
            if (number instanceof Double || number instanceof Float) {
                check(this, number.doubleValue());
            }
            return number;
        }
    }
}
