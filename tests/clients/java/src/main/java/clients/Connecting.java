package clients;

import static clients.Agents.asking;
import static clients.World.SERVICE;
import static clients.World.SOON;
import static clients.World.equal;
import static clients.World.holds;
import static java.util.concurrent.TimeUnit.SECONDS;

import ai.xpander.agent.v1.AgentServiceGrpc.AgentServiceBlockingStub;
import ai.xpander.agent.v1.GetTaskRequest;
import com.google.protobuf.ByteString;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.DescriptorProtos.MethodDescriptorProto;
import com.google.protobuf.DescriptorProtos.ServiceDescriptorProto;
import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import io.grpc.reflection.v1.ServerReflectionRequest;
import io.grpc.reflection.v1.ServerReflectionResponse;
import io.grpc.reflection.v1.ServiceResponse;
import io.grpc.stub.MetadataUtils;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;

/** What surrounds the calls: metadata, reflection, health and TLS. */
final class Connecting {
    static final List<Scenario> SCENARIOS = List.of(
            new Scenario("metadata", Connecting::metadata),
            new Scenario("reflection", Connecting::reflection),
            new Scenario("health", Connecting::health),
            new Scenario("tls", Connecting::tls),
            new Scenario("mtls", Connecting::mutualTls));

    private static final Metadata.Key<String> REQUEST_ID =
            Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER);

    private static AgentServiceBlockingStub withRequestId(AgentServiceBlockingStub stub, String id) {
        Metadata headers = new Metadata();
        headers.put(REQUEST_ID, id);
        return stub.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
    }

    private static void metadata() {
        AtomicReference<Metadata> headers = new AtomicReference<>();
        AtomicReference<Metadata> trailers = new AtomicReference<>();
        try (Agents agents = Agents.of("PLAIN")) {
            AgentServiceBlockingStub stub =
                    agents.soon().withInterceptors(MetadataUtils.newCaptureMetadataInterceptor(headers, trailers));
            withRequestId(stub, "java-1").invoke(asking("echo", "").build());
            equal("the request id", headers.get().get(REQUEST_ID), "java-1");
            stub.invoke(asking("echo", "").build());
            holds("there is a request id", headers.get().get(REQUEST_ID) != null);
            try {
                withRequestId(stub, "java-2").getTask(GetTaskRequest.newBuilder().setTaskId("nope").build());
                throw new AssertionError("there is a task called nope");
            } catch (StatusRuntimeException error) {
                // An answer without a message has its headers among its trailers.
                equal("the failure's request id", error.getTrailers().get(REQUEST_ID), "java-2");
            }
        }
    }

    private static void reflection() throws Exception {
        ServerReflectionResponse list = reflected(ServerReflectionRequest.newBuilder().setListServices(""));
        List<String> services = list.getListServicesResponse().getServiceList().stream()
                .map(ServiceResponse::getName)
                .toList();
        holds(SERVICE + " is in " + services, services.contains(SERVICE));

        ServerReflectionResponse found =
                reflected(ServerReflectionRequest.newBuilder().setFileContainingSymbol(SERVICE));
        Set<String> methods = new HashSet<>();
        for (ByteString file : found.getFileDescriptorResponse().getFileDescriptorProtoList()) {
            for (ServiceDescriptorProto service : FileDescriptorProto.parseFrom(file).getServiceList()) {
                service.getMethodList().stream().map(MethodDescriptorProto::getName).forEach(methods::add);
            }
        }
        Set<String> expected = Set.of(
                "Invoke",
                "StreamEvents",
                "InvokeStream",
                "GetTask",
                "WaitTask",
                "StopTask",
                "ListAgents",
                "ListTasks",
                "GetTaskActivity");
        equal("the methods", methods, expected);
    }

    /** What reflection answers to one question. */
    private static ServerReflectionResponse reflected(ServerReflectionRequest.Builder question) throws Exception {
        try (Agents agents = Agents.of("PLAIN")) {
            var call = ServerReflectionGrpc.newBlockingV2Stub(agents.channel())
                    .withDeadlineAfter(SOON.toSeconds(), SECONDS)
                    .serverReflectionInfo();
            call.write(question.build());
            call.halfClose();
            return call.read();
        }
    }

    private static void health() throws Exception {
        try (Agents agents = Agents.of("PLAIN")) {
            var stub = HealthGrpc.newBlockingStub(agents.channel()).withDeadlineAfter(SOON.toSeconds(), SECONDS);
            for (String service : List.of("", SERVICE)) {
                equal("Check " + service, stub.check(asked(service)).getStatus(), ServingStatus.SERVING);
                equal("Watch " + service, stub.watch(asked(service)).next().getStatus(), ServingStatus.SERVING);
            }
            Failure.expect(Status.Code.NOT_FOUND, () -> stub.check(asked("nobody")));
        }
    }

    private static HealthCheckRequest asked(String service) {
        return HealthCheckRequest.newBuilder().setService(service).build();
    }

    private static Agents over(String server, ChannelCredentials credentials) {
        return new Agents(Grpc.newChannelBuilder(World.variable(server), credentials).build());
    }

    private static void works(String server, ChannelCredentials credentials) {
        try (Agents agents = over(server, credentials)) {
            equal("the agent", agents.created("echo", "").getAgentId(), "echo");
        }
    }

    private static void isUnavailable(String server, ChannelCredentials credentials) throws Exception {
        try (Agents agents = over(server, credentials)) {
            Failure.expect(Status.Code.UNAVAILABLE, () -> agents.created("echo", ""));
        }
    }

    private static TlsChannelCredentials.Builder authority() throws Exception {
        return TlsChannelCredentials.newBuilder().trustManager(World.file("CA").toFile());
    }

    private static void tls() throws Exception {
        works("TLS", authority().build());
        isUnavailable("TLS", TlsChannelCredentials.create());
    }

    private static void mutualTls() throws Exception {
        works("MTLS", authority().keyManager(World.file("CERT").toFile(), World.file("KEY").toFile()).build());
        isUnavailable("MTLS", authority().build());
    }

    private Connecting() {}
}
