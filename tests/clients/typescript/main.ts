/** Runs the scenarios of ../README.md, or those that are named, and prints a line for each. */

import { balancing } from "./balancing.ts";
import { connecting } from "./connecting.ts";
import { failing } from "./failing.ts";
import { finding } from "./finding.ts";
import { following } from "./following.ts";
import { invoking } from "./invoking.ts";
import { creating } from "./once.ts";
import { parameters } from "./parameters.ts";
import { pinging } from "./pinging.ts";
import { closeAll } from "./world.ts";

const wanted = process.argv.slice(2);
const around = { ...connecting, ...failing, ...finding, ...pinging, ...balancing, ...creating };
const scenarios = { ...parameters, ...invoking, ...following, ...around };

for (const [id, scenario] of Object.entries(scenarios)) {
  if (wanted.length > 0 && !wanted.includes(id)) continue;
  try {
    await scenario();
    console.log("ok", id);
  } catch (error) {
    process.exitCode = 1;
    console.log(`FAILED ${id}: ${error}`.replaceAll(/\s+/g, " "));
  }
  closeAll();
}
