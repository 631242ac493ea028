import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildBinary, runBinary } from "../support/binary.ts";
import { pushVectorRepository } from "../support/push_layout.ts";
import { onBothRegistries, type TestRegistry } from "../support/registries.ts";
import { type CommandRecord, readCommands, unpackVectors } from "../support/vectors.ts";

/** What a verification comes to, whatever number stands for it. */
type Answer = "verified" | "no signature" | "no image" | "no match";

/** Whose numbers are expected: our own, or those of the generation that wrote the record. */
type Numbers = "own" | "compat";

/** Where we answer otherwise than the cosign of the record, and why. */
interface Rule {
  readonly name: string;
  readonly reason: string;
  applies(record: CommandRecord): boolean;
  readonly answer: Answer;
}

/** Where we print otherwise than the cosign of the record what it verified as well, and why. */
interface OutputRule {
  readonly name: string;
  readonly reason: string;
  applies(record: CommandRecord): boolean;
  /** What is left of a payload to compare. */
  reduce(payload: Payload): unknown;
}

interface Payload {
  readonly critical: unknown;
  readonly optional: unknown;
}

/** Binaries that run at once: two cores, and each waits for its registry. */
const CONCURRENCY = 4;
const LIMIT_MS = 180_000;

const OWN_CODES: Readonly<Record<Answer, number>> = {
  verified: 0,
  "no signature": 10,
  "no image": 11,
  "no match": 12,
};

/** Where the records were made. */
const OLD_REGISTRY = /127\.0\.0\.1:570[12]/g;

const CURVE_KEY = /^import-(p384|p521|ed25519)-v[23]\.pub$/;

const RULES: readonly Rule[] = [
  {
    name: "digest by curve",
    reason:
      "2.6 and 3.1 sign with SHA-384, SHA-512 or Ed25519ph, and verify with SHA-256 or plain Ed25519: " +
      "the signature is good",
    applies: (record) => CURVE_KEY.test(keyOf(record)) && record.note !== "other key",
    answer: "verified",
  },
  {
    name: "annotations in bundles",
    reason: "2.6 neither writes nor checks them: the annotation that is demanded is not there",
    applies: (record) =>
      record.cosign === "2.6.4" &&
      record.argv.includes("-a") &&
      (/^bundle-v2-/.test(repositoryOf(record)) ||
        (/^bundle-/.test(repositoryOf(record)) && record.note === "annotation differs")),
    answer: "no match",
  },
  {
    name: "attested only",
    reason: "2.6 and 3.1 count an attestation by the key as a signature of the image",
    applies: (record) =>
      record.note === "attested, not signed" && /^bundle-/.test(repositoryOf(record)),
    answer: "no signature",
  },
];

const OUTPUT_RULES: readonly OutputRule[] = [
  {
    name: "annotations of bundles in the output",
    reason: "2.6 prints none",
    applies: (record) => record.cosign === "2.6.4" && /^bundle-/.test(repositoryOf(record)),
    reduce: ({ critical }) => critical,
  },
  {
    name: "bundles of a directory in the output",
    reason: "3.1 prints an object of empty texts for each",
    applies: (record) =>
      record.argv.includes("--local-image") && /^save-bundle-/.test(repositoryOf(record)),
    reduce: () => "a payload",
  },
];

const records = readCommands().filter(({ argv }) => argv[0] === "verify");
const repositories = [
  ...new Set(records.map(repositoryOf).filter((name) => !name.startsWith("save-"))),
].flatMap((name) =>
  records.some(({ env }) => env["COSIGN_REPOSITORY"]?.endsWith(`/${name}-elsewhere`))
    ? [name, `${name}-elsewhere`]
    : [name],
);

const folder = mkdtempSync(join(tmpdir(), "replay-"));

beforeAll(async () => {
  unpackVectors("files/", folder);
  unpackVectors("saved/", folder);
  await buildBinary();
}, LIMIT_MS);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("every record's exit code is what its generation says of its answer", () => {
  const wrong = records.filter(
    (record) => exitOf(answerOf(record), record, "compat") !== record.exit,
  );
  expect(wrong.map(({ id }) => id)).toEqual([]);
  expect(records.length).toBe(352);
});

test("every rule of the output and of the arguments takes records", () => {
  const silent = records.filter((record) => argvOf(record, "own") !== record.argv);
  process.stdout.write(`replay: log unsaid: ${silent.length} records (1.13 asks for none)\n`);
  expect(silent.length).toBeGreaterThan(0);
  for (const rule of OUTPUT_RULES) {
    const taken = records.filter((record) => record.exit === 0 && rule.applies(record));
    process.stdout.write(`replay: ${rule.name}: ${taken.length} records (${rule.reason})\n`);
    expect(taken.length, rule.name).toBeGreaterThan(0);
  }
});

