import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildBinary, runBinary } from "../support/binary.ts";
import { pushVectorRepository } from "../support/push_layout.ts";
import { onBothRegistries, type TestRegistry } from "../support/registries.ts";
import { inParallel, putBlob, putManifest } from "../support/uploads.ts";
import {
  type CommandRecord,
  listVectors,
  readCommands,
  readVector,
  readVectorText,
  unpackVectors,
} from "../support/vectors.ts";

/** What a verification comes to, whatever number stands for it. */
type Answer = "verified" | "no match";

/** Whose numbers are expected: our own, or those of the generation that wrote the record. */
type Numbers = "own" | "compat";

/** Where we answer otherwise than the cosign of the record, and why. */
interface Rule {
  readonly name: string;
  readonly reason: string;
  applies(record: CommandRecord): boolean;
  readonly answer: Answer;
}

interface Statement {
  readonly predicateType: string;
  readonly subject: unknown;
  readonly predicate: unknown;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const LIMIT_MS = 300_000;
const OLD_REGISTRY = /127\.0\.0\.1:570[12]/g;
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const OWN_CODES: Readonly<Record<Answer, number>> = { verified: 0, "no match": 12 };

const commands = readCommands();
const verifications = commands.filter(({ argv }) => argv[0] === "verify-attestation");
const attestations = commands.filter(({ argv }) => argv[0] === "attest");
const blobs = commands.filter(({ argv }) =>
  /^(verify-)?(attest-blob|blob-attestation)/.test(argv[0] ?? ""),
);
const repositories = [...new Set(verifications.map(repositoryOf))];

const RULES: readonly Rule[] = [
  {
    name: "both spellings",
    reason:
      "1.x wrote the types custom and vuln without https://, and neither generation finds the other's",
    applies: (record) => /^(custom|vuln)$/.test(typeOf(record)) && record.exit !== 0,
    answer: "verified",
  },
];

const folder = mkdtempSync(join(tmpdir(), "replay-attestations-"));

beforeAll(async () => {
  unpackVectors("files/", folder);
  await buildBinary();
}, LIMIT_MS);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the records are those that were counted, and every rule takes some", () => {
  expect([verifications.length, attestations.length, blobs.length]).toEqual([180, 64, 16]);
  const taken = verifications.filter((record) => RULES.some((rule) => rule.applies(record)));
  process.stdout.write(`replay: both spellings: ${taken.length} records\n`);
  expect(taken.length).toBe(10);
  const others = verifications.filter(
    (record) => record.exit !== 0 && !RULES.some((rule) => rule.applies(record)),
  );
  expect(others.every(({ note }) => note === "no such type")).toBe(true);
});

onBothRegistries((_name, start) => {
  let registry: TestRegistry;

  beforeAll(async () => {
    registry = await start();
    for (const name of repositories) await pushVectorRepository(registry.host, name);
  }, LIMIT_MS);

  afterAll(() => registry.close());

  for (const numbers of ["own", "compat"] as const) {
    const label = numbers === "own" ? "our exit codes" : "the exit codes of an explicit --compat";
    test(
      `verify-attestation answers every record rightly, with ${label}`,
      async () => {
        const wrong: string[] = [];
        await inParallel(verifications, async (record) => {
          const problem = await replayVerification(record, registry, numbers);
          if (problem !== undefined) wrong.push(problem);
        });
        expect(wrong).toEqual([]);
      },
      LIMIT_MS,
    );
  }

  test(
    "attest makes of every record the statement that its cosign made, where that cosign put it",
    async () => {
      const wrong: string[] = [];
      await inParallel(attestations, async (record) => {
        const problem = await replayAttestation(record, registry);
        if (problem !== undefined) wrong.push(problem);
      });
      expect(wrong).toEqual([]);
    },
    LIMIT_MS,
  );
});

test(
  "attest-blob writes the same parts as the cosign of each record, and verify-blob-attestation takes both",
  async () => {
    for (const record of blobs.filter(({ argv }) => argv[0] === "verify-blob-attestation")) {
      const result = await run(compatible(record), record);
      expect([record.id, result.code]).toEqual([record.id, record.exit]);
      expect(result.stderr).toEndWith("Verified OK\n");
    }
    for (const record of blobs.filter(({ argv }) => argv[0] === "attest-blob")) {
      const argv = record.argv.map((text) =>
        /^attest-blob\.v.*\.(json|sig)$/.test(text) ? `our-${text}` : text,
      );
      const result = await run(compatible({ ...record, argv }), record);
      expect([record.id, result.code, result.stderr]).toEqual([record.id, 0, expect.any(String)]);
      for (const path of argv.filter((text) => text.startsWith("our-attest-blob"))) {
        const ours: unknown = JSON.parse(readFileSync(join(folder, path), "utf8"));
        const theirs: unknown = JSON.parse(readVectorText(`files/${path.slice("our-".length)}`));
        expect([path, comparable(ours)]).toEqual([path, comparable(theirs)]);
      }
      const verified = blobs.find(
        ({ argv: words, cosign }) =>
          words[0] === "verify-blob-attestation" &&
          cosign === record.cosign &&
          words.includes(record.argv[record.argv.indexOf("--bundle") + 1] ?? ""),
      );
      const check = (verified?.argv ?? []).map((text) =>
        text.startsWith("attest-blob.") ? `our-${text}` : text,
      );
      expect((await run(check, record)).code).toBe(0);
    }
  },
  LIMIT_MS,
);

