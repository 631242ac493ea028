import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reportLineProblem } from "../../engine/batch/report/schema.ts";
import { expectCode, makeKey, PASSWORD, readVerdicts, writeManifest } from "../support/batch.ts";
import {
  type BinaryResult,
  buildBinary,
  runBinary,
  scrubbedEnvironment,
  startBinary,
} from "../support/binary.ts";
import { startEmbeddedRegistry } from "../support/embedded_registry.ts";
import type { TestRegistry } from "../support/registries.ts";
import { requires } from "../support/requires.ts";
import { countSignatures } from "../support/signatures.ts";
import { startTap, type Tap } from "../support/tap.ts";
import { pushImage, pushImages } from "../support/uploads.ts";
import { parseXml } from "../support/xml.ts";

const LIMIT_MS = 60_000;
const NO_LOG = "--insecure-ignore-tlog";

const folder = mkdtempSync(join(tmpdir(), "batch-"));
const env = { COSIGN_PASSWORD: PASSWORD };
let registry: TestRegistry;
let tap: Tap;
let images: readonly string[] = [];

beforeAll(async () => {
  await buildBinary();
  await makeKey(folder, "cosign");
  await makeKey(folder, "other");
  registry = await startEmbeddedRegistry();
  tap = startTap(registry.host);
  images = await pushImages(tap.host, "batch/signed", 30);
  expectCode(await batch("sign", manifest("signed.json", images)), 0);
}, LIMIT_MS);

afterAll(async () => {
  await tap.close();
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

function manifest(name: string, targets: readonly unknown[], defaults: object = {}): string {
  const all = { key: "cosign.key", policy: "release", ...defaults };
  return writeManifest(folder, name, all, targets as readonly string[]); // objects are targets too
}

async function batch(op: "sign" | "verify", ...argv: readonly string[]): Promise<BinaryResult> {
  tap.onRequest((request) => request.forward());
  return await runBinary(["batch", op, ...argv], { cwd: folder, env, timeoutMs: LIMIT_MS });
}

test(
  "batch verify writes reports that are as their schemas say",
  async () => {
    const [first = ""] = images;
    const targets = [first, `${tap.host}/batch/signed:none`, first];
    const files = ["--report", join(folder, "v.jsonl"), "--report", join(folder, "v.xml")];
    const result = await batch("verify", manifest("report.json", targets), ...files);
    expectCode(result, 12);
    const lines = readFileSync(join(folder, "v.jsonl"), "utf8").trimEnd().split("\n");
    for (const line of lines) expect(reportLineProblem(JSON.parse(line))).toBeUndefined();
    expect(readVerdicts(join(folder, "v.jsonl")).map(({ outcome }) => outcome)).toEqual([
      "passed",
      "failed",
      "passed",
    ]);
    const suite = parseXml(readFileSync(join(folder, "v.xml"), "utf8")).children[0];
    expect(suite?.attributes).toMatchObject({ tests: "3", failures: "1", errors: "0" });
    expect(result.stderr).toContain("IMAGE_NOT_FOUND");
    expect(result.stderr).toContain("3 targets: 2 verified, 1 failed, 0 errors");
  },
  LIMIT_MS,
);

test(
  "batch verify takes a list from standard input and a report to standard output",
  async () => {
    const stdin = `# the list\n\n${images.slice(0, 5).join("\n")}\nNOT A REFERENCE\n`;
    const argv = ["batch", "verify", "--key", "cosign.pub", NO_LOG, "--report", "-", "-"];
    const result = await runBinary(argv, { cwd: folder, stdin });
    expectCode(result, 20);
    const lines = result.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ outcome }) => outcome)).toEqual([
      undefined,
      ...Array(5).fill("passed"),
      "error",
      undefined,
    ]);
    expect(lines[6]).toMatchObject({
      target: "NOT A REFERENCE",
      reason: { code: "REFERENCE_INVALID" },
    });
    expect(lines[7]).toMatchObject({ type: "summary", passed: 5, error: 1, complete: true });
  },
  LIMIT_MS,
);

test(
  "batch verify --key overrides the policy of the defaults",
  async () => {
    const path = manifest("key.json", images.slice(0, 3));
    expectCode(await batch("verify", path, "--key", "other.pub"), 12);
    expectCode(await batch("verify", path, "--key", "other.pub", "--key", "cosign.pub"), 0);
  },
  LIMIT_MS,
);

