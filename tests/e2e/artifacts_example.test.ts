import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { PASSWORD } from "../support/batch.ts";
import { buildBinary, scrubbedEnvironment } from "../support/binary.ts";
import { startEmbeddedRegistry } from "../support/embedded_registry.ts";
import type { TestRegistry } from "../support/registries.ts";
import { digestOf, putBlob, putManifest } from "../support/uploads.ts";

/*
 * Follows examples/artifacts/README.md word for word, with the compiled binary: each block of `sh` is run in a copy of
 * the folder. What Helm and ORAS do there is pushed here as they push it.
 */

setDefaultTimeout(600_000); // a build, and two dozen stretched passwords on a busy machine
const example = join(dirname(dirname(import.meta.dir)), "examples/artifacts");
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const bytes = (text: string) => new TextEncoder().encode(text);

let registry: TestRegistry;
let dir: string;
let folder: string;

beforeAll(async () => {
  registry = await startEmbeddedRegistry();
  dir = mkdtempSync(join(tmpdir(), "artifacts-example-"));
  folder = join(dir, "artifacts");
  cpSync(example, folder, { recursive: true });
  const manifest = readFileSync(join(folder, "artifacts.yaml"), "utf8");
  writeFileSync(join(folder, "artifacts.yaml"), here(manifest));
  mkdirSync(join(dir, "bin"));
  symlinkSync(await buildBinary(), join(dir, "bin", "cosign-ts"));
});
afterAll(async () => {
  await registry.close();
  rmSync(dir, { recursive: true });
});

function here(text: string): string {
  return text.replaceAll("registry.example", registry.host);
}

async function run(script: string): Promise<string> {
  const environment = scrubbedEnvironment(dir);
  const child = Bun.spawn(["sh", "-eu", "-c", here(script)], {
    cwd: folder,
    env: {
      ...environment,
      PATH: `${join(dir, "bin")}:${environment["PATH"]}`,
      COSIGN_PASSWORD: PASSWORD,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${script}\nends with ${code}\n${stdout}${stderr}`);
  return stdout;
}

interface Part {
  readonly mediaType: string;
  readonly content: Uint8Array;
}

async function push(repository: string, tag: string, config: Part, layer: Part, more: object) {
  const base = `http://${registry.host}/v2/${repository}`;
  const [described, ...layers] = await Promise.all(
    [config, layer].map(async ({ mediaType, content }) => {
      await putBlob(base, digestOf(content), content);
      return { mediaType, digest: digestOf(content), size: content.length };
    }),
  );
  const manifest = { schemaVersion: 2, mediaType: MANIFEST, config: described, layers, ...more };
  await putManifest(base, tag, MANIFEST, bytes(JSON.stringify(manifest)));
}

/** As `helm package` and `helm push` write it (Helm 3.8 and later). */
async function pushChart(): Promise<void> {
  const packed = Bun.spawnSync(["tar", "-cz", "-C", join(folder, "chart"), "web"]);
  expect(packed.exitCode).toBe(0);
  const chart = {
    name: "web",
    version: "1.4.2",
    description: "A web server",
    apiVersion: "v2",
    appVersion: "2.0",
    type: "application",
  };
  const mediaType = "application/vnd.cncf.helm.config.v1+json";
  const config = { mediaType, content: bytes(JSON.stringify(chart)) };
  const content = {
    mediaType: "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
    content: new Uint8Array(packed.stdout),
  };
  await push("charts/web", "1.4.2", config, content, {});
}

/** As `oras push --artifact-type` writes it (OCI image-spec 1.1, "Guidelines for Artifact Usage"). */
async function pushReport(): Promise<void> {
  const config = { mediaType: "application/vnd.oci.empty.v1+json", content: bytes("{}") };
  const content = new Uint8Array(readFileSync(join(folder, "audit.json")));
  await push(
    "reports/audit",
    "1",
    config,
    { mediaType: "application/json", content },
    {
      artifactType: "application/vnd.acme.audit",
    },
  );
}

/** Outcome, kind and facts of each target of a report. */
function reported(name: string): readonly unknown[] {
  const lines = readFileSync(join(folder, name), "utf8").trim().split("\n");
  return lines
    .map((line) => JSON.parse(line))
    .filter(({ type }) => type === "verdict")
    .map(({ target, outcome, subjects }) => [
      target.replace(/^[^/]+\//, ""),
      outcome,
      subjects[0].artifact,
    ])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

const KNOWN = [
  [
    "charts/web:1.4.2",
    {
      kind: "helm",
      facts: {
        name: "web",
        version: "1.4.2",
        appVersion: "2.0",
        type: "application",
        hasProvenance: "false",
      },
    },
  ],
  [
    "ci/tasks:1",
    { kind: "tekton", facts: { resources: ["task/build v1", "pipeline/release v1"] } },
  ],
  [
    "layouts/release:1",
    {
      kind: "in-toto",
      facts: { type: "layout", steps: ["build"], expires: "2036-01-01T00:00:00Z" },
    },
  ],
  [
    "reports/audit:1",
    {
      kind: "artifact",
      facts: { type: "application/vnd.acme.audit", layers: ["application/json"] },
    },
  ],
  ["wasm/hello:1", { kind: "wasm", facts: { form: "cosign", sizeBytes: "8" } }],
] as const;

test("examples/artifacts/README.md works as it stands there", async () => {
  const readme = readFileSync(join(example, "README.md"), "utf8");
  const blocks = [...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)];
  expect(blocks.map(([, language]) => language)).toEqual([
    "sh",
    "console",
    "sh",
    "sh",
    "sh",
    "sh",
    "sh",
  ]);
  const printed: string[] = [];
  for (const [, language, text = ""] of blocks) {
    if (language === "sh") printed.push(await run(text));
    else await Promise.all([pushChart(), pushReport()]);
  }
  expect(printed[1]).toContain("tekton: resources task/build v1, pipeline/release v1\n");
  const passed = KNOWN.map(([name, artifact]) => [name, "passed", artifact]);
  expect(reported("signed.jsonl")).toEqual(passed);
  expect(reported("verified.jsonl")).toEqual(passed);
  expect(reported("prod.jsonl")).toEqual(
    KNOWN.map(([name, artifact]) => [`prod/${name}`, "passed", artifact]),
  );

  // A chart that says it is another one is refused by the same policy, signature or not.
  const wrong = { mediaType: "application/vnd.cncf.helm.config.v1+json", content: bytes("{}") };
  const content = { mediaType: "application/octet-stream", content: bytes("none") };
  await push("charts/web", "1.4.2", wrong, content, {});
  await expect(run("cosign-ts batch verify --report wrong.jsonl artifacts.yaml")).rejects.toThrow(
    "ARTIFACT_MISMATCH",
  );
});