/** Runs one verification; answers what is wrong, if anything is. */
async function replayVerification(
  record: CommandRecord,
  registry: TestRegistry,
  numbers: Numbers,
): Promise<string | undefined> {
  const argv = argvOf(record, numbers).map((text) => text.replaceAll(OLD_REGISTRY, registry.host));
  const result = await run(argv, record);
  const rule = RULES.find((candidate) => candidate.applies(record));
  const answer = rule?.answer ?? (record.exit === 0 ? "verified" : "no match");
  const expected =
    answer === "verified" || numbers === "own" ? OWN_CODES[answer] : Math.min(record.exit, 1);
  const told = `${record.id} (${record.cosign}) ${argv.join(" ")}`;
  if (result.code !== expected) {
    return `${told}: exit code ${result.code}, expected ${expected} (${answer})\n${result.stderr}`;
  }
  if (answer !== "verified") {
    if (result.stdout !== "") return `${told}: prints "${result.stdout}" although it failed`;
    const said = /none of the attestations matched the predicate type: \S+, found: /;
    return said.test(result.stderr) ? undefined : `${told}: says ${result.stderr}`;
  }
  const wanted = linesOf(record.stdout);
  const got = linesOf(result.stdout);
  // What was attested after the record was made lies there as well: SPDX as text and as JSON.
  const more = got.length - wanted.length;
  const isMore = rule === undefined && typeOf(record).startsWith("spdx") ? more <= 1 : more === 0;
  const hasAll = wanted.every((line) => got.includes(line));
  if (rule !== undefined ? got.length === 1 : hasAll && isMore) return undefined;
  return `${told}: prints\n${got.join("\n")}\nexpected\n${wanted.join("\n")}`;
}

/** Attests the subject of a record in a fresh repository; answers what is wrong, if anything is. */
async function replayAttestation(
  record: CommandRecord,
  registry: TestRegistry,
): Promise<string | undefined> {
  const repository = `attest/r${record.id}`;
  const digest = await pushSubject(record, registry, repository);
  const image = `${registry.host}/${repository}@${digest}`;
  const argv = [...compatible(record).slice(0, -1), image];
  const told = `${record.id} (${record.cosign}) ${argv.join(" ")}`;
  const result = await run(argv, record);
  if (result.code !== 0 || result.stdout !== "") {
    return `${told}: exit code ${result.code}\n${result.stdout}${result.stderr}`;
  }
  const isBundle = repositoryOf(record).startsWith("bundle-");
  const placed = await readPlaced(registry, repository, digest, isBundle);
  const expected = readVectorStatements(repositoryOf(record)).filter(
    ({ predicateType }) => predicateType === placed?.statement.predicateType,
  );
  const ours = JSON.stringify(comparable(placed?.statement));
  if (!expected.some((theirs) => JSON.stringify(comparable(theirs)) === ours)) {
    return `${told}: attests ${ours}, expected ${JSON.stringify(expected)}`;
  }
  const generation = record.cosign.slice(0, 1);
  const annotated = isBundle ? "dev.sigstore.bundle.predicateType" : "predicateType";
  const says = placed?.annotations[annotated];
  if (says !== (generation === "1" ? undefined : placed?.statement.predicateType)) {
    return `${told}: is annotated with "${says}"`;
  }
  const key = (record.argv[record.argv.indexOf("--key") + 1] ?? "").replace(".key", ".pub");
  const type = typeOf(record);
  const check = ["verify-attestation", "--key", key, "--insecure-ignore-tlog", "--type", type];
  const verified = await run([...check, image], record);
  return verified.code === 0 ? undefined : `${told}: is not verified: ${verified.stderr}`;
}

