package clients;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.BadRequest.FieldViolation;
import com.google.rpc.ErrorInfo;
import com.google.rpc.QuotaFailure;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;

/** A failed call, read as grpc-java's users do: by getStatus(), getMessage() and StatusProto. */
record Failure(
        String text, Throwable cause, ErrorInfo info, BadRequest badRequest, RetryInfo retry, QuotaFailure quota) {
    static Failure of(StatusRuntimeException error) throws InvalidProtocolBufferException {
        com.google.rpc.Status status = StatusProto.fromThrowable(error);
        return new Failure(
                error.getMessage(),
                error.getCause(),
                detail(status, ErrorInfo.getDefaultInstance()),
                detail(status, BadRequest.getDefaultInstance()),
                detail(status, RetryInfo.getDefaultInstance()),
                detail(status, QuotaFailure.getDefaultInstance()));
    }

    /** The detail of this kind, or an empty one. */
    @SuppressWarnings("unchecked")
    private static <T extends Message> T detail(com.google.rpc.Status status, T empty)
            throws InvalidProtocolBufferException {
        for (Any detail : status.getDetailsList()) {
            if (detail.is(empty.getClass())) {
                return (T) detail.unpack(empty.getClass());
            }
        }
        return empty;
    }

    /** The failure of a call that has to fail with this code. */
    static Failure expect(Status.Code code, Callable<?> call) throws Exception {
        Object answer;
        try {
            answer = call.call();
        } catch (StatusRuntimeException error) {
            World.equal("the code (" + error.getMessage() + ")", error.getStatus().getCode(), code);
            return of(error);
        }
        throw new AssertionError("the call was answered, with " + answer);
    }

    /** The fields that BadRequest names. */
    Set<String> fields() {
        return badRequest.getFieldViolationsList().stream().map(FieldViolation::getField).collect(Collectors.toSet());
    }

    /** The limits that QuotaFailure names. */
    Set<String> limits() {
        return quota.getViolationsList().stream().map(QuotaFailure.Violation::getDescription).collect(Collectors.toSet());
    }

    String metadata(String name) {
        return info.getMetadataOrDefault(name, "");
    }
}
