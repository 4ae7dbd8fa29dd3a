package hotplate;

/** Bytes as they are. */
enum RawCodec implements Codec<byte[]> {
    INSTANCE;

    @Override
    public String contentType() {
        return "application/octet-stream";
    }

    @Override
    public boolean reads(String contentType) {
        return true;
    }

    @Override
    public byte[] encode(byte[] value) {
        if (value == null) {
            throw HotplateException.codec("raw bytes cannot be null: use a codec that has a null, such as JSON");
        }
        return value;
    }

    @Override
    public byte[] decode(byte[] bytes) {
        return bytes;
    }
}
