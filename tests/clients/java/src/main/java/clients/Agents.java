package clients;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static java.util.concurrent.TimeUnit.SECONDS;

import ai.xpander.agent.v1.AgentServiceGrpc;
import ai.xpander.agent.v1.AgentServiceGrpc.AgentServiceBlockingStub;
import ai.xpander.agent.v1.GetTaskRequest;
import ai.xpander.agent.v1.InvokeRequest;
import ai.xpander.agent.v1.StopTaskRequest;
import ai.xpander.agent.v1.StreamEventsRequest;
import ai.xpander.agent.v1.StreamEventsResponse;
import ai.xpander.agent.v1.Task;
import ai.xpander.agent.v1.WaitTaskRequest;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import java.time.Duration;
import java.util.Iterator;

/** A channel to a server, and the calls that most scenarios make on it. */
record Agents(ManagedChannel channel) implements AutoCloseable {
    /** A cleartext channel to one of the servers, by name, with the pings that docs/callers.md advises. */
    static ManagedChannelBuilder<?> builder(String server) {
        return Grpc.newChannelBuilder(World.variable(server), InsecureChannelCredentials.create())
                .keepAliveTime(15, SECONDS)
                .keepAliveTimeout(10, SECONDS);
    }

    static Agents of(String server) {
        return new Agents(builder(server).build());
    }

    static InvokeRequest.Builder asking(String agent, String prompt) {
        return InvokeRequest.newBuilder().setAgentId(agent).setPrompt(prompt);
    }

    static StreamEventsRequest following(String taskId) {
        return StreamEventsRequest.newBuilder().setTaskId(taskId).build();
    }

    AgentServiceBlockingStub soon() {
        return within(World.SOON);
    }

    AgentServiceBlockingStub within(Duration deadline) {
        return AgentServiceGrpc.newBlockingStub(channel).withDeadlineAfter(deadline.toMillis(), MILLISECONDS);
    }

    Task created(InvokeRequest.Builder request) {
        return soon().invoke(request.build()).getTask();
    }

    Task created(String agent, String prompt) {
        return created(asking(agent, prompt));
    }

    Task read(String taskId) {
        return soon().getTask(GetTaskRequest.newBuilder().setTaskId(taskId).build()).getTask();
    }

    Task waited(String taskId) {
        return waited(taskId, World.SOON);
    }

    Task waited(String taskId, Duration deadline) {
        return within(deadline).waitTask(WaitTaskRequest.newBuilder().setTaskId(taskId).build()).getTask();
    }

    Task stopped(String taskId) {
        return soon().stopTask(StopTaskRequest.newBuilder().setTaskId(taskId).build()).getTask();
    }

    /** The id of a new task that has an event stream. */
    String streamed(String agent, String prompt) {
        return created(asking(agent, prompt).setEventsStreaming(true)).getId();
    }

    Iterator<StreamEventsResponse> followed(String taskId) {
        return soon().streamEvents(following(taskId));
    }

    @Override
    public void close() {
        channel.shutdownNow();
    }
}
