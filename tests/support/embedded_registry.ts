import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RegistryServerOptions, serveRegistry } from "../../engine/registry/server/serve.ts";
import type { TestRegistry } from "./registries.ts";

/**
 * Starts our own registry on a free port of the loopback, in a folder of its own. Whoever starts it
 * closes it.
 *
 * @param options What a test wants differently: `referrers: false`, a user and a password.
 */
export async function startEmbeddedRegistry(
  options: Partial<RegistryServerOptions> = {},
): Promise<TestRegistry> {
  const dir = mkdtempSync(join(tmpdir(), "embedded-registry-"));
  const server = await serveRegistry({ dir, hostname: "127.0.0.1", port: 0, ...options });
  return {
    name: "embedded registry",
    host: `127.0.0.1:${server.port}`,
    port: server.port,
    dir,
    hasReferrersApi: options.referrers ?? true,
    close: async () => {
      await server.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
