package clients;

import static ai.xpander.agent.v1.EventType.EVENT_TYPE_CHUNK;
import static ai.xpander.agent.v1.EventType.EVENT_TYPE_HEARTBEAT;
import static ai.xpander.agent.v1.EventType.EVENT_TYPE_TASK_FINISHED;
import static ai.xpander.agent.v1.EventType.EVENT_TYPE_TOOL_CALL_REQUEST;
import static ai.xpander.agent.v1.EventType.EVENT_TYPE_UNSPECIFIED;
import static ai.xpander.agent.v1.TaskStatus.TASK_STATUS_COMPLETED;
import static ai.xpander.agent.v1.TaskStatus.TASK_STATUS_EXECUTING;
import static clients.Agents.asking;
import static clients.Agents.following;
import static clients.World.equal;
import static clients.World.holds;

import ai.xpander.agent.v1.EventType;
import ai.xpander.agent.v1.InvokeStreamRequest;
import ai.xpander.agent.v1.InvokeStreamResponse;
import ai.xpander.agent.v1.InvokeStreamResponse.ItemCase;
import ai.xpander.agent.v1.StreamEventsResponse;
import ai.xpander.agent.v1.TaskEvent;
import ai.xpander.agent.v1.TaskEvent.DataCase;
import com.google.protobuf.Struct;
import com.google.protobuf.util.Durations;
import io.grpc.Context;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Streams: to their ends, and away from them. */
final class Following {
    static final List<Scenario> SCENARIOS = List.of(
            new Scenario("stream", Following::stream),
            new Scenario("one-call-stream", Following::oneCallStream),
            new Scenario("deadline", Following::deadline),
            new Scenario("cancel", Following::cancel),
            new Scenario("struct-in-events", Following::numbersInEvents),
            new Scenario("heartbeat", Following::heartbeat),
            new Scenario("resume", Following::resume));

    /** The events up to the stream's end, which is OK: any other would be an exception. */
    private static List<TaskEvent> rest(Iterator<StreamEventsResponse> messages) {
        List<TaskEvent> events = new ArrayList<>();
        messages.forEachRemaining(message -> events.add(message.getEvent()));
        return events;
    }

    private static TaskEvent next(Iterator<StreamEventsResponse> messages, EventType type) {
        while (true) {
            TaskEvent event = messages.next().getEvent();
            if (event.getType() == type) {
                return event;
            }
        }
    }

    private static void stream() {
        List<TaskEvent> events;
        try (Agents agents = Agents.of("PLAIN")) {
            events = rest(agents.followed(agents.streamed("tools", "hello there")));
        }
        TaskEvent last = events.get(events.size() - 1);
        equal("the last event", last.getType(), EVENT_TYPE_TASK_FINISHED);
        equal("its task's status", last.getTask().getStatus(), TASK_STATUS_COMPLETED);
        equal("its task's result", last.getTask().getResult(), "Looked into it: hello there");
        String text = events.stream().map(TaskEvent::getChunk).collect(Collectors.joining());
        equal("the chunks", text, last.getTask().getResult());
        Set<DataCase> missing = EnumSet.complementOf(EnumSet.of(DataCase.GAP, DataCase.DATA_NOT_SET));
        events.forEach(event -> missing.remove(event.getDataCase()));
        equal("kinds of data that are missing", missing, Set.of());
        Set<String> unknown = events.stream()
                .filter(event -> event.getType() == EVENT_TYPE_UNSPECIFIED)
                .map(TaskEvent::getTypeName)
                .collect(Collectors.toSet());
        equal("types of tomorrow", unknown, Set.of("quantum_leap"));
    }

