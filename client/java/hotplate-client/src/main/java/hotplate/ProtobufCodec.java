package hotplate;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.MessageLite;

/** Messages of one Protobuf type. */
final class ProtobufCodec<M extends MessageLite> implements Codec<M> {
    private final M of;
    private final String contentType;

    ProtobufCodec(M of) {
        this.of = of;
        boolean named = of instanceof Message;
        String name = named ? ";type=" + ((Message) of).getDescriptorForType().getFullName() : "";
        this.contentType = "application/x-protobuf" + name;
    }

    @Override
    public String contentType() {
        return contentType;
    }

    /** Another message type is another kind of value, although its bytes may parse. */
    @Override
    public boolean reads(String other) {
        String plain = other.replace(" ", "");
        return plain.equals(contentType) || plain.equalsIgnoreCase(Codec.essence(contentType));
    }

    @Override
    public byte[] encode(M value) {
        if (value == null) {
            throw HotplateException.codec("a message cannot be null: use a codec that has a null, such as JSON");
        }
        return value.toByteArray();
    }

    @Override
    @SuppressWarnings("unchecked")
    public M decode(byte[] bytes) {
        try {
            return (M) of.getParserForType().parseFrom(bytes);
        } catch (InvalidProtocolBufferException cause) {
            throw HotplateException.codec("the stored message has another shape");
        }
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof ProtobufCodec<?> codec
                && of.getClass() == codec.of.getClass()
                && contentType.equals(codec.contentType);
    }

    @Override
    public int hashCode() {
        return contentType.hashCode();
    }
}
