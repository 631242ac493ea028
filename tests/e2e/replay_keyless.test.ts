import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ErrorCode } from "../../engine/model/errors.ts";
import { buildBinary, runBinary } from "../support/binary.ts";
import { startEmbeddedRegistry } from "../support/embedded_registry.ts";
import { pushPackedLayout } from "../support/push_layout.ts";
import type { TestRegistry } from "../support/registries.ts";
import { readVectorText, unpackVectors } from "../support/vectors.ts";

/** One vector: what was signed, and what real cosigns said of it. */
interface KeylessRecord {
  readonly id: string;
  readonly group: "blob" | "image" | "cli" | "saved";
  readonly expected: "accept" | "reject" | "choice" | "output";
  readonly layout?: string;
  readonly repository?: string;
  readonly registry?: "native" | "fallback";
  readonly verify: readonly {
    readonly version: string;
    readonly argv: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly stdout: string;
  }[];
}

const LIMIT_MS = 600_000;
const LANES = 4;
/** The registries of the recorded commands: one has the referrers API, the other the fallback tags. */
const PORTS = { native: "127.0.0.1:5821", fallback: "127.0.0.1:5822" } as const;

/** What the formats leave open, decided: whether it is accepted. Why, docs/differences.md says. */
const CHOICES: Readonly<Record<string, boolean>> = {
  "att-bundle-to-verify-blob": false,
  "blob-key-p384": true,
  "blob-key-p521": true,
  "blob-no-rekor+insecure-ignore-tlog": true,
  "blob-rogue-rekor+insecure-ignore-tlog": true,
  "imgmut-annotation-predicate": true,
  "imgmut-artifact-type": true,
  "imgmut-artifact-type-v02": true,
  "imgmut-attestation-only": false,
  "imgmut-index-artifact-type": true,
  "imgmut-index-no-artifact-type": true,
  "imgmut-layer-type": false,
  "imgmut-moved-attestation-noclaims": false,
  "imgmut-moved-noclaims": false,
  "imgmut-no-annotations": true,
  "imgmut-sign-predicate-as-attestation": true,
  "imgmut-stmt-other-type": false,
  "imgmut-stmt-two-subjects": true,
  "imgmut-stmt-v01": true,
  "imgmut-subject-size": true,
  "mut-att-keyid": true,
  "mut-entry-body-of-other": false,
  "mut-entry-body-space": false,
  "mut-entry-kind-dsse": false,
  "mut-entry-kind-version": false,
  "mut-key-proof-flip-ignored": true,
  "mut-legacy-native-att-predicate-annotation": true,
  "mut-legacy-native-chain-rogue": true,
  "mut-mediatype-v02": true,
  "mut-proof-index": false,
  "mut-proof-root-flip": false,
  "mut-proof-treesize": false,
  "mut-r1-legacy-native-chain-absent": true,
  "mut-ts-duplicated": true,
  "mut-ts-two-late": true,
  "mut-unknown-field": false,
  "root-rekor-ended": false,
  "saved-native-multi": true,
};

