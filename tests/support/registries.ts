import { describe } from "bun:test";
import { hasDockerRegistry, startDockerRegistry } from "./docker_registry.ts";
import { startEmbeddedRegistry } from "./embedded_registry.ts";

/** A registry that a test started. */
export interface TestRegistry {
  readonly name: "docker-registry" | "embedded registry";
  /** `127.0.0.1:PORT`, as it stands in references. */
  readonly host: string;
  readonly port: number;
  /** Where it keeps its data. */
  readonly dir: string;
  readonly hasReferrersApi: boolean;
  close(): Promise<void>;
}

/**
 * Declares a suite twice: on our own registry and on Debian's `docker-registry`, which knows neither
 * referrers nor conditional writes. Where the latter is not installed its suite is skipped, loudly.
 *
 * @param declare Declares the tests; it calls `start` in its own `beforeAll` and closes what it gets.
 */
export function onBothRegistries(
  declare: (name: TestRegistry["name"], start: () => Promise<TestRegistry>) => void,
): void {
  describe("on the embedded registry", () => {
    declare("embedded registry", startEmbeddedRegistry);
  });
  const installed = hasDockerRegistry();
  if (!installed) {
    process.stderr.write("SKIPPING tests on docker-registry: apt-get install docker-registry\n");
  }
  describe.skipIf(!installed)("on docker-registry", () => {
    declare("docker-registry", startDockerRegistry);
  });
}
