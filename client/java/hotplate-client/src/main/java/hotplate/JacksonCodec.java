package hotplate;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.io.JsonEOFException;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JavaType;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.datatype.jdk8.Jdk8Module;
import com.fasterxml.jackson.datatype.jsr310.JavaTimeModule;
import java.io.IOException;

/** Values that Jackson writes, in any of its formats. */
final class JacksonCodec<V> implements Codec<V> {
    static final ObjectMapper JSON = strict(JsonFactory.builder()
            // Characters beyond the first plane as they are, like every other client writes them.
            .enable(JsonWriteFeature.COMBINE_UNICODE_SURROGATES_IN_UTF8)
            .addDecorator((factory, generator) -> new FiniteNumbers.Written(generator))
            .build());

    private final String contentType;
    private final String named;
    private final ObjectMapper mapper;
    private final JavaType type;
    private final ObjectReader reader;
    private final ObjectWriter writer;

    /**
     * The mapper of a format. Nothing is found on the class path: what else is there must not change what is stored. Dates and times are ISO
     * texts, as other languages write them. What was stored in another shape is refused, and never made to fit.
     */
    static ObjectMapper strict(JsonFactory format) {
        return JsonMapper.builder(format)
                .addModules(new JavaTimeModule(), new Jdk8Module())
                .disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS, SerializationFeature.WRITE_DURATIONS_AS_TIMESTAMPS)
                .disable(DeserializationFeature.ADJUST_DATES_TO_CONTEXT_TIME_ZONE, DeserializationFeature.ACCEPT_FLOAT_AS_INT)
                .disable(MapperFeature.ALLOW_COERCION_OF_SCALARS)
                .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                .build();
    }

    private JacksonCodec(String contentType, String named, ObjectMapper mapper, JavaType type) {
        this.contentType = contentType;
        this.named = named;
        this.mapper = mapper;
        this.type = type;
        this.reader = mapper.readerFor(type);
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
        try (JsonParser parser = parser(bytes)) {
            V value = reader.readValue(parser);
            if (isMore(parser)) {
                // Bytes left over mean that these were never written as this type.
                throw HotplateException.codec("the stored " + named + " is followed by other bytes");
            }
            return value;
        } catch (HotplateException own) {
            throw own;
        } catch (JsonProcessingException cause) {
            JsonLocation at = cause.getLocation();
            String where = at == null || at.getLineNr() < 0 ? "" : " (line " + at.getLineNr() + ", column " + at.getColumnNr() + ")";
            throw HotplateException.codec("the stored " + named + " has another shape" + where);
        } catch (IOException | RuntimeException cause) {
            throw HotplateException.codec("the stored " + named + " has another shape");
        }
    }

    private JsonParser parser(byte[] bytes) throws IOException {
        JsonParser parser = mapper.createParser(bytes);
        return contentType.endsWith("json") ? new FiniteNumbers.Read(parser) : parser;
    }

    /** MessagePack's parser tells its end by an exception, unlike others. */
    private boolean isMore(JsonParser parser) throws IOException {
        try {
            return parser.nextToken() != null;
        } catch (JsonEOFException end) {
            if (contentType.endsWith("json")) {
                throw end;
            }
            return false;
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