/** Where another output than cosign's is wanted. */
const OUTPUT_RULES: readonly {
  readonly name: string;
  readonly reason: string;
  applies(id: string, version: string): boolean;
  readonly count: number;
}[] = [
  {
    name: "2.6 and bundles",
    reason: "2.6 shows bundles under another name, or not at all; they are there",
    applies: (id, version) =>
      version === "v2.6.4" && /-app-(?:tree(?:-experimental-oci11)?|download-signature)$/.test(id),
    count: 6,
  },
  {
    name: "an attestation is no signature",
    reason: "3.1 prints the attestation of the image as another signature",
    applies: (id) => id.endsWith("-app-verify-text"),
    count: 2,
  },
];
/** What is wrong with refused files by the names of their records, and the code that says so. */
const CAUSES: readonly (readonly [RegExp, readonly ErrorCode[]])[] = [
  [/^id-(?:exact|no-|none|regexp-bad)/, ["USAGE"]],
  [
    /^id-(?:case|ci|email|issuer|prefix|regexp|wrong)|-wrong-(?:identity|issuer)$/,
    ["IDENTITY_MISMATCH"],
  ],
  [/^id-other-key$|^mut-key-sig/, ["SIGNATURE_INVALID"]],
  [
    /^(?:id-key|id-keyless|mut-json|mut-mediatype-[^v]|mut-mediatype-v[49]|mut-no-content)/,
    ["BUNDLE_INVALID"],
  ],
  [
    /^mut-(?:both|unknown|sig-empty|digest-absent|att-no-signatures|entry-body-empty)/,
    ["BUNDLE_INVALID"],
  ],
  [/^mut-(?:legacy-)?cert-(?:absent|and|as|replaced|trailing)/, ["BUNDLE_INVALID"]],
  [/^mut-att-two-signatures$/, ["ENVELOPE_INVALID"]],
  [/^(?:mut-att-(?:type|wrong-type)|mut-dsse-instead|att-bundle-to)/, ["PREDICATE_MISMATCH"]],
  [/^mut-digest-(?:flip|alg)|^mut-(?:att-|key-)?wrong-artifact/, ["CLAIM_MISMATCH"]],
  [/-entry-of-|-body-of-|^mut-legacy-(?:body|sig|cert-of|wrong-artifact)/, ["LOG_ENTRY_MISMATCH"]],
  [
    /^mut-(?:r1-)?(?:cert-(?:other|of|san|sct|sig)|sig-)|^mut-(?:r1-)?att-(?:sig|payload|envelope)/,
    ["LOG_ENTRY_MISMATCH"],
  ],
  [/^mut-(?:r1-|att-)*(?:proof|checkpoint|set|integrated-time|log-index)/, ["LOG_ENTRY_INVALID"]],
  [
    /^mut-entry-(?:body-space|duplicated|index|integrated|kind)|^mut-legacy-(?:set|time|index)/,
    ["LOG_ENTRY_INVALID"],
  ],
  [/^root-(?:baseurl|rekor-key)|^mut-mediatype-v01$/, ["LOG_ENTRY_INVALID"]],
  [/^blob-no-rekor(?:-no-tsa)?$|-(?:entry|rekor|r1)-absent$/, ["LOG_ENTRY_MISSING"]],
  [/logid|^root-(?:no-tlogs|rekor-ended)|^blob-rogue-rekor$/, ["LOG_UNTRUSTED"]],
  [/^root-.*-?ca(?:-|$)|^blob-rogue-ca$/, ["CERTIFICATE_UNTRUSTED"]],
  [/^root-.*-?ct(?:logs|-|$)|^blob-rogue-ct$/, ["SCT_INVALID"]],
  [/^blob-no-sct$/, ["SCT_MISSING"]],
  [/^mut-ts-(?:early|just|real-late)/, ["CERTIFICATE_INVALID"]],
  [/^mut-(?:key-)?ts-(?:garbage|truncated|no-genuine|of-other|over)/, ["TIMESTAMP_INVALID"]],
  [/^mut-ts-(?:after|flip|rogue)|^root-.*-?tsa(?:-|$)|^blob-rogue-tsa$/, ["TIMESTAMP_UNTRUSTED"]],
  [/-ts-absent$|^blob-no-rekor-no-tsa\+/, ["TIMESTAMP_MISSING", "TIME_UNKNOWN"]],
  [/^root-mediatype$/, ["TRUST_INVALID"]],
];
/** Refused files of which {@link CAUSES} tells. */
const told = new Set<string>();
const taken = new Map<string, number>();

function isChosen({ id }: KeylessRecord, argv: readonly string[]): boolean | undefined {
  // With a key, timestamps are looked at when they are asked for, and not otherwise.
  if (id === "mut-key-ts-of-other") return !argv.includes("--use-signed-timestamps");
  return CHOICES[id.replace(/^imgmut-(?:native|fallback)-/, "imgmut-")];
}

const ids: readonly { readonly id: string }[] = JSON.parse(readVectorText("index.json", "keyless"));
const records: readonly KeylessRecord[] = ids.map(({ id }) =>
  JSON.parse(readVectorText(`records/${id}.json`, "keyless")),
);
const folder = mkdtempSync(join(tmpdir(), "keyless-"));
const registries: Partial<Record<"native" | "fallback", TestRegistry>> = {};

