package clients;

import static clients.Agents.asking;
import static clients.World.calls;
import static clients.World.equal;
import static clients.World.until;

import ai.xpander.agent.v1.InvokeStreamRequest;
import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannelBuilder;
import io.grpc.NameResolverRegistry;
import io.grpc.Status.Code;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** The service config that is shipped: what is retried, and which replica is called. */
final class Balancing {
    static final List<Scenario> SCENARIOS = List.of(
            new Scenario("service-config-retries", Balancing::retries),
            new Scenario("service-config-replicas", Balancing::bothReplicas));

    private record Method(String name, int sent, Function<Agents, ?> call) {}

    private static final List<Method> METHODS = List.of(
            new Method("GetTask", 4, agents -> agents.read("some-task")),
            new Method("WaitTask", 4, agents -> agents.waited("some-task")),
            new Method("StreamEvents", 4, agents -> agents.followed("some-task").next()),
            new Method("Invoke", 1, agents -> agents.created("echo", "")),
            new Method("InvokeStream", 1, Balancing::invokeStream),
            new Method("StopTask", 1, agents -> agents.stopped("some-task")));

    private static Object invokeStream(Agents agents) {
        InvokeStreamRequest request =
                InvokeStreamRequest.newBuilder().setInvocation(asking("echo", "")).build();
        return agents.soon().invokeStream(request).next();
    }

    private static Agents withShippedConfig(ManagedChannelBuilder<?> builder) throws IOException {
        // Gson reads every number as a double, as gRPC wants it.
        Map<String, ?> config =
                new Gson().fromJson(World.content("SERVICE_CONFIG"), new TypeToken<Map<String, ?>>() {});
        return new Agents(builder.defaultServiceConfig(config).build());
    }

    private static void retries() throws Exception {
        for (Method method : METHODS) {
            // A channel for each, since a channel's failures count against its budget of retries.
            try (Agents agents = withShippedConfig(Agents.builder("UNREACHABLE"))) {
                long before = calls("UNREACHABLE", method.name());
                Failure failed = Failure.expect(Code.UNAVAILABLE, () -> method.call().apply(agents));
                equal("the reason", failed.info().getReason(), "PLATFORM_UNREACHABLE");
                until(
                        method.name() + " is sent " + method.sent() + " times",
                        () -> calls("UNREACHABLE", method.name()) - before >= method.sent());
                long sent = calls("UNREACHABLE", method.name()) - before;
                equal("how often " + method.name() + " is sent", sent, (long) method.sent());
            }
        }
    }

    private static void bothReplicas() throws Exception {
        List<String> names = List.of("REPLICA1", "REPLICA2");
        Replicas replicas = new Replicas(names.stream().map(World::variable).toList());
        NameResolverRegistry.getDefaultRegistry().register(replicas);
        long[] before = {calls(names.get(0), "GetTask"), calls(names.get(1), "GetTask")};
        try (Agents agents = withShippedConfig(
                Grpc.newChannelBuilder(replicas.target(), InsecureChannelCredentials.create()))) {
            until("both replicas have answered", () -> {
                Failure.expect(Code.NOT_FOUND, () -> agents.read("nope"));
                return calls(names.get(0), "GetTask") > before[0] && calls(names.get(1), "GetTask") > before[1];
            });
        } finally {
            NameResolverRegistry.getDefaultRegistry().deregister(replicas);
        }
    }

    private Balancing() {}
}
