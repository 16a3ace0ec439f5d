import ai.xpander.agent.v1.AgentServiceGrpc;
import ai.xpander.agent.v1.AgentServiceGrpc.AgentServiceBlockingStub;
import ai.xpander.agent.v1.EventType;
import ai.xpander.agent.v1.InvokeRequest;
import ai.xpander.agent.v1.StreamEventsRequest;
import ai.xpander.agent.v1.StreamEventsResponse;
import ai.xpander.agent.v1.Task;
import ai.xpander.agent.v1.TaskEvent;
import com.google.gson.Gson;
import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Invokes an agent as production code does: with TLS, a token, deadlines and the service config, one task however often it
 * is asked for, and its events followed to the task's end, across connections and replicas. The variables CA_FILE, TOKEN and
 * SERVICE_CONFIG, then the arguments SERVER AGENT PROMPT. With ONE_STORE=yes too, where there is one replica, or all share a
 * store (`deduplication.store`).
 */
public class Careful {
    /** Without it, a create that is sent again may reach a replica that does not know its key: a second task. */
    private static final boolean ONE_STORE = "yes".equals(System.getenv("ONE_STORE"));

    /** With these, calling again may help. It harms no stream, which has its last event; a create only as `outcome` says. */
    private static final Set<Code> AGAIN = Set.of(
            Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED, Code.INTERNAL, Code.UNKNOWN);

    private static ManagedChannel connect(String server) throws IOException {
        var tls = TlsChannelCredentials.newBuilder().trustManager(new File(System.getenv("CA_FILE"))).build();
        Metadata headers = new Metadata();
        headers.put(
                Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + System.getenv("TOKEN"));
        String config = Files.readString(Path.of(System.getenv("SERVICE_CONFIG")));
        @SuppressWarnings("unchecked")
        Map<String, ?> map = new Gson().fromJson(config, Map.class);
        return Grpc.newChannelBuilder(server, tls)
                .intercept(MetadataUtils.newAttachHeadersInterceptor(headers))
                .defaultServiceConfig(map)
                .maxInboundMessageSize(64 << 20)
                .keepAliveTime(15, TimeUnit.SECONDS)
                .build();
    }

    private static Task create(AgentServiceBlockingStub agents, InvokeRequest request)
            throws InterruptedException, InvalidProtocolBufferException {
        boolean unsure = false;
        for (int attempt = 0; ; attempt++) {
            try {
                return agents.withDeadlineAfter(150, TimeUnit.SECONDS).invoke(request).getTask();
            } catch (StatusRuntimeException error) {
                String told = outcome(error);
                unsure |= !told.equals("not_created");
                boolean safe = told.equals("not_created") || ONE_STORE && !told.equals("unknown");
                if (attempt == 4 || !AGAIN.contains(error.getStatus().getCode()) || !safe) {
                    if (unsure) {
                        System.err.println("there may be a task: look for it before you create another");
                    }
                    throw error;
                }
                Thread.sleep(1000L << attempt);
            }
        }
    }

    /** What the proxy says of the task. Nothing, where it was not the proxy that answered. */
    private static String outcome(StatusRuntimeException error) throws InvalidProtocolBufferException {
        for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
            if (detail.is(ErrorInfo.class)) {
                return detail.unpack(ErrorInfo.class).getMetadataOrDefault("outcome", "");
            }
        }
        return "";
    }

    private static void follow(AgentServiceBlockingStub agents, String taskId, Consumer<TaskEvent> show)
            throws InterruptedException {
        String last = "";
        int failures = 0;
        while (true) {
            StreamEventsRequest request = StreamEventsRequest.newBuilder()
                    .setTaskId(taskId)
                    .setLastEventId(last)
                    .setHeartbeat(Duration.newBuilder().setSeconds(20))
                    .build();
            try {
                Iterator<StreamEventsResponse> messages =
                        agents.withDeadlineAfter(1, TimeUnit.HOURS).streamEvents(request);
                while (messages.hasNext()) {
                    TaskEvent event = messages.next().getEvent();
                    failures = 0;
                    last = event.getEventId().isEmpty() ? last : event.getEventId();
                    show.accept(event);
                }
                return;
            } catch (StatusRuntimeException error) {
                if (++failures > 5 || !AGAIN.contains(error.getStatus().getCode())) {
                    throw error;
                }
                System.err.println("resumed after event " + last);
                Thread.sleep(1000L * failures);
            }
        }
    }

    private static void show(TaskEvent event) {
        System.out.print(event.getChunk());
        if (event.getType() == EventType.EVENT_TYPE_TASK_FINISHED) {
            // A task that failed is no failed call: its status says so.
            String status = event.getTask().getStatus().name().substring("TASK_STATUS_".length()).toLowerCase();
            System.out.println("\n" + status + ": " + event.getTask().getResult());
        }
    }

    public static void main(String[] args) throws Exception {
        ManagedChannel channel = connect(args[0]);
        try {
            AgentServiceBlockingStub agents = AgentServiceGrpc.newBlockingStub(channel);
            InvokeRequest request = InvokeRequest.newBuilder()
                    .setAgentId(args[1])
                    .setPrompt(args[2])
                    .setEventsStreaming(true)
                    .setRequestId(UUID.randomUUID().toString())
                    .build();
            Task task = create(agents, request);
            System.out.println("task " + task.getId());
            follow(agents, task.getId(), Careful::show);
        } finally {
            channel.shutdownNow();
        }
    }
}
