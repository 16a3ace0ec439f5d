package clients;

/** What has to hold of a server, under the id that ../README.md gives it. */
record Scenario(String id, Body body) {
    interface Body {
        void run() throws Exception;
    }
}
