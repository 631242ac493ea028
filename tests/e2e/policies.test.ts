import { afterAll, beforeAll, describe, expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BinaryResult, buildBinary, runBinary } from "../support/binary.ts";
import { onBothRegistries, type TestRegistry } from "../support/registries.ts";
import { requires } from "../support/requires.ts";
import { pushImage } from "../support/uploads.ts";

const BUILD_TIMEOUT_MS = 1_800_000;
const TEST_TIMEOUT_MS = 180_000;
const test = requires("go");
const folder = mkdtempSync(join(tmpdir(), "policies-"));

const POLICIES: Readonly<Record<string, string>> = {
  "works.cue": `import "time"
    before: time.Parse(time.RFC3339, "2049-10-09T17:10:27Z")
    predicateType: "https://cosign.sigstore.dev/attestation/v1"
    predicate: {Data: =~"passed", Timestamp: <before}`,
  "fails.cue": `predicateType: "https://cosignnotreally.sigstore.dev/attestation/v1"`,
  "works.rego": `package signature
    allow { json.unmarshal(input.predicate.Data).tests == "passed" }`,
  "fails.rego": "package signature\ndefault allow = false",
  "endless.rego": `package signature
    allow { numbers.range(1, 30000)[i]; numbers.range(1, 30000)[j]; i * j == -1 }`,
};

beforeAll(async () => {
  await buildBinary();
  for (const [name, text] of Object.entries(POLICIES)) writeFileSync(join(folder, name), text);
  writeFileSync(join(folder, "predicate.json"), '{"tests":"passed"}');
  await run(["generate-key-pair"]);
}, BUILD_TIMEOUT_MS);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

onBothRegistries((_name, start) => {
  let registry: TestRegistry;
  let server: Server;
  let connections = 0;
  let image = "";
  const verify = (policies: readonly string[], ...flags: readonly string[]) =>
    run([
      "verify-attestation",
      "--key=cosign.pub",
      "--insecure-ignore-tlog",
      ...flags,
      ...policies.map((policy) => `--policy=${policy}`),
      image,
    ]);

  beforeAll(async () => {
    registry = await start();
    image = `${registry.host}/app@${await pushImage(registry.host, "app", "v1", "an app")}`;
    const { code, stderr } = await run([
      "attest",
      "--key=cosign.key",
      "--tlog-upload=false",
      "--yes",
      "--predicate=predicate.json",
      image,
    ]);
    if (code !== 0) throw new Error(stderr);
    server = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  }, TEST_TIMEOUT_MS);
  afterAll(async () => {
    server.close();
    await registry.close();
  });

  describe("verify-attestation --policy of the binary", () => {
    test(
      "prints the attestation that satisfies a CUE and a Rego policy",
      async () => {
        const { code, stdout, stderr } = await verify(["works.cue", "works.rego"]);
        expect([code, stderr]).toEqual([0, expect.stringContaining("Verification for")]);
        expect(stderr).toContain("will be validating against CUE policies: [works.cue]");
        expect(stderr).toContain("will be validating against Rego policies: [works.rego]");
        expect(JSON.parse(stdout).payloadType).toBe("application/vnd.in-toto+json");
      },
      TEST_TIMEOUT_MS,
    );

    test(
      "says in cosign's words why an attestation does not satisfy a policy",
      async () => {
        const cue = await verify(["fails.cue", "works.rego"]);
        expect([cue.code, cue.stdout]).toEqual([12, ""]);
        expect(cue.stderr).toContain(
          "There are 1 number of errors occurred during the validation:\n",
        );
        expect(cue.stderr).toContain("- predicateType: conflicting values ");
        expect(cue.stderr).toContain("1 validation errors occurred");
        const rego = await verify(["works.cue", "fails.rego"], "--compat=3");
        expect([rego.code, rego.stdout]).toEqual([1, ""]);
        expect(rego.stderr).toContain("- expression value, false, is not true");
      },
      TEST_TIMEOUT_MS,
    );

    test(
      "lets no policy reach a port that listens",
      async () => {
        const address = server.address();
        const port = typeof address === "object" ? address?.port : undefined;
        const text = `package signature
          allow { http.send({"method": "get", "url": "http://127.0.0.1:${port}/"}).status_code > 0 }`;
        writeFileSync(join(folder, "sends.rego"), text);
        const { code, stdout, stderr } = await verify(["sends.rego"]);
        expect([code, stdout, connections]).toEqual([12, "", 0]);
        expect(stderr).toContain("undefined function http.send");
      },
      TEST_TIMEOUT_MS,
    );

    test(
      "ends a policy that does not end: no answer, 20",
      async () => {
        const { code, stdout, stderr } = await verify(["endless.rego"], "--timeout=5s");
        expect([code, stdout]).toEqual([20, ""]);
        expect(stderr).toContain("code: LIMIT_EXCEEDED");
      },
      TEST_TIMEOUT_MS,
    );

    test("takes no other kind of policy: 2", async () => {
      const { code, stderr } = await verify(["predicate.json"]);
      expect(code).toBe(2);
      expect(stderr).toContain("invalid policy format, expected .cue or .rego");
    });
  });
});

function run(argv: readonly string[]): Promise<BinaryResult> {
  const env = { COSIGN_PASSWORD: "secret" };
  return runBinary(argv, { cwd: folder, env, timeoutMs: TEST_TIMEOUT_MS });
}
