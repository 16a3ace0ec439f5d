import ai.xpander.agent.v1.AgentServiceGrpc;
import ai.xpander.agent.v1.InvokeRequest;
import ai.xpander.agent.v1.InvokeStreamRequest;
import ai.xpander.agent.v1.InvokeStreamResponse;
import ai.xpander.agent.v1.TaskEvent;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;

/** Invokes an agent and prints what it says, as it says it. */
public class Example {
    public static void main(String[] args) {
        String server = args.length > 0 ? args[0] : "localhost:50051";
        ManagedChannel channel = Grpc.newChannelBuilder(server, InsecureChannelCredentials.create()).build();
        InvokeRequest.Builder invocation = InvokeRequest.newBuilder().setAgentId("echo").setPrompt("hello from Java");
        InvokeStreamRequest request = InvokeStreamRequest.newBuilder().setInvocation(invocation).build();
        try {
            AgentServiceGrpc.newBlockingStub(channel).invokeStream(request).forEachRemaining(Example::print);
        } catch (StatusRuntimeException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        } finally {
            channel.shutdownNow();
        }
    }

    private static void print(InvokeStreamResponse message) {
        TaskEvent event = message.getEvent();
        if (message.hasTask()) {
            System.out.println("task " + message.getTask().getId());
        } else if (event.hasChunk()) {
            System.out.print(event.getChunk());
        } else if (event.getTypeName().equals("task_finished")) {
            String status = event.getTask().getStatus().name().substring("TASK_STATUS_".length()).toLowerCase();
            System.out.println("\n" + status + ": " + event.getTask().getResult());
        }
    }
}
