package clients;

import java.util.List;
import java.util.stream.Stream;

/** Runs the scenarios of ../README.md, or those that are named, and prints a line for each. */
public final class Main {
    public static void main(String[] named) {
        boolean failed = false;
        for (Scenario scenario : scenarios()) {
            if (named.length == 0 || List.of(named).contains(scenario.id())) {
                failed |= !passes(scenario);
            }
        }
        System.exit(failed ? 1 : 0);
    }

    private static List<Scenario> scenarios() {
        return Stream.of(
                        Invoking.SCENARIOS,
                        Parameters.SCENARIOS,
                        Following.SCENARIOS,
                        Connecting.SCENARIOS,
                        Failing.SCENARIOS,
                        Finding.SCENARIOS,
                        Balancing.SCENARIOS,
                        Once.SCENARIOS)
                .flatMap(List::stream)
                .toList();
    }

    private static boolean passes(Scenario scenario) {
        try {
            scenario.body().run();
            System.out.println("ok " + scenario.id());
            return true;
        } catch (Exception | AssertionError error) {
            System.out.println("FAILED " + scenario.id() + ": " + error.toString().replaceAll("\\s+", " "));
            return false;
        }
    }

    private Main() {}
}
