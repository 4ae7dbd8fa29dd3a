package hotplate;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.protobuf.MessageLite;
import java.util.Locale;

/**
 * A way to write values and to read them. Reading checks the content type first: bytes of another kind are an error, never a
 * guess. No codec runs code on reading; Java's own serialization is not among them.
 *
 * <p>Callers of one key share a computation only where their codecs are equal. An implementation may be called by many threads at
 * once.
 *
 * @param <V> type of the values
 */
public interface Codec<V> {
    /** The media type of what it writes. */
    String contentType();

    /** Whether it reads values of this media type. By default only its own; parameters such as {@code charset} are ignored. */
    default boolean reads(String contentType) {
        return essence(contentType).equals(essence(contentType()));
    }

    /**
     * The value as bytes.
     *
     * @throws HotplateException CODEC when the value has no such form; its text must not quote the value
     */
    byte[] encode(V value);

    /**
     * The value that the bytes hold.
     *
     * @throws HotplateException CODEC when they hold none; its text must not quote the bytes
     */
    V decode(byte[] bytes);

    /** A media type without its parameters, in lower case. */
    static String essence(String contentType) {
        int end = contentType.indexOf(';');
        return (end < 0 ? contentType : contentType.substring(0, end)).strip().toLowerCase(Locale.ROOT);
    }

    /**
     * Checks what a stored value says of itself, then reads it.
     *
     * @throws HotplateException CODEC for another content type, for any content encoding, and for bytes of another shape
     */
    default V decodeChecked(String contentType, String encoding, byte[] bytes) {
        if (!reads(contentType)) {
            String named = contentType.isEmpty() ? "no content type" : contentType;
            throw HotplateException.codec("the stored value has " + named + ", not " + contentType());
        }
        if (!encoding.isEmpty()) {
            throw HotplateException.codec("the stored value is encoded with `" + encoding + "`, which is not read here");
        }
        try {
            return decode(bytes);
        } catch (HotplateException told) {
            throw told;
        } catch (RuntimeException fault) {
            // Its text may quote the value.
            throw HotplateException.codec("the codec could not read the value: " + fault.getClass().getName());
        }
    }

    /**
     * Writes a value.
     *
     * @throws HotplateException CODEC when the value has no such form
     */
    default byte[] encodeChecked(V value) {
        try {
            return encode(value);
        } catch (HotplateException told) {
            throw told;
        } catch (RuntimeException fault) {
            throw HotplateException.codec("the codec could not write the value: " + fault.getClass().getName());
        }
    }

    /** {@code application/json}, readable by people and every language, as any JSON. */
    static Codec<JsonNode> json() {
        return json(JsonNode.class);
    }

    /**
     * {@code application/json} of one type, by Jackson (2.18 or newer). Dates and times are ISO texts. What was stored in another shape is refused:
     * also properties that the type does not have, and those that it lacks where they are primitives; numbers are not made of text. For a class that
     * changes while older processes still run, say what is ignored with {@code @JsonIgnoreProperties}, or give a mapper. What cannot be read is
     * computed anew by {@link HotplateCache#get(CharSequence, Loader)}. NaN and infinities are refused.
     */
    static <V> Codec<V> json(Class<V> type) {
        return JacksonCodec.json(JacksonCodec.JSON, JacksonCodec.JSON.constructType(type));
    }

    /** {@code application/json} of one generic type, such as {@code new TypeReference<List<Double>>() {}}. */
    static <V> Codec<V> json(TypeReference<V> type) {
        return JacksonCodec.json(JacksonCodec.JSON, JacksonCodec.JSON.constructType(type));
    }

    /** The same with a mapper of the caller's, for modules and settings. Two codecs are equal only with the same mapper. */
    static <V> Codec<V> json(ObjectMapper mapper, TypeReference<V> type) {
        return JacksonCodec.json(mapper, mapper.constructType(type));
    }

    /**
     * {@code application/msgpack}: compact, with field names, readable by many languages. Needs
     * {@code org.msgpack:jackson-dataformat-msgpack} on the class path.
     */
    static <V> Codec<V> messagePack(Class<V> type) {
        ObjectMapper mapper = MessagePack.mapper();
        return JacksonCodec.messagePack(mapper, mapper.constructType(type));
    }

    /** The same of one generic type. */
    static <V> Codec<V> messagePack(TypeReference<V> type) {
        ObjectMapper mapper = MessagePack.mapper();
        return JacksonCodec.messagePack(mapper, mapper.constructType(type));
    }

    /** {@code application/octet-stream}: bytes as they are. Reads values of every content type. Arrays are not copied. */
    static Codec<byte[]> raw() {
        return RawCodec.INSTANCE;
    }

    /** {@code text/plain} in UTF-8. */
    static Codec<String> text() {
        return TextCodec.INSTANCE;
    }

    /** {@code application/x-protobuf} with the message's full name as {@code type}; {@code of} is any message of that type. */
    static <M extends MessageLite> Codec<M> protobuf(M of) {
        return new ProtobufCodec<>(of);
    }
}
