import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildBinary, runBinary } from "../support/binary.ts";
import { startEmbeddedRegistry } from "../support/embedded_registry.ts";
import type { TestRegistry } from "../support/registries.ts";
import { pushImage } from "../support/uploads.ts";

const LIMIT_MS = 240_000;
const SBOM_BYTES = 48 * 1024 * 1024;
/** The statement, its envelope in base64, and what stands in memory at once to get from one to the other. */
const MAX_COPIES = 9;
/** The program itself, and what the key's password costs. */
const MAX_OTHER_BYTES = 160 * 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), "cosign-ts-large-"));
const env = { COSIGN_PASSWORD: "secret" };
let registry: TestRegistry;

beforeAll(async () => {
  await buildBinary();
  registry = await startEmbeddedRegistry();
  writeFileSync(join(folder, "sbom.json"), sbom());
  const made = await runBinary(["generate-key-pair"], { cwd: folder, env });
  expect(made.code).toBe(0);
}, LIMIT_MS);
afterAll(async () => {
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

/** CycloneDX, its keys in no order: a hundred thousand components, of which each is a few objects. */
function sbom(): string {
  const parts: string[] = [];
  for (let n = 0, size = 0; size < SBOM_BYTES; n++) {
    const name = `package-${n}`;
    const part = JSON.stringify({
      "bom-ref": `pkg:npm/${name}@1.0.${n % 100}`,
      type: "library",
      name,
      version: `1.0.${n % 100}`,
      licenses: [{ license: { id: "MIT" } }],
      hashes: [{ content: "0123456789abcdef".repeat(4), alg: "SHA-256" }],
      properties: [{ value: `/usr/lib/node_modules/${name}/index.js`, name: "path" }],
    });
    parts.push(part);
    size += part.length + 1;
  }
  return `{"specVersion":"1.5","bomFormat":"CycloneDX","components":[${parts.join(",")}]}`;
}

test.each([
  ["a bundle", []],
  ["an .att tag", ["--new-bundle-format=false"]],
] as const)(
  "a large SBOM in %s is attested and verified in a few times its size of memory",
  async (_where, format) => {
    const digest = await pushImage(registry.host, `large/${format.length}`, "1", "x");
    const image = `${registry.host}/large/${format.length}@${digest}`;
    const limit = MAX_COPIES * SBOM_BYTES + MAX_OTHER_BYTES;
    const run = async (...argv: readonly string[]) =>
      await runBinary([...argv, "--type", "cyclonedx", image], {
        cwd: folder,
        env,
        timeoutMs: LIMIT_MS,
        onPeak: (bytes) => expect(bytes).toBeWithin(SBOM_BYTES, limit),
      });
    const signing = ["--key", "cosign.key", "--tlog-upload=false", "--predicate", "sbom.json"];
    const attested = await run("attest", ...signing, ...format);
    expect([attested.code, attested.stderr]).toEqual([0, expect.stringContaining("Using payload")]);
    const verified = await run(
      "verify-attestation",
      ...["--key", "cosign.pub", "--insecure-ignore-tlog", "--output-file", join(folder, "out")],
    );
    expect([verified.code, verified.stderr]).toEqual([0, expect.stringContaining("Verification")]);
  },
  LIMIT_MS,
);