test(
  "batch sign by tags signs a digest once, and gives each target its verdict",
  async () => {
    for (const tag of ["v1", "v2", "v3"]) await pushImage(tap.host, "batch/tags", tag, "the same");
    const digest = await pushImage(tap.host, "batch/tags", "v4", "the same");
    const path = manifest("tags.json", [{ repository: `${tap.host}/batch/tags` }]);
    const report = join(folder, "tags.jsonl");
    expectCode(await batch("sign", path, "--report", report), 0);
    expect(readVerdicts(report).map(({ outcome }) => outcome)).toEqual(Array(4).fill("passed"));
    const count = await countSignatures(
      registry.host,
      `${tap.host}/batch/tags@${digest}`,
      "bundle",
    );
    expect(count).toBe(1);
    expectCode(await batch("verify", path), 0);
  },
  LIMIT_MS,
);

test(
  "a repository that cannot be listed is an error, never absent",
  async () => {
    const report = join(folder, "listing.jsonl");
    const path = manifest("listing.json", [
      { repository: `${tap.host}/batch/none` },
      ...images.slice(0, 2),
    ]);
    expectCode(await batch("verify", path, "--report", report), 20);
    expect(readVerdicts(report)[0]).toMatchObject({
      target: `${tap.host}/batch/none`,
      outcome: "error",
      reason: { code: "IMAGE_NOT_FOUND" },
    });
  },
  LIMIT_MS,
);

test(
  "--dry-run names every target and sends nothing but listings",
  async () => {
    const path = manifest("dry.json", [
      ...images.slice(0, 3),
      { repository: `${tap.host}/batch/tags` },
    ]);
    const methods: string[] = [];
    tap.onRequest((request) => {
      methods.push(`${request.method} ${request.path.replace(/\?.*/, "")}`);
      return request.forward();
    });
    const argv = ["batch", "sign", path, "--dry-run"];
    const result = await runBinary(argv, { cwd: folder, env: {} }); // no password is asked for
    expectCode(result, 0);
    expect(result.stdout.trimEnd().split("\n")).toHaveLength(7);
    expect(result.stdout).toContain(`sign ${images[0]} (${join(folder, "cosign.key")}, bundle)`);
    expect(new Set(methods)).toEqual(new Set(["GET /v2/batch/tags/tags/list"]));
  },
  LIMIT_MS,
);

test(
  "--fail-fast starts no further target, and the run can be resumed",
  async () => {
    const targets = [`${tap.host}/batch/signed:none`, ...images];
    const path = manifest("fast.json", targets);
    const argv = [path, "--ledger", join(folder, "fast.sqlite")];
    const report = join(folder, "fast.jsonl");
    const few = ["--workers", "1", "--concurrency", "1"];
    const first = await batch("verify", ...argv, "--fail-fast", ...few, "--report", report);
    expectCode(first, 12);
    expect(readVerdicts(report).length).toBeLessThan(targets.length);
    expect(first.stderr).toContain("--resume");
    const second = await batch("verify", ...argv, "--resume", "--report", report);
    expectCode(second, 12);
    expect(readVerdicts(report).map(({ target }) => target)).toEqual(targets);
  },
  LIMIT_MS,
);

test(
  "Ctrl-C finishes what is in flight, and --resume does the rest",
  async () => {
    const path = manifest("interrupt.json", images, { format: "legacy" });
    const ledger = join(folder, "interrupt.sqlite");
    const argv = [
      "batch",
      "sign",
      path,
      "--ledger",
      ledger,
      "--workers",
      "1",
      "--concurrency",
      "2",
    ];
    const gate = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    tap.onRequest(async (request) => {
      if (request.n > 20) {
        reached.resolve();
        await gate.promise;
      }
      return await request.forward();
    });
    const home = join(folder, "home");
    mkdirSync(home, { recursive: true });
    const child = await startBinary(argv, { cwd: folder, env }, home);
    await reached.promise;
    child.kill("SIGINT");
    let said = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) {
      said += decoder.decode(chunk, { stream: true });
      if (said.includes("Interrupted")) gate.resolve();
    }
    expect(await child.exited).toBe(20);
    expect(said).toContain("CANCELLED");
    expect(said).toContain(`cosign-ts batch sign ${path} --ledger ${ledger} --resume`);
    expect(said).not.toContain("error  ");

    const report = join(folder, "interrupt.jsonl");
    expectCode(await batch("sign", path, "--ledger", ledger, "--resume", "--report", report), 0);
    expect(readVerdicts(report).map(({ target }) => target)).toEqual([...images]);
    const counts = await Promise.all(
      images.map((image) => countSignatures(registry.host, image, "legacy")),
    );
    expect(counts).toEqual(images.map(() => 1));
  },
  LIMIT_MS,
);

