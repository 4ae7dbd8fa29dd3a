package hotplate;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

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
        try {
            ByteBuffer bytes = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(value));
            return Arrays.copyOf(bytes.array(), bytes.limit());
        } catch (CharacterCodingException cause) {
            throw HotplateException.codec("the text holds half a surrogate pair, which has no UTF-8");
        }
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
