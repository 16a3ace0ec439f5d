package clients;

import static ai.xpander.agent.v1.ActivityRole.ACTIVITY_ROLE_AGENT;
import static clients.Agents.asking;
import static clients.World.equal;
import static clients.World.holds;

import ai.xpander.agent.v1.ActivityEntry;
import ai.xpander.agent.v1.ActivityEntry.EntryCase;
import ai.xpander.agent.v1.Agent;
import ai.xpander.agent.v1.GetTaskActivityRequest;
import ai.xpander.agent.v1.ListAgentsRequest;
import ai.xpander.agent.v1.ListTasksRequest;
import ai.xpander.agent.v1.ListTasksResponse;
import ai.xpander.agent.v1.StreamEventsResponse;
import ai.xpander.agent.v1.Task;
import ai.xpander.agent.v1.TaskSummary;
import com.google.protobuf.Timestamp;
import com.google.protobuf.util.Timestamps;
import io.grpc.Status.Code;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;

/** Finding things again: a create whose outcome is unknown, and what a gap has hidden. */
final class Finding {
    static final List<Scenario> SCENARIOS = List.of(
            new Scenario("lists", Finding::lists),
            new Scenario("find-again", Finding::findAgain),
            new Scenario("read-gap", Finding::readGap),
            new Scenario("conversation", Finding::conversation));

    /** The task that was asked for since then, if it was created: none is skipped, however many there are. */
    private static Optional<TaskSummary> find(Agents agents, String agent, String title, Timestamp since) {
        ListTasksRequest.Builder request =
                ListTasksRequest.newBuilder().setAgentId(agent).setPageSize(1000);
        do {
            ListTasksResponse page = agents.soon().listTasks(request.build());
            for (TaskSummary task : page.getTasksList()) {
                if (Timestamps.compare(task.getCreatedAt(), since) < 0) {
                    return Optional.empty();
                }
                if (task.getTitle().equals(title)) {
                    return Optional.of(task);
                }
            }
            request.setPageToken(page.getNextPageToken());
        } while (!request.getPageToken().isEmpty());
        return Optional.empty();
    }

    /** What has happened in a task so far, gaps or not. */
    private static List<ActivityEntry> happened(Agents agents, String taskId) {
        List<ActivityEntry> entries = new ArrayList<>();
        agents.soon()
                .getTaskActivity(GetTaskActivityRequest.newBuilder().setTaskId(taskId).build())
                .forEachRemaining(message -> {
                    if (message.hasEntry()) {
                        entries.add(message.getEntry());
                    }
                });
        return entries;
    }

    private static void lists() throws Exception {
        try (Agents agents = Agents.of("PLAIN")) {
            List<String> ids = new ArrayList<>();
            for (int count = 0; count < 3; count++) {
                ids.add(agents.created("burst", "1").getId());
            }
            List<String> names = agents.soon().listAgents(ListAgentsRequest.getDefaultInstance()).getAgentsList().stream()
                    .map(Agent::getId)
                    .toList();
            holds("the agents are listed", names.containsAll(List.of("echo", "chat")));
            ListTasksRequest.Builder request =
                    ListTasksRequest.newBuilder().setAgentId("burst").setPageSize(1);
            List<String> seen = new ArrayList<>();
            while (true) {
                ListTasksResponse page = agents.soon().listTasks(request.build());
                page.getTasksList().forEach(task -> seen.add(task.getId()));
                if (page.getNextPageToken().isEmpty()) {
                    break;
                }
                request.setPageToken(page.getNextPageToken());
            }
            for (String id : ids) {
                equal("how often a task is listed", Collections.frequency(seen, id), 1);
            }
            request.setAgentId("echo");
            Failure wrong = Failure.expect(Code.INVALID_ARGUMENT, () -> agents.soon().listTasks(request.build()));
            equal("the fields", wrong.fields(), Set.of("page_token"));
        }
    }

    private static void findAgain() throws Exception {
        String title = UUID.randomUUID().toString();
        Timestamp since = Timestamps.fromMillis(System.currentTimeMillis() - 60_000);
        try (Agents agents = Agents.of("PLAIN")) {
            Failure unknown = Failure.expect(
                    Code.DEADLINE_EXCEEDED, () -> agents.created(asking("http-504", "").setTitle(title)));
            equal("the reason", unknown.info().getReason(), "CREATE_OUTCOME_UNKNOWN");
            // It is not there: it is safe to create again, under a new request_id.
            equal("a task that was not created", find(agents, "http-504", title, since), Optional.empty());
            Task task = agents.created(
                    asking("echo", "").setTitle(title).setRequestId(UUID.randomUUID().toString()));
            Optional<TaskSummary> found = find(agents, "echo", title, since);
            equal("the task that was found", found.map(TaskSummary::getId), Optional.of(task.getId()));
        }
    }

    private static void readGap() {
        try (Agents agents = Agents.of("PLAIN")) {
            String taskId = agents.streamed("tools", "hello");
            Iterator<StreamEventsResponse> events = agents.followed(taskId);
            StreamEventsResponse last = events.next();
            holds("there is a log already", !happened(agents, taskId).isEmpty());
            while (events.hasNext()) {
                last = events.next();
            }
            List<ActivityEntry> entries = happened(agents, taskId);
            List<String> tools = entries.stream()
                    .filter(entry -> entry.getEntryCase() == EntryCase.TOOL_CALL)
                    .map(entry -> entry.getToolCall().getToolName())
                    .toList();
            equal("the tools that were called", tools, List.of("search", "sql"));
            ActivityEntry said = entries.get(entries.size() - 1);
            equal("who spoke last", said.getMessage().getRole(), ACTIVITY_ROLE_AGENT);
            equal("what it said", said.getMessage().getText(), last.getEvent().getTask().getResult());
        }
    }

    private static void conversation() {
        try (Agents agents = Agents.of("PLAIN")) {
            Task head = agents.waited(agents.created("chat", "one").getId());
            Task turn = agents.waited(agents.created(
                            asking("chat", "two").setExistingTaskId(head.getConversationId()))
                    .getId());
            holds("the turn has an id of its own", !turn.getId().equals(head.getId()));
            equal("its conversation", turn.getConversationId(), head.getId());
            equal("its result", turn.getResult(), "two");
        }
    }

    private Finding() {}
}