test(
  "a second Ctrl-C ends at once",
  async () => {
    const path = manifest("twice.json", images);
    const reached = Promise.withResolvers<void>();
    tap.onRequest(() => {
      reached.resolve();
      return new Promise(() => {});
    });
    const home = join(folder, "home");
    mkdirSync(home, { recursive: true });
    const argv = ["batch", "verify", path, "--ledger", join(folder, "twice.sqlite")];
    const child = await startBinary(argv, { cwd: folder, env }, home);
    await reached.promise;
    child.kill("SIGINT");
    let said = "";
    for await (const chunk of child.stderr) {
      said += new TextDecoder().decode(chunk);
      if (said.includes("Interrupted")) child.kill("SIGINT");
    }
    await child.exited;
    expect(child.signalCode).toBe("SIGINT");
  },
  LIMIT_MS,
);

test(
  "Ctrl-C ends a run that waits for standard input",
  async () => {
    const [image = ""] = images;
    const reached = Promise.withResolvers<void>();
    tap.onRequest((request) => {
      reached.resolve();
      return request.forward();
    });
    const home = join(folder, "home");
    mkdirSync(home, { recursive: true });
    const argv = ["batch", "verify", "--key", "cosign.pub", NO_LOG, "-"];
    const child = await startBinary(argv, { cwd: folder, env }, home);
    child.stdin.write(`${image}\n`); // and it stays open
    await child.stdin.flush();
    await reached.promise;
    child.kill("SIGINT");
    const said = await new Response(child.stderr).text();
    expect(await child.exited).toBe(20);
    expect(said).toContain("1 target: 1 verified, 0 failed, 0 errors");
  },
  LIMIT_MS,
);

test(
  "--deadline ends the run in time, with its code, and it can be resumed",
  async () => {
    const path = manifest("deadline.json", images);
    const report = join(folder, "deadline.jsonl");
    const argv = [
      "batch",
      "verify",
      path,
      "--ledger",
      join(folder, "deadline.sqlite"),
      "--report",
      report,
    ];
    tap.onRequest((request) => (request.n > 10 ? new Promise(() => {}) : request.forward()));
    const few = ["--workers", "1", "--concurrency", "2"];
    const result = await runBinary([...argv, ...few, "--deadline", "700ms"], { cwd: folder, env });
    expectCode(result, 20);
    expect(result.stderr).toContain("DEADLINE_EXCEEDED");
    const errors = readVerdicts(report).filter(({ outcome }) => outcome === "error");
    for (const { reason } of errors) expect(reason?.code).toBe("DEADLINE_EXCEEDED");
    expectCode(await batch("verify", ...argv.slice(2), "--resume"), 0);
    expect(readVerdicts(report).map(({ outcome }) => outcome)).toEqual(images.map(() => "passed"));
  },
  LIMIT_MS,
);

test(
  "--timeout ends one target, not the run",
  async () => {
    const path = manifest("timeout.json", images.slice(0, 3));
    const report = join(folder, "timeout.jsonl");
    const hung = images[1]?.split("@sha256:")[1] ?? "no digest";
    tap.onRequest((request) =>
      request.path.includes(hung) ? new Promise(() => {}) : request.forward(),
    );
    // One after another: the first learns for all whether the registry has the referrers API.
    const few = ["--workers", "1", "--concurrency", "1"];
    const argv = ["batch", "verify", path, "--timeout", "1s", "--report", report, ...few];
    expectCode(await runBinary(argv, { cwd: folder, env }), 20);
    expect(readVerdicts(report).map(({ outcome, reason }) => reason?.code ?? outcome)).toEqual([
      "passed",
      "DEADLINE_EXCEEDED",
      "passed",
    ]);
  },
  LIMIT_MS,
);

