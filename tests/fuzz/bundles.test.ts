import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { parseAnyBundle } from "../../engine/cli/blob_evidence.ts";
import { parsePublicKeyPem } from "../../engine/crypto/public_key.ts";
import { parseTrustedRoot } from "../../engine/formats/trusted_root_json.ts";
import { utf8 } from "../../engine/model/bytes.ts";
import { CosignError } from "../../engine/model/errors.ts";
import type { TrustDemands } from "../../engine/model/policy.ts";
import { type SignedBlob, verifyBlob } from "../../engine/verify/blob.ts";
import { expectedSigner } from "../../engine/verify/blob_signer.ts";
import type { SignerPolicy, VerifiedSigner } from "../../engine/verify/signer.ts";
import { signerPolicy } from "../../engine/verify/signer_policy.ts";
import { seededRandom } from "../support/random.ts";
import { readVector, readVectorText } from "../support/vectors.ts";
import { legacyLayer, verifyLayer } from "./_legacy_layer.ts";
import { graftsOf, type Mutation, mutationsOf, type Tree } from "./_mutations.ts";

const LIMIT_MS = 120_000;
const ALICE: TrustDemands = {
  identities: [
    { issuer: { exact: "http://127.0.0.1:5810/auth" }, subject: { exact: "alice@example.com" } },
  ],
  logThreshold: 1,
  timestampThreshold: 0,
  sct: true,
};
const KEYED: TrustDemands = { logThreshold: 1, timestampThreshold: 0, sct: false };

const text = (path: string): string => readVectorText(path, "keyless");
const root = parseTrustedRoot(utf8(text("trust/trusted-root-v1.json")));
const key = parsePublicKeyPem(text("keys/cosign.pub"), "cosign.pub");
const alice = signerPolicy([], ALICE, root);
const keyed = signerPolicy([key], KEYED, root);
const stamped = signerPolicy([key], { ...KEYED, timestampThreshold: 1 }, root);
const unlogged = signerPolicy([], { ...ALICE, logThreshold: 0, timestampThreshold: 1 }, root);

/** Something sound, and how it is verified. */
interface Seed {
  readonly tree: Tree;
  /** Sound, and of the same sort, but of something else. */
  readonly other: Tree;
  /** @throws {CosignError} when it is refused. */
  readonly verify: (tree: Tree) => VerifiedSigner;
  /** What nobody looks at: changes there are taken. */
  readonly unseen: readonly RegExp[];
}

/** Changes that say the same in other words, or less that is still enough. */
const SAME: readonly (readonly [string, RegExp])[] = [
  ["base64 without its padding", /: shorter$/],
  ["spaces around PEM", /^cert(?:ificate)?: spaced$/],
  ["a hint is a hint", /messageDigest: (?:left out|is null|is \{\})$/],
  ["the same timestamp twice", /rfc3161Timestamps: (?:reversed and )?twice$/],
  [
    "status, versions and certificates of a timestamp, which nobody has signed",
    /(?:signedTimestamp|SignedRFC3161Timestamp): bit \d of byte \d+$/,
  ],
  [
    "somebody else's timestamp, or signature of an envelope, beside the own",
    /(?:rfc3161Timestamps|dsseEnvelope\.signatures): (?:and the other's|the other's first)$/,
  ],
];

const SEEDS: readonly (readonly [string, Seed])[] = [
  ["Rekor v2, timestamp, SCT", blob("blob-keyless-email", alice, "blob-keyless-email-other")],
  ["Rekor v1", blob("r1-blob-keyless", alice, "r1-blob-keyless-other")],
  [
    "Rekor v1 and a timestamp",
    blob("r1-blob-keyless-tsa", alice, "blob-keyless-email", [/timestampVerificationData/]),
  ],
  ["Rekor v1's first entry", blob("r1-blob-first-entry", alice, "r1-blob-keyless")],
  ["an attestation in Rekor v2", blob("att-blob-keyless-slsa1", alice, "att-blob-keyless-other")],
  ["an attestation in Rekor v1", blob("r1-att-keyless", alice, "r1-att-keyless-other")],
  [
    "a key",
    blob("blob-key-p256", keyed, "blob-keyless-email", [/publicKey/, /timestampVerificationData/]),
  ],
  ["a key, and a timestamp", blob("blob-key-p256", stamped, "blob-keyless-email", [/publicKey/])],
  ["a bundle of cosign 1", blob("legacy-v1-keyless", alice, "legacy-v2-keyless-other")],
  ["a bundle of cosign 2", blob("legacy-v2-keyless", alice, "legacy-v2-keyless-other")],
  ["annotations of Rekor v1", layer("r1-legacy-native", alice, ["r1-legacy-native", 2])],
  ["annotations of a timestamp", layer("legacy-native", unlogged, ["r1-legacy-native", 0])],
];

