package hotplate;

import com.fasterxml.jackson.databind.ObjectMapper;
import org.msgpack.jackson.dataformat.MessagePackFactory;

/** The one place that names the MessagePack library, which only those need who use that codec. */
final class MessagePack {
    private MessagePack() {}

    static ObjectMapper mapper() {
        try {
            return Holder.MAPPER;
        } catch (NoClassDefFoundError absent) {
            throw new HotplateException(
                    ErrorKind.CONFIGURATION,
                    "Codec.messagePack needs org.msgpack:jackson-dataformat-msgpack on the class path",
                    absent);
        }
    }

    private static final class Holder {
        static final ObjectMapper MAPPER = JacksonCodec.strict(new MessagePackFactory());
    }
}