test(
  "two runs on one ledger: the second is refused",
  async () => {
    const path = manifest("locked.json", images.slice(0, 3));
    const argv = [path, "--ledger", join(folder, "locked.sqlite")];
    const reached = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    tap.onRequest(async (request) => {
      reached.resolve();
      await gate.promise;
      return await request.forward();
    });
    const first = runBinary(["batch", "verify", ...argv], { cwd: folder, env });
    await reached.promise;
    const second = await runBinary(["batch", "verify", ...argv], { cwd: folder, env });
    expect(second.code).toBe(1);
    expect(second.stderr).toContain("code: LEDGER_LOCKED");
    expect(second.stderr).toContain("hint: ");
    gate.resolve();
    expectCode(await first, 0);
  },
  LIMIT_MS,
);

test(
  "bad input is told by its code and ends with something else than 0",
  async () => {
    const [image = ""] = images;
    const good = manifest("good.json", [image]);
    const foreign = join(folder, "foreign.txt");
    writeFileSync(foreign, "This is not a ledger. ".repeat(100));
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return name;
    };
    const cases: readonly (readonly [string, number, readonly string[]])[] = [
      ["FILE_READ", 1, ["sign", "no-such-file.yaml"]],
      ["BATCH_MANIFEST_INVALID", 2, ["sign", file("m.yaml", "version: 1\ntargets: 5\n")]],
      ["KEY_NOT_FOUND", 1, ["sign", good, "--key", "no.key"]],
      ["KEY_PASSWORD", 1, ["sign", good]],
      ["LEDGER_FOREIGN", 1, ["verify", good, "--ledger", foreign]],
      ["LEDGER_UNREADABLE", 1, ["verify", good, "--ledger", "no/such/dir/l.sqlite"]],
      ["FILE_WRITE", 1, ["verify", good, "--report", "no/such/dir/r.xml"]],
      ["USAGE", 2, ["verify", good, "--report", "r.csv"]],
      ["USAGE", 2, ["verify", good, "--workers", "0"]],
      ["USAGE", 2, ["verify", "-", NO_LOG]],
      ["USAGE", 2, ["verify", "-", NO_LOG, "--key", "cosign.pub", "--resume"]],
    ];
    for (const [code, exit, argv] of cases) {
      const options = { cwd: folder, env: { COSIGN_PASSWORD: "wrong" } };
      const result = await runBinary(["batch", ...argv], options);
      expect(`${argv.join(" ")}: ${/^code: (.*)$/m.exec(result.stderr)?.[1]} ${result.code}`).toBe(
        `${argv.join(" ")}: ${code} ${exit}`,
      );
    }
  },
  LIMIT_MS,
);

test(
  "a manifest that has changed is named when a run is resumed",
  async () => {
    const ledger = ["--ledger", join(folder, "changed.sqlite")];
    expectCode(await batch("verify", manifest("changed.json", images.slice(0, 3)), ...ledger), 0);
    const path = manifest("changed.json", images.slice(1, 4));
    const report = join(folder, "changed.jsonl");
    const result = await batch("verify", path, ...ledger, "--resume", "--report", report);
    expectCode(result, 0);
    expect(result.stderr).toContain("has changed");
    expect(result.stderr).toContain("1 targets of before are no longer in the manifest");
    expect(readVerdicts(report).map(({ target }) => target)).toEqual(images.slice(1, 4));
  },
  LIMIT_MS,
);

requires("bash")(
  "a full disk under the ledger ends the run, and it can be resumed",
  async () => {
    const path = manifest("full.json", Array(10).fill(images).flat());
    const ledger = join(folder, "full.sqlite");
    const report = join(folder, "full.jsonl");
    const argv = ["batch", "verify", path, "--ledger", ledger];
    tap.onRequest((request) => request.forward());
    const home = join(folder, "home");
    mkdirSync(home, { recursive: true });
    const limited = Bun.spawn(
      ["bash", "-c", `ulimit -f 200; trap '' XFSZ; exec "$0" "$@"`, await buildBinary(), ...argv],
      { cwd: folder, env: scrubbedEnvironment(home), stderr: "pipe" },
    );
    const said = await new Response(limited.stderr).text();
    expect(await limited.exited).toBe(1);
    expect(said).toContain("code: LEDGER_FULL");
    expect(said).toContain("--resume");
    expectCode(await batch("verify", ...argv.slice(2), "--resume", "--report", report), 0);
    expect(readVerdicts(report).map(({ outcome }) => outcome)).toEqual(Array(300).fill("passed"));
  },
  LIMIT_MS,
);
