package clients;

import static clients.Agents.asking;
import static clients.World.equal;
import static clients.World.holds;

import ai.xpander.agent.v1.InvokeRequest;
import ai.xpander.agent.v1.Task;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.Durations;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;

/** One task for each idempotency key, however many calls it takes. */
final class Once {
    static final List<Scenario> SCENARIOS = List.of(new Scenario("request-id", Once::requestId));

    static Task once(Agents agents, InvokeRequest request, int attempts) throws Exception {
        while (true) {
            try {
                return agents.soon().invoke(request).getTask();
            } catch (StatusRuntimeException error) {
                attempts--;
                Optional<Duration> pause = pause(error);
                if (attempts == 0 || pause.isEmpty()) {
                    throw error;
                }
                Thread.sleep(pause.get().toMillis());
            }
        }
    }

    private static Optional<Duration> pause(StatusRuntimeException error) throws InvalidProtocolBufferException {
        Failure failed = Failure.of(error);
        Duration wait = Duration.ofMillis(Durations.toMillis(failed.retry().getRetryDelay()));
        Optional<Duration> second = Optional.of(Duration.ofSeconds(1));
        boolean helps = error.getStatus().getCode() == Code.UNAVAILABLE;
        return switch (failed.metadata("outcome")) {
            case "not_created" -> wait.isZero() ? second.filter(pause -> helps) : Optional.of(wait);
            case "unknown" -> Optional.empty();
            // There may be a task: the same id finds it with one replica or a store that all share, else makes a second.
            default -> second;
        };
    }

    private static void requestId() throws Exception {
        String id = UUID.randomUUID().toString();
        try (Agents agents = Agents.of("PLAIN")) {
            InvokeRequest request = asking("echo", "hello").setRequestId(id).build();
            Task task = once(agents, request, 5);
            equal("the repeat's task", once(agents, request, 5).getId(), task.getId());
            InvokeRequest other = asking("echo", "other").setRequestId(id).build();
            Failure refused = Failure.expect(Code.INVALID_ARGUMENT, () -> once(agents, other, 5));
            equal("the fields", refused.fields(), Set.of("request_id"));
            InvokeRequest limited =
                    asking("http-429", "").setRequestId(UUID.randomUUID().toString()).build();
            long begun = System.nanoTime();
            Failure.expect(Code.RESOURCE_EXHAUSTED, () -> once(agents, limited, 2));
            Duration waited = Duration.ofNanos(System.nanoTime() - begun);
            holds("it has waited as RetryInfo says", waited.compareTo(Duration.ofSeconds(2)) >= 0);
        }
    }

    private Once() {}
}
