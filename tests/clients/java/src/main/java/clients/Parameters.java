package clients;

import static ai.xpander.agent.v1.AttachmentKind.ATTACHMENT_KIND_PDF;
import static ai.xpander.agent.v1.LlmReasoningEffort.LLM_REASONING_EFFORT_HIGH;
import static ai.xpander.agent.v1.OutputFormat.OUTPUT_FORMAT_MARKDOWN;
import static ai.xpander.agent.v1.PrincipalKind.PRINCIPAL_KIND_SLACK;
import static ai.xpander.agent.v1.ThinkMode.THINK_MODE_HARDER;
import static clients.Agents.asking;
import static clients.World.equal;
import static clients.World.holds;

import ai.xpander.agent.v1.Attachment;
import ai.xpander.agent.v1.InvokeRequest;
import ai.xpander.agent.v1.McpServer;
import ai.xpander.agent.v1.Principal;
import ai.xpander.agent.v1.Task;
import ai.xpander.agent.v1.User;
import com.google.protobuf.ByteString;
import com.google.protobuf.Struct;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** What an invocation says, and what its task has of it. */
final class Parameters {
    static final List<Scenario> SCENARIOS = List.of(
            new Scenario("invoke", Parameters::everyParameter),
            new Scenario("files", Parameters::files),
            new Scenario("user-details", Parameters::userDetails),
            new Scenario("struct", Parameters::freeJson));

    /** Parameters that a task has under the same name. */
    private static final List<String> SAME = List.of(
            "source",
            "output_format",
            "output_schema",
            "events_streaming",
            "additional_context",
            "expected_output",
            "instructions_override",
            "title",
            "think_mode",
            "tool_call_limit",
            "disable_attachment_injection",
            "llm_model_provider",
            "llm_model_name",
            "llm_reasoning_effort",
            "triggering_agent_id",
            "return_metrics",
            "harness_cli",
            "permission_mode",
            "test_run_node_id");

    /** Every parameter but existing_task_id. */
    private static InvokeRequest.Builder invocation() {
        return asking("echo", "hello")
                .addFileUrls("https://example.com/a")
                .setUserDetails(User.newBuilder().setEmail("ann@example.com"))
                .setAgentVersion("2")
                .setToolCallPayloadExtension(Json.struct("{\"tenant\": 1}"))
                .setSource("tests")
                .setWorkerId("worker")
                .setRunLocally(true)
                .setOutputFormat(OUTPUT_FORMAT_MARKDOWN)
                .setOutputSchema(Json.struct("{\"type\": \"string\"}"))
                .setEventsStreaming(true)
                .setAdditionalContext("context")
                .setExpectedOutput("output")
                .addAttachments(Attachment.newBuilder().setUrl("https://example.com/b"))
                .setRequestId("java-invoke")
                .setPrincipal(Principal.newBuilder().setKind(PRINCIPAL_KIND_SLACK).setId("U1").setDisplayName("Ann"))
                .setInstructionsOverride("instructions")
                .setTitle("title")
                .setThinkMode(THINK_MODE_HARDER)
                .setToolCallLimit(7)
                .setDisableAttachmentInjection(true)
                .setLlmModelProvider("openai")
                .setLlmModelName("model")
                .setLlmReasoningEffort(LLM_REASONING_EFFORT_HIGH)
                .addMcpServers(mcpServer())
                .setTriggeringAgentId("other")
                .setUserOidcToken("secret-of-the-user")
                .setUserTokens(Json.struct("{\"drive\": \"secret-of-the-drive\"}"))
                .setReturnMetrics(true)
                .setHarnessCli("codex")
                .setPermissionMode("plan")
                .setTestRunNodeId("node");
    }

    private static McpServer.Builder mcpServer() {
        return McpServer.newBuilder().setName("tools").setUrl("https://example.com/mcp").addAllowedTools("search");
    }

