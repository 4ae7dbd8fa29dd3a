package hotplate;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** Text in UTF-8. */
enum TextCodec implements Codec<String> {
    INSTANCE;

    @Override
    public String contentType() {
        return "text/plain";
    }

    @Override
    public byte[] encode(String value) {
        if (value == null) {
            throw HotplateException.codec("text cannot be null: use a codec that has a null, such as JSON");
        }
        return value.getBytes(StandardCharsets.UTF_8);
    }

    @Override
    public String decode(byte[] bytes) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException cause) {
            throw HotplateException.codec("the stored value is not UTF-8");
        }
    }
}
