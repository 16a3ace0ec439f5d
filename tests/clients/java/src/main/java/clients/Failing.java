package clients;

import static clients.Agents.asking;
import static clients.World.equal;
import static clients.World.holds;

import ai.xpander.agent.v1.GetTaskRequest;
import ai.xpander.agent.v1.InvokeRequest;
import ai.xpander.agent.v1.StreamEventsResponse;
import ai.xpander.agent.v1.Task;
import ai.xpander.agent.v1.User;
import com.google.protobuf.util.Durations;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.Status.Code;
import io.grpc.stub.MetadataUtils;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;

/** Errors, read as grpc-java's users read them, and calls that are wrong on purpose. */
final class Failing {
    static final List<Scenario> SCENARIOS = List.of(
            new Scenario("error-details", Failing::errorDetails),
            new Scenario("limited", Failing::limited),
            new Scenario("missing-agent", Failing::missingAgent),
            new Scenario("bad-email", Failing::badEmail),
            new Scenario("unknown-task", Failing::unknownTask),
            new Scenario("not-streaming", Failing::notStreaming),
            new Scenario("closed-stream", Failing::closedStream),
            new Scenario("wrong-token", Failing::wrongToken));

    private static void errorDetails() throws Exception {
        try (Agents agents = Agents.of("PLAIN")) {
            Failure limited = Failure.expect(Code.RESOURCE_EXHAUSTED, () -> agents.created("http-429", ""));
            equal("the domain", limited.info().getDomain(), "xpander.ai");
            equal("the reason", limited.info().getReason(), "PLATFORM_RATE_LIMITED");
            equal("the HTTP status", limited.metadata("http_status"), "429");
            equal("the outcome", limited.metadata("outcome"), "not_created");
            equal("the retry delay", limited.retry().getRetryDelay(), Durations.fromSeconds(2));
            Failure refused = Failure.expect(Code.INVALID_ARGUMENT, () -> agents.created("http-422", ""));
            equal("the violations", refused.badRequest().getFieldViolationsCount(), 1);
            equal("the fields", refused.fields(), Set.of("prompt"));
        }
    }

    private static void limited() throws Exception {
        try (Agents agents = Agents.of("LIMITED")) {
            Failure refused = Failure.expect(Code.RESOURCE_EXHAUSTED, () -> {
                agents.created("echo", "");
                return agents.created("echo", "");
            });
            equal("the reason", refused.info().getReason(), "CALLER_LIMITED");
            equal("the limits", refused.limits(), Set.of("limits.creates_per_second"));
            equal("the outcome", refused.metadata("outcome"), "not_created");
            long wait = Durations.toMillis(refused.retry().getRetryDelay());
            holds("the wait is exact", wait >= 1_000 && wait <= 100_000);
        }
    }

    private static void missingAgent() throws Exception {
        try (Agents agents = Agents.of("UNREACHABLE")) {
            Failure nameless = Failure.expect(Code.INVALID_ARGUMENT, () -> agents.created("", "hello"));
            equal("the fields", nameless.fields(), Set.of("agent_id"));
            holds("'" + nameless.text() + "' names the field", nameless.text().contains("agent_id"));
        }
        try (Agents agents = Agents.of("PLAIN")) {
            Failure unknown = Failure.expect(Code.NOT_FOUND, () -> agents.created("nobody", ""));
            equal("the agent", unknown.metadata("agent_id"), "nobody");
        }
    }

    private static void badEmail() throws Exception {
        InvokeRequest.Builder request =
                asking("echo", "").setUserDetails(User.newBuilder().setFirstName("Ann")).addFileUrls("not a URL");
        try (Agents agents = Agents.of("PLAIN")) {
            Failure wrong = Failure.expect(Code.INVALID_ARGUMENT, () -> agents.created(request));
            equal("the fields", wrong.fields(), Set.of("user_details.email", "file_urls[0]"));
            for (String field : wrong.fields()) {
                holds("'" + wrong.text() + "' names " + field, wrong.text().contains(field));
            }
        }
    }

    private static void unknownTask() throws Exception {
        try (Agents agents = Agents.of("PLAIN")) {
            List<Callable<?>> calls = List.of(
                    () -> agents.read("nope"),
                    () -> agents.waited("nope"),
                    () -> agents.stopped("nope"),
                    () -> agents.followed("nope").next());
            for (Callable<?> call : calls) {
                Failure unknown = Failure.expect(Code.NOT_FOUND, call);
                equal("the reason", unknown.info().getReason(), "PLATFORM_NOT_FOUND");
                equal("the task", unknown.metadata("task_id"), "nope");
            }
        }
    }

    private static void notStreaming() throws Exception {
        try (Agents agents = Agents.of("PLAIN")) {
            String taskId = agents.created("slow", "").getId();
            Failure silent = Failure.expect(Code.FAILED_PRECONDITION, () -> agents.followed(taskId).next());
            agents.stopped(taskId);
            equal("the reason", silent.info().getReason(), "TASK_NOT_STREAMING");
            equal("the task", silent.metadata("task_id"), taskId);
        }
    }

    private static void closedStream() throws Exception {
        try (Agents agents = Agents.of("PLAIN");
                Context.CancellableContext context = Context.current().withCancellation()) {
            String taskId = agents.streamed("slow", "");
            Iterator<StreamEventsResponse> messages = context.call(() -> agents.followed(taskId));
            messages.next();
            context.cancel(null);
            for (int time = 0; time < 2; time++) {
                Failure.expect(Code.CANCELLED, () -> {
                    // What had already arrived may still be read.
                    messages.forEachRemaining(message -> {});
                    return "the end of the stream";
                });
            }
            agents.stopped(taskId);
            agents.channel().shutdownNow();
            Failure closed = Failure.expect(Code.UNAVAILABLE, () -> agents.read(taskId));
            holds("'" + closed.text() + "' says what is wrong", closed.text().contains("Channel shutdown"));
        }
    }

    /** GetTask of a task that nobody knows, with or without a token. */
    private static Task asked(Agents agents, String token) {
        Metadata headers = new Metadata();
        if (token != null) {
            headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
        }
        return agents.soon()
                .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers))
                .getTask(GetTaskRequest.newBuilder().setTaskId("nope").build())
                .getTask();
    }

    private static void wrongToken() throws Exception {
        try (Agents agents = Agents.of("TOKENS")) {
            Failure.expect(Code.NOT_FOUND, () -> asked(agents, World.variable("TOKEN")));
            for (String wrong : new String[] {null, "wrong-token"}) {
                Failure refused = Failure.expect(Code.UNAUTHENTICATED, () -> asked(agents, wrong));
                equal("the reason", refused.info().getReason(), "CALLER_UNAUTHENTICATED");
                holds("the message does not repeat the token", !refused.text().contains("wrong-token"));
            }
        }
    }

    private Failing() {}
}