    private static void everyParameter() {
        InvokeRequest sent = invocation().build();
        // A parameter that is added later has to be added above, too.
        equal("the parameters", sent.getAllFields().size(), InvokeRequest.getDescriptor().getFields().size() - 1);
        try (Agents agents = Agents.of("PLAIN")) {
            Task task = agents.created(sent.toBuilder());
            hasEveryParameter(task, sent);
            hasEveryParameter(agents.read(task.getId()), sent);
        }
    }

    private static void hasEveryParameter(Task task, InvokeRequest sent) {
        for (String name : SAME) {
            Object expected = sent.getField(InvokeRequest.getDescriptor().findFieldByName(name));
            equal(name, task.getField(Task.getDescriptor().findFieldByName(name)), expected);
        }
        equal("agent_id", task.getAgentId(), "echo");
        equal("the prompt", task.getInput().getText(), "hello");
        equal("agent_version", task.getAgentVersion(), "2");
        equal("the files", task.getInput().getFilesList(), sent.getFileUrlsList());
        equal("the user", task.getInput().getUser(), sent.getUserDetails());
        equal("the attachments", task.getInput().getAttachmentsList(), sent.getAttachmentsList());
        equal("the principal", task.getInput().getPrincipal(), sent.getPrincipal());
        equal("payload_extension", task.getPayloadExtension(), sent.getToolCallPayloadExtension());
        equal("worker_id", task.getOther().getFieldsOrThrow("worker_id").getStringValue(), "worker");
        McpServer server = task.getMcpServers(0);
        equal("the MCP server", server.getName(), "tools");
        equal("its URL", server.getUrl(), "https://example.com/mcp");
        equal("its type", server.getType(), "remote");
        equal("its tools", server.getAllowedToolsList(), List.of("search"));
        holds("the user's secrets are not sent back", !contains(task.toByteString(), "secret-of-the"));
    }

    private static boolean contains(ByteString bytes, String text) {
        return bytes.toString(StandardCharsets.ISO_8859_1).contains(text);
    }

    private static void files() {
        InvokeRequest.Builder request = asking("echo", "hello")
                .addFileUrls("https://example.com/report.pdf")
                .addFileUrls("https://example.com/data.csv")
                .addAttachments(Attachment.newBuilder()
                        .setUrl("https://example.com/scan.pdf")
                        .setName("scan.pdf")
                        .setMime("application/pdf")
                        .setSize(5_000_000_000L)
                        .setKind(ATTACHMENT_KIND_PDF)
                        .setSha256("ab".repeat(32))
                        .setExpiresAt("2030-01-01T00:00:00Z")
                        .setSource("upload")
                        .setTranscript("What the scan says"));
        try (Agents agents = Agents.of("PLAIN")) {
            Task task = agents.created(request);
            equal("the files", task.getInput().getFilesList(), request.getFileUrlsList());
            equal("the attachments", task.getInput().getAttachmentsList(), request.getAttachmentsList());
        }
    }

    private static void userDetails() {
        User user = User.newBuilder()
                .setId("u-1")
                .setFirstName("Ann")
                .setLastName("Example")
                .setEmail("ann@example.com")
                .setAdditionalAttributes(Json.struct("{\"roles\": [\"admin\", \"author\"], \"level\": 3}"))
                .setTimezone("America/New_York")
                .build();
        try (Agents agents = Agents.of("PLAIN")) {
            equal("the user", agents.created(asking("echo", "hello").setUserDetails(user)).getInput().getUser(), user);
        }
    }

    private static void freeJson() {
        Struct payload = Json.struct(
                """
                {"a": {"b": {"c": {"d": [0, -1, 0.5, 1e30, 9007199254740991]}}},
                 "mixed": ["x", null, true, {}, []], "none": null}""");
        InvokeRequest.Builder request =
                asking("tools", "hello").setToolCallPayloadExtension(payload).setEventsStreaming(true);
        try (Agents agents = Agents.of("PLAIN")) {
            Task task = agents.created(request);
            equal("the payload", task.getPayloadExtension(), payload);
            equal("the payload, read", agents.read(task.getId()).getPayloadExtension(), payload);
        }
    }

    private Parameters() {}
}