function blob(
  name: string,
  policy: SignerPolicy,
  other: string,
  unseen: readonly RegExp[] = [],
): Seed {
  const source = "blobs/hello.txt";
  const bytes = readVector(source, "keyless");
  const signed = { source, bytes, digests: digestsOf(bytes) };
  return {
    tree: JSON.parse(text(`bundles/${name}.json`)),
    other: JSON.parse(text(`bundles/${other}.json`)),
    unseen,
    verify: (tree) => {
      const { evidence, claimed, material } = parseAnyBundle(utf8(JSON.stringify(tree)), name);
      return verifyBlob(signed, evidence, material, expectedSigner(policy, claimed).policy);
    },
  };
}

function digestsOf(bytes: Uint8Array): SignedBlob["digests"] {
  const hash = (name: string) => new Uint8Array(createHash(name).update(bytes).digest());
  return { sha256: hash("sha256"), sha384: hash("sha384"), sha512: hash("sha512") };
}

function layer(layout: string, policy: SignerPolicy, other: readonly [string, number]): Seed {
  const { tree, digest } = legacyLayer(layout, 0);
  return {
    tree,
    other: legacyLayer(...other).tree,
    unseen: [/^chain/],
    verify: (changed) => verifyLayer(changed, digest, policy),
  };
}

/** What was verified, all of it: equal texts for what says the same. */
function told({ key: { spki }, certificate, signature, logEntries, timestamps }: VerifiedSigner) {
  const chain = certificate?.chain.map(({ der }) => der.toHex());
  return {
    signer: JSON.stringify([spki.toHex(), chain, signature.toHex()]),
    witnesses: [
      ...logEntries.map(({ entry, log, integratedTime }) =>
        JSON.stringify([entry.body.toHex(), log.keyId.toHex(), entry.logIndex, integratedTime]),
      ),
      ...timestamps.map(({ time, authority }) => JSON.stringify([time, authority.uri])),
    ],
  };
}

/** What becomes of changed things. */
interface Tally {
  refused: number;
  /** Taken: what was verified is what was verified before, or less of it. */
  readonly same: Map<string, number>;
}

function judge(mutations: Iterable<Mutation>, { tree: sound, verify, unseen }: Seed): Tally {
  const before = told(verify(sound));
  const tally: Tally = { refused: 0, same: new Map() };
  for (const { tree, what } of mutations) {
    try {
      const { signer, witnesses } = told(verify(tree));
      expect([what, signer]).toEqual([what, before.signer]);
      expect([what, witnesses.filter((each) => !before.witnesses.includes(each))]).toEqual([
        what,
        [],
      ]);
      const rules = [...SAME, ...unseen.map((place) => ["what nobody looks at", place] as const)];
      const rule = rules.find(([, pattern]) => pattern.test(what))?.[0];
      expect([what, rule]).toEqual([what, expect.any(String)]);
      tally.same.set(rule ?? "", (tally.same.get(rule ?? "") ?? 0) + 1);
    } catch (error) {
      if (!(error instanceof CosignError) || error.code === "INTERNAL") {
        throw new Error(`fails on ${what}`, { cause: error });
      }
      tally.refused++;
    }
  }
  return tally;
}

describe("something sound is refused with a code, or says the same", () => {
  test.each(SEEDS)(
    "with one thing changed: %s",
    (name, seed) => {
      const { refused, same } = judge(mutationsOf(seed.tree, seededRandom(20_265)), seed);
      process.stdout.write(`fuzz: ${name}: ${refused} refused, ${JSON.stringify([...same])}\n`);
      expect(refused).toBeGreaterThan(200);
    },
    LIMIT_MS,
  );

  test.each(SEEDS)(
    "with one part of something else that is sound: %s",
    (name, seed) => {
      const { refused, same } = judge(graftsOf(seed.tree, seed.other), seed);
      process.stdout.write(`fuzz: ${name}: ${refused} refused, ${JSON.stringify([...same])}\n`);
      expect(refused).toBeGreaterThan(2);
    },
    LIMIT_MS,
  );

  test.each(SEEDS)(
    "with anything in its text changed: %s",
    (_, seed) => {
      const random = seededRandom(20_266);
      const below = (limit: number): number => Math.floor(random() * limit);
      const json = JSON.stringify(seed.tree);
      const mutations = Array.from({ length: 300 }, () => {
        const at = below(json.length);
        const put = String.fromCharCode(below(4) === 0 ? below(0x300) : 0x20 + below(0x5f));
        const changed = [put + json.slice(at), json.slice(at + 1), put + json.slice(at + 1)][
          below(3)
        ];
        return json.slice(0, at) + changed;
      });
      const before = told(seed.verify(seed.tree));
      let refused = 0;
      for (const changed of mutations) {
        try {
          const after = told(seed.verify(JSON.parse(changed)));
          expect([changed, after.signer]).toEqual([changed, before.signer]);
        } catch (error) {
          if (!(error instanceof CosignError || error instanceof SyntaxError)) {
            throw new Error(`fails on ${changed}`, { cause: error });
          }
          refused++;
        }
      }
      expect(refused).toBeGreaterThan(200);
    },
    LIMIT_MS,
  );
});
