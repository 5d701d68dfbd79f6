package chatlambda.json;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.ObjectCodec;
import com.fasterxml.jackson.core.io.IOContext;
import com.fasterxml.jackson.core.json.UTF8StreamJsonParser;
import com.fasterxml.jackson.core.sym.ByteQuadsCanonicalizer;
import java.io.IOException;

/**
 * Jackson's parser, which skips a string's plain text eight bytes at a time. It takes and refuses what Jackson's does: whatever is neither
 * plain text nor an escape is left to that.
 */
final class ByteParser extends UTF8StreamJsonParser {

    private ByteParser(IOContext context, int features, ObjectCodec codec, ByteQuadsCanonicalizer names, byte[] utf8, int start, int end,
            int before) {
        super(context, features, null, codec, names, utf8, start, end, before, false);
    }

    @Override
    protected void _skipString() throws IOException {
        while (true) {
            int at = JsonString.afterPlain(_inputBuffer, _inputPtr, _inputEnd);
            byte met = at < _inputEnd ? _inputBuffer[at] : 0;
            if (met == '\\') {
                _inputPtr = at + 1;
                _decodeEscaped();
            } else if (met == '"') {
                _inputPtr = at + 1;
                _tokenIncomplete = false;
                return;
            } else {
                _inputPtr = at;
                super._skipString();
                return;
            }
        }
    }

    /** Of documents that are in UTF-8. */
    static final class Factory extends JsonFactory {

        private static final long serialVersionUID = 1;

        Factory(JsonFactoryBuilder builder) {
            super(builder);
        }

        @Override
        protected JsonParser _createParser(byte[] utf8, int from, int length, IOContext context) {
            boolean isMarked = length > 3 && utf8[from] == (byte) 0xef && utf8[from + 1] == (byte) 0xbb && utf8[from + 2] == (byte) 0xbf;
            int mark = isMarked ? 3 : 0;
            return new ByteParser(context, _parserFeatures, _objectCodec, _byteSymbolCanonicalizer.makeChild(_factoryFeatures),
                    utf8, from + mark, from + length, mark);
        }
    }
}
