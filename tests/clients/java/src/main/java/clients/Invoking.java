package clients;

import static ai.xpander.agent.v1.OutputFormat.OUTPUT_FORMAT_JSON;
import static ai.xpander.agent.v1.TaskStatus.TASK_STATUS_COMPLETED;
import static ai.xpander.agent.v1.TaskStatus.TASK_STATUS_EXECUTING;
import static ai.xpander.agent.v1.TaskStatus.TASK_STATUS_PAUSED;
import static ai.xpander.agent.v1.TaskStatus.TASK_STATUS_PENDING;
import static ai.xpander.agent.v1.TaskStatus.TASK_STATUS_STOPPED;
import static clients.Agents.asking;
import static clients.World.equal;
import static clients.World.holds;

import ai.xpander.agent.v1.InvokeRequest;
import ai.xpander.agent.v1.Task;
import ai.xpander.agent.v1.WaitTaskRequest;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.util.Durations;
import io.grpc.Status;
import java.time.Duration;
import java.util.List;
import java.util.Set;

/** Invoking, reading, waiting and stopping. */
final class Invoking {
    static final List<Scenario> SCENARIOS = List.of(
            new Scenario("structured-output", Invoking::structuredOutput),
            new Scenario("version-pin", Invoking::versionPin),
            new Scenario("continue", Invoking::continueATask),
            new Scenario("wait", Invoking::waitForATask),
            new Scenario("stop", Invoking::stop),
            new Scenario("large-result", Invoking::largeResult));

    private static final int MIB = 1024 * 1024;

    private static void structuredOutput() {
        String schema =
                """
                {"type": "object", "properties": {
                  "name": {"type": "string"}, "count": {"type": "integer"}, "share": {"type": "number"},
                  "is_new": {"type": "boolean"}, "tags": {"type": "array", "items": {"type": "string"}}}}""";
        InvokeRequest.Builder request =
                asking("echo", "hello").setOutputFormat(OUTPUT_FORMAT_JSON).setOutputSchema(Json.struct(schema));
        try (Agents agents = Agents.of("PLAIN")) {
            String text = agents.waited(agents.created(request).getId()).getResult();
            JsonObject result = JsonParser.parseString(text).getAsJsonObject();
            equal("the keys", result.keySet(), Set.of("name", "count", "share", "is_new", "tags"));
            holds("name is a text in " + text, result.getAsJsonPrimitive("name").isString());
            holds("count is an integer in " + text, result.get("count").toString().matches("-?\\d+"));
            holds("share is a fraction in " + text, result.get("share").toString().matches("-?\\d+\\.\\d+"));
            holds("is_new is a boolean in " + text, result.getAsJsonPrimitive("is_new").isBoolean());
            holds("tags is a list in " + text, result.get("tags").isJsonArray());
        }
    }

    private static void versionPin() throws Exception {
        try (Agents agents = Agents.of("PLAIN")) {
            Task pinned = agents.created(asking("echo", "").setAgentVersion("2"));
            equal("the pinned version", pinned.getAgentVersion(), "2");
            equal("the version without a pin", agents.created("echo", "").getAgentVersion(), "3");
            Failure.expect(Status.Code.NOT_FOUND, () -> agents.created(asking("echo", "").setAgentVersion("9")));
        }
    }

    private static void continueATask() {
        try (Agents agents = Agents.of("PLAIN")) {
            Task paused = agents.waited(agents.created("human", "look").getId());
            equal("the status", paused.getStatus(), TASK_STATUS_PAUSED);
            holds("the task waits for a person", paused.hasHitlRequest());
            Task goesOn = agents.created(asking("human", "go on").setExistingTaskId(paused.getId()));
            equal("the id", goesOn.getId(), paused.getId());
            equal("the result", agents.waited(paused.getId()).getResult(), "Continued with: go on");
        }
    }

    private static void waitForATask() {
        try (Agents agents = Agents.of("PLAIN")) {
            String slow = agents.created("slow", "").getId();
            WaitTaskRequest request =
                    WaitTaskRequest.newBuilder().setTaskId(slow).setTimeout(Durations.fromMillis(300)).build();
            Task latest = agents.soon().waitTask(request).getTask();
            holds(
                    "the task goes on, as " + latest.getStatus(),
                    Set.of(TASK_STATUS_PENDING, TASK_STATUS_EXECUTING).contains(latest.getStatus()));
            agents.stopped(slow);
            Task done = agents.waited(agents.created("echo", "hello").getId());
            equal("the status", done.getStatus(), TASK_STATUS_COMPLETED);
            equal("the result", done.getResult(), "hello");
        }
    }

    private static void stop() {
        try (Agents agents = Agents.of("PLAIN")) {
            String slow = agents.created("slow", "").getId();
            equal("what StopTask says", agents.stopped(slow).getStatus(), TASK_STATUS_STOPPED);
            equal("what GetTask says", agents.read(slow).getStatus(), TASK_STATUS_STOPPED);
        }
    }

    /** A message that is beyond the limit only when it is unpacked is CANCELLED, because of RESOURCE_EXHAUSTED. */
    private static void largeResult() throws Exception {
        Duration minutes = Duration.ofMinutes(2);
        String taskId;
        try (Agents agents = Agents.of("PLAIN")) {
            taskId = agents.created("big", Integer.toString(6 * MIB)).getId();
            Failure tooLarge = Failure.expect(Status.Code.CANCELLED, () -> agents.waited(taskId, minutes));
            Status cause = Status.fromThrowable(tooLarge.cause());
            equal("the cause (" + cause.getDescription() + ")", cause.getCode(), Status.Code.RESOURCE_EXHAUSTED);
        }
        try (Agents agents = new Agents(Agents.builder("PLAIN").maxInboundMessageSize(64 * MIB).build())) {
            equal("the result's length", agents.waited(taskId, minutes).getResult().length(), 6 * MIB);
        }
    }

    private Invoking() {}
}