test("every rule takes records, and none takes one that another takes", () => {
  for (const rule of RULES) {
    const taken = records.filter((record) => rule.applies(record));
    process.stdout.write(`replay: ${rule.name}: ${taken.length} records (${rule.reason})\n`);
    expect(taken.length, rule.name).toBeGreaterThan(0);
    expect(
      taken.some((record) => answerOf(record) !== rule.answer),
      rule.name,
    ).toBe(true);
  }
  expect(
    records.filter((record) => RULES.filter((rule) => rule.applies(record)).length > 1),
  ).toEqual([]);
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
      `verify answers every record rightly, with ${label}`,
      async () => {
        const wrong: string[] = [];
        const queue = [...records];
        const lanes = Array.from({ length: CONCURRENCY }, async () => {
          for (let record = queue.shift(); record !== undefined; record = queue.shift()) {
            const problem = await replay(record, registry, numbers);
            if (problem !== undefined) wrong.push(problem);
          }
        });
        await Promise.all(lanes);
        expect(wrong).toEqual([]);
      },
      LIMIT_MS,
    );
  }
});

/** Runs one record; answers what is wrong, if anything is. */
async function replay(
  record: CommandRecord,
  registry: TestRegistry,
  numbers: Numbers,
): Promise<string | undefined> {
  const here = (text: string): string => text.replaceAll(OLD_REGISTRY, registry.host);
  const env = Object.fromEntries(
    Object.entries(record.env).map(([name, value]) => [name, here(value)]),
  );
  const argv = [...argvOf(record, numbers).map(here)];
  const result = await runBinary(argv, { cwd: folder, env });

  const answer = RULES.find((rule) => rule.applies(record))?.answer ?? answerOf(record);
  const expected = exitOf(answer, record, numbers);
  const told = `${record.id} (${record.cosign}) ${argv.join(" ")}`;
  if (result.code !== expected) {
    return `${told}: exit code ${result.code}, expected ${expected} (${answer})\n${result.stderr}`;
  }
  if (answer !== "verified") {
    return result.stdout === ""
      ? undefined
      : `${told}: prints "${result.stdout}" although it failed`;
  }
  if (record.exit !== 0) return undefined;
  const rule = OUTPUT_RULES.find((candidate) => candidate.applies(record));
  const wanted = payloadsOf(record.stdout, rule);
  const got = payloadsOf(result.stdout.replaceAll(registry.host, "REGISTRY"), rule);
  return Bun.deepEquals(got, wanted, true)
    ? undefined
    : `${told}: prints\n${got.join("\n")}\nexpected\n${wanted.join("\n")}`;
}

/**
 * The arguments of a record. 1.13 asks for no log by default; without `--compat` the defaults of 3
 * hold, so that what the record left unsaid is said.
 */
function argvOf(record: CommandRecord, numbers: Numbers): readonly string[] {
  if (numbers === "compat") return ["--compat", record.cosign.slice(0, 1), ...record.argv];
  if (!record.cosign.startsWith("1.")) return record.argv;
  return ["verify", "--insecure-ignore-tlog=true", ...record.argv.slice(1)];
}

/** What the cosign of the record found out, by its own words. */
function answerOf(record: CommandRecord): Answer {
  const { stderr } = record;
  if (record.exit === 0) return "verified";
  if (/MANIFEST_UNKNOWN/.test(stderr)) return "no image";
  if (/no signatures found|no valid bundles exist|no signatures associated/.test(stderr)) {
    return "no signature";
  }
  // 1.13 says "no matching signatures" of an image without any, and then names no reason.
  if (/no matching signatures:\s*(main\.go.*no matching signatures:\s*)?$/s.test(stderr)) {
    return "no signature";
  }
  if (/no matching (signatures|attestations):/.test(stderr)) return "no match";
  throw new RangeError(`Cannot tell what record ${record.id} means: ${stderr}`);
}

/**
 * The number for an answer: the codes of cosign as its generations really have them. 3.1 leaves the
 * path that has numbers as soon as it finds a bundle, be it an attestation.
 */
function exitOf(answer: Answer, record: CommandRecord, numbers: Numbers): number {
  if (answer === "verified") return 0;
  if (numbers === "own") return OWN_CODES[answer];
  const isNumbered =
    !record.cosign.startsWith("1.") &&
    !record.argv.includes("--local-image") &&
    !record.argv.includes("--new-bundle-format=true") &&
    !(/^bundle-/.test(repositoryOf(record)) && /no match|attested/.test(answer + record.note));
  return isNumbered ? OWN_CODES[answer] : 1;
}

function keyOf({ argv }: CommandRecord): string {
  return argv[argv.indexOf("--key") + 1] ?? "";
}

function repositoryOf({ argv }: CommandRecord): string {
  return /([\w-]+)(?:@sha256:\w+|:\w+)?$/.exec(argv.at(-1) ?? "")?.[1] ?? "";
}

/**
 * The payloads that `verify` printed, each as JSON with sorted keys, in no order. A legacy payload
 * names the registry that it was signed in, a bundle's the one that was asked.
 */
function payloadsOf(stdout: string, rule: OutputRule | undefined): readonly string[] {
  const payloads: readonly Payload[] = JSON.parse(stdout.replaceAll(OLD_REGISTRY, "REGISTRY"));
  return payloads
    .map((payload) => JSON.stringify(sortKeys(rule ? rule.reduce(payload) : payload)))
    .sort();
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
