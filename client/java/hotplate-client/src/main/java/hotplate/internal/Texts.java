package hotplate.internal;

import hotplate.HotplateException;

/** Texts that go to the server: what is no Unicode would arrive as another text, and be somebody else's key. */
public final class Texts {
    private Texts() {}

    /**
     * The text itself.
     *
     * @throws HotplateException INVALID_ARGUMENT with the field, and without the text, for null and for half a surrogate pair
     */
    public static String valid(String field, String text) {
        if (text == null) {
            throw HotplateException.invalid(field, "there has to be a text, and not null");
        }
        for (int at = 0; at < text.length(); at++) {
            char c = text.charAt(at);
            if (!Character.isSurrogate(c)) {
                continue;
            }
            boolean pair = Character.isHighSurrogate(c)
                    && at + 1 < text.length()
                    && Character.isLowSurrogate(text.charAt(at + 1));
            if (!pair) {
                throw HotplateException.invalid(field, "the text holds half a surrogate pair, which is no Unicode");
            }
            at++;
        }
        return text;
    }

    /** The same of several. */
    static Iterable<String> valid(String field, Iterable<String> texts) {
        texts.forEach(text -> valid(field, text));
        return texts;
    }
}
