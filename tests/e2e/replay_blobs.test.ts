import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildBinary, runBinary } from "../support/binary.ts";
import { type CommandRecord, readCommands, unpackVectors } from "../support/vectors.ts";

/** Whose defaults and numbers are expected: our own, or those of the generation that wrote the record. */
type Numbers = "own" | "compat";

/** Where we answer otherwise than the cosign of the record, and why. The answer is always "it works". */
interface Rule {
  readonly name: string;
  readonly reason: string;
  applies(record: CommandRecord): boolean;
  readonly count: number;
}

const CONCURRENCY = 4;
const LIMIT_MS = 300_000;

const RULES: readonly Rule[] = [
  {
    name: "digest by curve",
    reason:
      "2.6 and 3.1 sign with SHA-384 or SHA-512, and verify with SHA-256: the signature is good",
    applies: ({ argv, note }) =>
      argv[0] === "verify-blob" &&
      /^import-p(384|521)-v[23]\.pub$/.test(flagValue(argv, "--key")) &&
      note !== "wrong artifact",
    count: 20,
  },
  {
    name: "Ed25519 in a bundle",
    reason: "3.1 does not verify its own bundle of an Ed25519 key: it wants a digest beside it",
    applies: ({ argv, cosign }) =>
      cosign === "3.1.2" &&
      flagValue(argv, "--bundle") === "blob.txt.import-ed25519-v3.v3.new.bundle.json" &&
      argv[0] === "verify-blob",
    count: 1,
  },
  {
    name: "Ed25519 in 2.6",
    reason: "2.6 crashes when it signs a blob with an Ed25519 key",
    applies: ({ argv, cosign }) =>
      cosign === "2.6.4" && flagValue(argv, "--key") === "import-ed25519-v2.key",
    count: 3,
  },
];

const records = readCommands().filter(({ argv }) => /^(sign|verify)-blob$/.test(argv[0] ?? ""));
const folders = { own: newFolder(), compat: newFolder() };

beforeAll(async () => {
  for (const folder of Object.values(folders)) unpackVectors("files/", folder);
  await buildBinary();
}, LIMIT_MS);

afterAll(() => {
  for (const folder of Object.values(folders)) rmSync(folder, { recursive: true, force: true });
});

test("every rule takes as many records as it says, each of which cosign refused somewhere", () => {
  expect(records.length).toBe(149);
  for (const rule of RULES) {
    const taken = records.filter((record) => rule.applies(record));
    process.stdout.write(`replay: ${rule.name}: ${taken.length} records (${rule.reason})\n`);
    expect(taken.length, rule.name).toBe(rule.count);
    expect(taken.every(({ exit }) => exit !== 0)).toBe(true);
  }
});

