package clients;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Struct;
import com.google.protobuf.util.JsonFormat;

/** Free JSON as protobuf's Struct. */
final class Json {
    static Struct struct(String json) {
        Struct.Builder struct = Struct.newBuilder();
        try {
            JsonFormat.parser().merge(json, struct);
        } catch (InvalidProtocolBufferException error) {
            throw new IllegalArgumentException(error);
        }
        return struct.build();
    }

    private Json() {}
}
