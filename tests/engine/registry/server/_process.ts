// A registry in a process of its own, for tests that kill it: prints its port, runs until it is killed.
import { serveRegistry } from "../../../../engine/registry/server/serve.ts";

const [, , dir = ""] = process.argv;
const server = await serveRegistry({ dir, hostname: "127.0.0.1", port: 0 });
process.stdout.write(`${server.port}\n`);