for (const numbers of ["own", "compat"] as const) {
  const label = numbers === "own" ? "our defaults" : "an explicit --compat";
  test(
    `verify-blob answers every record rightly, with ${label}`,
    async () => {
      const chosen = records.filter(({ argv }) => argv[0] === "verify-blob");
      expect(await inLanes(chosen, (record) => replayVerify(record, numbers))).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    `sign-blob makes of every record what is made of the same parts and verifies, with ${label}`,
    async () => {
      const chosen = records.filter(({ argv }) => argv[0] === "sign-blob");
      expect(chosen.length).toBe(41);
      expect(await inLanes(chosen, (record) => replaySign(record, numbers))).toEqual([]);
    },
    LIMIT_MS,
  );
}

async function replayVerify(record: CommandRecord, numbers: Numbers): Promise<string | undefined> {
  const argv = argvOf(record, numbers);
  const result = await runBinary(argv, { cwd: folders[numbers], env: record.env });
  const expected = expectedExit(record);
  const told = `${record.id} (${record.cosign}) ${argv.join(" ")}`;
  if (result.code !== expected) {
    return `${told}: exit code ${result.code}, expected ${expected}\n${result.stderr}`;
  }
  if (result.stdout !== "") return `${told}: prints ${result.stdout}`;
  const isOk = result.stderr.endsWith("Verified OK\n");
  return isOk === (expected === 0) ? undefined : `${told}: says ${result.stderr}`;
}

async function replaySign(record: CommandRecord, numbers: Numbers): Promise<string | undefined> {
  const cwd = folders[numbers];
  const out = `${record.id}.out`; // several records write files of one name
  const written =
    flagValue(record.argv, "--bundle") || flagValue(record.argv, "--output-signature");
  const argv = argvOf(record, numbers).map((word) => (word === written ? out : word));
  const result = await runBinary(argv, { cwd, env: record.env });
  const told = `${record.id} (${record.cosign}) ${argv.join(" ")}`;
  if (result.code !== 0) return `${told}: exit code ${result.code}\n${result.stderr}`;
  const made = readFileSync(join(cwd, out), "utf8");
  if (expectedExit(record) === record.exit) {
    const model = readFileSync(join(cwd, written), "utf8");
    if (partsOf(made) !== partsOf(model)) {
      return `${told}: makes ${partsOf(made)}, expected ${partsOf(model)}`;
    }
    const wanted = record.stdout.replaceAll(written, out);
    if (numbers === "compat" && shapeOf(result.stdout) !== shapeOf(wanted)) {
      return `${told}: prints ${result.stdout}, expected ${wanted}`;
    }
  }
  const flag = made.startsWith("{") ? "--bundle" : "--signature";
  const key = flagValue(argv, "--key").replace(/\.key$/, ".pub");
  const check = ["verify-blob", "--key", key, flag, out, "--insecure-ignore-tlog"];
  const verified = await runBinary([...check, argv.at(-1) ?? ""], { cwd });
  return verified.code === 0 ? undefined : `${told}: does not verify: ${verified.stderr}`;
}

/** cosign 3.1 writes SHA-384 for P-384 and no digest for Ed25519; an old bundle of ours has 3.1's `cert`. */
function partsOf(text: string): string {
  if (!text.startsWith("{")) return "base64";
  const keys: string[] = [];
  JSON.parse(text, (key, value) => {
    if (key !== "" && !["algorithm", "digest", "cert"].includes(key)) keys.push(key);
    if (key === "mediaType" || key === "hint") keys.push(String(value));
    return value;
  });
  return keys.sort().join(" ");
}

function shapeOf(stdout: string): string {
  return stdout.replace(/^[A-Za-z0-9+/=]{60,}\n$/, "base64\n");
}

/** What a record left unsaid because it was its generation's default is said where ours differ. */
function argvOf({ cosign, argv }: CommandRecord, numbers: Numbers): readonly string[] {
  if (numbers === "compat") return ["--compat", cosign.slice(0, 1), ...argv];
  const [command = "", ...rest] = argv;
  if (command === "verify-blob") {
    return cosign.startsWith("1.") ? [command, "--insecure-ignore-tlog=true", ...rest] : argv;
  }
  const said: string[] = [];
  if (cosign.startsWith("1.")) said.push("--tlog-upload=false");
  if (!rest.some((word) => word.startsWith("--new-bundle-format"))) {
    said.push("--new-bundle-format=false");
  }
  return [command, ...said, ...rest];
}

function expectedExit(record: CommandRecord): number {
  return RULES.some((rule) => rule.applies(record)) ? 0 : record.exit;
}

function flagValue(argv: readonly string[], flag: string): string {
  const at = argv.indexOf(flag);
  return at < 0 ? "" : (argv[at + 1] ?? "");
}

async function inLanes(
  chosen: readonly CommandRecord[],
  replay: (record: CommandRecord) => Promise<string | undefined>,
): Promise<readonly string[]> {
  const queue = [...chosen];
  const wrong: string[] = [];
  const lanes = Array.from({ length: CONCURRENCY }, async () => {
    for (let record = queue.shift(); record !== undefined; record = queue.shift()) {
      const problem = await replay(record);
      if (problem !== undefined) wrong.push(problem);
    }
  });
  await Promise.all(lanes);
  return wrong;
}

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), "replay-blobs-"));
}