/** The one attestation beside an image, asked by plain HTTP. */
async function readPlaced(
  { host }: TestRegistry,
  repository: string,
  digest: string,
  isBundle: boolean,
) {
  const base = `http://${host}/v2/${repository}`;
  const tag = digest.replace(":", "-");
  if (!isBundle) {
    const manifest = await getJson(`${base}/manifests/${tag}.att`);
    const layers = manifest["layers"] as readonly Descriptor[];
    const [layer] = layers;
    if (layer === undefined || layers.length !== 1) return undefined;
    const envelope = await getJson(`${base}/blobs/${layer.digest}`);
    return { statement: statementIn(envelope), annotations: layer.annotations ?? {} };
  }
  const referrers =
    (await getJson(`${base}/referrers/${digest}`))["manifests"] ??
    (await getJson(`${base}/manifests/${tag}`))["manifests"];
  const [referrer] = referrers as readonly Descriptor[];
  if (referrer === undefined) return undefined;
  const manifest = await getJson(`${base}/manifests/${referrer.digest}`);
  const [layer] = manifest["layers"] as readonly Descriptor[];
  const bundle = await getJson(`${base}/blobs/${layer?.digest}`);
  return {
    statement: statementIn(bundle["dsseEnvelope"]),
    annotations: manifest["annotations"] as Readonly<Record<string, string>>,
  };
}

async function getJson(url: string): Promise<Record<string, unknown>> {
  const accept = `${MANIFEST}, application/vnd.oci.image.index.v1+json`;
  const response = await fetch(url, { headers: { accept } });
  if (response.status === 404) return {};
  if (!response.ok) throw new Error(`GET ${url}: ${response.status}`);
  return JSON.parse(await response.text());
}

/** Every statement in a packed repository: in layers of `.att` tags, and in bundles. */
function readVectorStatements(name: string): readonly Statement[] {
  return listVectors(`repos/${name}/blobs/`).flatMap((path) => {
    const text = new TextDecoder().decode(readVector(path));
    if (!text.includes('"payloadType"')) return [];
    const json = JSON.parse(text);
    return [statementIn(json.dsseEnvelope ?? json)];
  });
}

function statementIn(envelope: unknown): Statement {
  const { payload } = envelope as { readonly payload: string };
  return JSON.parse(Buffer.from(payload, "base64").toString("utf8"));
}

/** Pushes nothing but the subject of a record; answers its digest. */
async function pushSubject(
  record: CommandRecord,
  { host }: TestRegistry,
  repository: string,
): Promise<string> {
  const digest = /@(sha256:\w+)$/.exec(record.argv.at(-1) ?? "")?.[1] ?? "";
  const prefix = `repos/${repositoryOf(record)}/blobs/`;
  const content = readVector(`${prefix}${digest.replace(":", "/")}`);
  const manifest = JSON.parse(new TextDecoder().decode(content));
  const base = `http://${host}/v2/${repository}`;
  for (const blob of [manifest.config, ...manifest.layers] as readonly Descriptor[]) {
    await putBlob(base, blob.digest, readVector(`${prefix}${blob.digest.replace(":", "/")}`));
  }
  await putManifest(base, digest, manifest.mediaType, content);
  return digest;
}

/** What two runs of the same command have in common: not the time, the registry and the signature. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(
    entries.map(([key, member]) => {
      if (key === "sig") return [key, "a signature"];
      if (key === "base64Signature") {
        return [key, comparable(JSON.parse(Buffer.from(member, "base64").toString("utf8")))];
      }
      if (key === "payload") {
        return [key, comparable(JSON.parse(Buffer.from(member, "base64").toString("utf8")))];
      }
      if (key === "Timestamp" && member !== "") return [key, "a time"];
      if (key === "name" && /\/(veca|attest)\//.test(String(member))) return [key, "an image"];
      return [key, comparable(member)];
    }),
  );
}

function linesOf(stdout: string): readonly string[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.stringify(sortKeys(JSON.parse(line))));
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, member]) => [key, sortKeys(member)]),
  );
}

function argvOf(record: CommandRecord, numbers: Numbers): readonly string[] {
  if (numbers === "compat") return compatible(record);
  if (!record.cosign.startsWith("1.")) return record.argv;
  return ["verify-attestation", "--insecure-ignore-tlog=true", ...record.argv.slice(1)];
}

function compatible({ cosign, argv }: Pick<CommandRecord, "cosign" | "argv">): readonly string[] {
  return ["--compat", cosign.slice(0, 1), ...argv];
}

function run(argv: readonly string[], { env }: Pick<CommandRecord, "env">) {
  return runBinary(argv, { cwd: folder, env });
}

function typeOf({ argv }: CommandRecord): string {
  return argv[argv.indexOf("--type") + 1] ?? "";
}

function repositoryOf({ argv }: CommandRecord): string {
  return /([\w-]+)(?:@sha256:\w+|:\w+)?$/.exec(argv.at(-1) ?? "")?.[1] ?? "";
}
