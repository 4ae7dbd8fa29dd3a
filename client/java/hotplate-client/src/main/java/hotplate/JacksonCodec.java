package hotplate;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JavaType;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;

/** Values that Jackson writes, in any of its formats. */
final class JacksonCodec<V> implements Codec<V> {
    static final ObjectMapper JSON = new ObjectMapper().findAndRegisterModules();

    private final String contentType;
    private final String named;
    private final ObjectMapper mapper;
    private final JavaType type;
    private final ObjectReader reader;
    private final ObjectWriter writer;

    private JacksonCodec(String contentType, String named, ObjectMapper mapper, JavaType type) {
        this.contentType = contentType;
        this.named = named;
        this.mapper = mapper;
        this.type = type;
        // Bytes left over mean that these were never written as this type.
        this.reader = mapper.readerFor(type).with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
        this.writer = mapper.writerFor(type);
    }

    static <V> JacksonCodec<V> json(ObjectMapper mapper, JavaType type) {
        return new JacksonCodec<>("application/json", "JSON", mapper, type);
    }

    static <V> JacksonCodec<V> messagePack(ObjectMapper mapper, JavaType type) {
        return new JacksonCodec<>("application/msgpack", "MessagePack", mapper, type);
    }

    @Override
    public String contentType() {
        return contentType;
    }

    @Override
    public boolean reads(String other) {
        String essence = Codec.essence(other);
        return essence.equals(contentType) || contentType.endsWith("json") && essence.endsWith("+json");
    }

    @Override
    public byte[] encode(V value) {
        try {
            return writer.writeValueAsBytes(value);
        } catch (JsonProcessingException cause) {
            // The cause's own text may quote the value.
            throw HotplateException.codec("the value has no " + named + " form: " + cause.getClass().getSimpleName());
        }
    }

    @Override
    public V decode(byte[] bytes) {
        try {
            return reader.readValue(bytes);
        } catch (JsonProcessingException cause) {
            JsonLocation at = cause.getLocation();
            String where = at == null || at.getLineNr() < 0 ? "" : " (line " + at.getLineNr() + ", column " + at.getColumnNr() + ")";
            throw HotplateException.codec("the stored " + named + " has another shape" + where);
        } catch (IOException | RuntimeException cause) {
            throw HotplateException.codec("the stored " + named + " has another shape");
        }
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof JacksonCodec<?> codec
                && contentType.equals(codec.contentType)
                && mapper == codec.mapper
                && type.equals(codec.type);
    }

    @Override
    public int hashCode() {
        return type.hashCode();
    }
}