beforeAll(async () => {
  for (const prefix of ["trust/", "keys/", "blobs/", "bundles/", "saved/"]) {
    unpackVectors(prefix, join(folder, prefix), "keyless");
  }
  registries.native = await startEmbeddedRegistry();
  registries.fallback = await startEmbeddedRegistry({ referrers: false });
  await buildBinary();
  const layouts = new Map(
    records.flatMap((record) =>
      record.layout === undefined ? [] : [[`${record.registry} ${record.repository}`, record]],
    ),
  );
  for (const { layout = "", repository = "", registry = "native" } of layouts.values()) {
    const { host = "", dir = "" } = registries[registry] ?? {};
    const smuggle = (digest: string, content: Uint8Array) => {
      const path = join(dir, "repositories", repository, "_", "blobs", digest.replace(":", "/"));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
    };
    const prefix = `layouts/${layout}/`;
    await pushPackedLayout(host, { set: "keyless", prefix, smuggle, isDump: true }, repository);
  }
}, LIMIT_MS);

afterAll(async () => {
  for (const registry of Object.values(registries)) await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

for (const group of ["blob", "image", "saved", "cli"] as const) {
  test(
    `every ${group} record is answered rightly`,
    async () => {
      const chosen = records.filter((record) => record.group === group);
      const wrong = await inLanes(chosen, replay);
      expect(wrong.flat()).toEqual([]);
      if (group === "blob") expect(told.size).toBeGreaterThan(150);
      if (group !== "cli") return;
      for (const { name, reason, count } of OUTPUT_RULES) {
        process.stdout.write(`replay: ${name}: ${taken.get(name)} records (${reason})\n`);
        expect(taken.get(name), name).toBe(count);
      }
    },
    LIMIT_MS,
  );
}

async function replay(record: KeylessRecord): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const { version, argv, env, stdout } of record.verify) {
    const generation = version.startsWith("v1.") ? ["--compat", "1"] : [];
    // The services have been stopped since; and nobody but the registry may be asked.
    const offline = argv[1]?.startsWith("verify") ? ["--offline"] : [];
    const words = [...argv.slice(1).map(toOurs), ...generation, ...offline];
    const result = await runBinary(words, { cwd: folder, env: env ?? {} });
    const run = `${record.expected} ${record.id} (${version}) ${words.join(" ")}: ${result.code} ${result.stderr}`;
    if (record.expected === "output") {
      const rule = OUTPUT_RULES.find((one) => one.applies(record.id, version));
      if (rule !== undefined) taken.set(rule.name, (taken.get(rule.name) ?? 0) + 1);
      else if (parsed(result.stdout) !== parsed(toOurs(stdout))) {
        wrong.push(`${run}${result.stdout}`);
      }
      continue;
    }
    const isRight =
      record.expected === "choice"
        ? (result.code === 0) === isChosen(record, argv)
        : (result.code === 0) === (record.expected === "accept");
    if (!isRight) wrong.push(run);
    if (result.code !== 0 && record.group === "blob") wrong.push(...wrongCause(record.id, run));
  }
  return wrong;
}

/** What is wrong with how a refusal is told; every one has its own code, none is "internal". */
function wrongCause(id: string, run: string): readonly string[] {
  const code = /^code: (\w+)$/m.exec(run)?.[1];
  const cause = CAUSES.find(([names]) => names.test(id));
  if (cause === undefined) return code === undefined || code === "INTERNAL" ? [run] : [];
  told.add(id);
  return cause[1].some((wanted) => wanted === code)
    ? []
    : [`expected ${cause[1].join(" or ")}: ${run}`];
}

function toOurs(text: string): string {
  return text
    .replaceAll(PORTS.native, registries.native?.host ?? "")
    .replaceAll(PORTS.fallback, registries.fallback?.host ?? "");
}

/** JSON lines by what they say, other lines as they are; in which order things are listed, the registry says. */
function parsed(text: string): string {
  return text
    .split("\n")
    .map((line) => {
      try {
        return JSON.stringify(JSON.parse(line));
      } catch {
        return line;
      }
    })
    .sort()
    .join("\n");
}

async function inLanes<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async () => {
    for (let i = next++; i < items.length; i = next++) {
      const item = items[i];
      if (item !== undefined) results[i] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return results;
}