    private static void oneCallStream() {
        InvokeStreamRequest request =
                InvokeStreamRequest.newBuilder().setInvocation(asking("echo", "hello")).build();
        try (Agents agents = Agents.of("PLAIN")) {
            Iterator<InvokeStreamResponse> messages = agents.soon().invokeStream(request);
            InvokeStreamResponse first = messages.next();
            equal("the first message", first.getItemCase(), ItemCase.TASK);
            InvokeStreamResponse last = first;
            while (messages.hasNext()) {
                last = messages.next();
                equal("a later message", last.getItemCase(), ItemCase.EVENT);
            }
            equal("the last event", last.getEvent().getType(), EVENT_TYPE_TASK_FINISHED);
            equal("its task", last.getEvent().getTask().getId(), first.getTask().getId());
        }
    }

    private static void deadline() throws Exception {
        try (Agents agents = Agents.of("PLAIN")) {
            String taskId = agents.streamed("slow", "");
            List<TaskEvent> events = new ArrayList<>();
            Failure.expect(Status.Code.DEADLINE_EXCEEDED, () -> {
                agents.within(Duration.ofSeconds(2))
                        .streamEvents(following(taskId))
                        .forEachRemaining(message -> events.add(message.getEvent()));
                return events;
            });
            holds("events came before the deadline", !events.isEmpty());
            agents.stopped(taskId);
        }
    }

    /** A call ends with the context it was made in: this is how an iterator is left. */
    private static void cancel() throws Exception {
        try (Agents agents = Agents.of("PLAIN");
                Context.CancellableContext context = Context.current().withCancellation()) {
            String taskId = agents.streamed("slow", "");
            Iterator<StreamEventsResponse> messages = context.call(() -> agents.followed(taskId));
            next(messages, EVENT_TYPE_CHUNK);
            context.cancel(null);
            Failure.expect(Status.Code.CANCELLED, () -> rest(messages));
            equal("the status", agents.read(taskId).getStatus(), TASK_STATUS_EXECUTING);
            agents.stopped(taskId);
        }
    }

    private static void numbersInEvents() {
        try (Agents agents = Agents.of("PLAIN")) {
            Iterator<StreamEventsResponse> messages = agents.followed(agents.streamed("tools", ""));
            TaskEvent event = next(messages, EVENT_TYPE_TOOL_CALL_REQUEST);
            Struct payload = event.getToolCallRequest().getPayload().getStructValue();
            String row = payload.getFieldsOrThrow("row").getStringValue();
            equal("an integer that no double holds", row, "9007199254740993");
            equal("a fraction", payload.getFieldsOrThrow("ratio").getNumberValue(), 0.25);
        }
    }

    private static void heartbeat() {
        try (Agents agents = Agents.of("PLAIN")) {
            String taskId = agents.streamed("human", "");
            Iterator<StreamEventsResponse> messages = agents.soon()
                    .streamEvents(following(taskId).toBuilder().setHeartbeat(Durations.fromMillis(100)).build());
            for (int beat = 0; beat < 3; beat++) {
                next(messages, EVENT_TYPE_HEARTBEAT);
            }
            agents.stopped(taskId);
            List<TaskEvent> events = rest(messages);
            equal("the last event", events.get(events.size() - 1).getType(), EVENT_TYPE_TASK_FINISHED);
        }
    }

    private static void resume() throws Exception {
        List<String> ids = new ArrayList<>();
        try (Agents agents = Agents.of("PLAIN")) {
            String taskId = agents.streamed("tools", "");
            try (Context.CancellableContext context = Context.current().withCancellation()) {
                Iterator<StreamEventsResponse> left = context.call(() -> agents.followed(taskId));
                while (ids.size() < 5) {
                    keepId(ids, left.next().getEvent());
                }
            }
            rest(agents.soon().streamEvents(following(taskId).toBuilder().setLastEventId(ids.get(4)).build()))
                    .forEach(event -> keepId(ids, event));
        }
        List<String> expected = IntStream.rangeClosed(1, ids.size()).mapToObj(Integer::toString).toList();
        equal("the ids", ids, expected);
        holds("there were events after the first five", ids.size() > 5);
    }

    /** The handshake of each stream has no id. */
    private static void keepId(List<String> ids, TaskEvent event) {
        if (event.hasEventId()) {
            ids.add(event.getEventId());
        }
    }

    private Following() {}
}
