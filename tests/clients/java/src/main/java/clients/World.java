package clients;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.Callable;

/** Where the servers are, what reached them, and words for what has to be seen. */
final class World {
    static final String SERVICE = "xpander.agent.v1.AgentService";

    /** How long a call may take, unless its scenario says otherwise: a debug build on a busy machine takes its time. */
    static final Duration SOON = Duration.ofSeconds(30);

    private static final HttpClient HTTP =
            HttpClient.newBuilder().connectTimeout(SOON).version(HttpClient.Version.HTTP_1_1).build();

    static String variable(String name) {
        String value = System.getenv("CLIENTS_" + name);
        if (value == null) {
            throw new IllegalStateException("CLIENTS_" + name + " is not set");
        }
        return value;
    }

    static Path file(String name) {
        return Path.of(variable(name));
    }

    static String content(String name) throws IOException {
        return Files.readString(file(name));
    }

    static void equal(String what, Object seen, Object expected) {
        if (!expected.equals(seen)) {
            throw new AssertionError(what + " is " + seen + ", not " + expected);
        }
    }

    static void holds(String what, boolean itHolds) {
        if (!itHolds) {
            throw new AssertionError("it does not hold that " + what);
        }
    }

    /** How many calls of this method a server has answered, whatever it answered, by its admin port. */
    static long calls(String server, String method) throws IOException, InterruptedException {
        URI page = URI.create("http://" + variable(server + "_ADMIN") + "/metrics");
        HttpRequest request = HttpRequest.newBuilder(page).timeout(SOON).build();
        return HTTP.send(request, BodyHandlers.ofString())
                .body()
                .lines()
                .filter(line -> line.startsWith("rpc_server_call_duration_seconds_count"))
                .filter(line -> line.contains("rpc_method=\"" + SERVICE + "/" + method + "\""))
                .mapToLong(line -> Long.parseLong(line.substring(line.lastIndexOf(' ') + 1)))
                .sum();
    }

    /** Asks again and again until it is so. */
    static void until(String what, Callable<Boolean> isSo) throws Exception {
        Instant end = Instant.now().plus(SOON);
        while (!isSo.call()) {
            if (Instant.now().isAfter(end)) {
                throw new AssertionError("within " + SOON + " it did not come to hold that " + what);
            }
            Thread.sleep(20);
        }
    }

    private World() {}
}
