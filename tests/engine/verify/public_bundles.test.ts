import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseAnyBundle } from "../../../engine/cli/blob_evidence.ts";
import { parseStatement } from "../../../engine/formats/in_toto.ts";
import type { TrustedRoot } from "../../../engine/formats/trusted_root.ts";
import { parseTrustedRoot } from "../../../engine/formats/trusted_root_json.ts";
import { CosignError } from "../../../engine/model/errors.ts";
import { embeddedTrustedRoot } from "../../../engine/trust/embedded.ts";
import { type SignedBlob, verifyBlob } from "../../../engine/verify/blob.ts";
import { expectedSigner } from "../../../engine/verify/blob_signer.ts";
import { signerPolicy } from "../../../engine/verify/signer_policy.ts";

/** Other people's data, of which the project holds no copies: where it is not there, nothing is tested. */
const FOLDER = join(dirname(import.meta.dir), "..", "..", "..", "shared", "vectors", "public");
const SUFFIX = ".sigstore.json";

const bundles = listBundles();
const isStaging = (name: string) => name.includes("staging");
const read = (name: string) => new Uint8Array(readFileSync(join(FOLDER, name)));
const rootOf = (name: string) =>
  parseTrustedRoot(read(`trusted-root.${isStaging(name) ? "staging" : "production"}.json`));

function listBundles(): readonly string[] {
  try {
    return readdirSync(FOLDER).filter((name) => name.endsWith(SUFFIX));
  } catch {
    return [];
  }
}

/** Verifies a bundle as that of whatever it says that it is about, by anybody of a root's. */
function verify(name: string, root: TrustedRoot) {
  const anybody = { logThreshold: 1, timestampThreshold: 0, sct: true, identities: [{}] };
  const { evidence, claimed, material } = parseAnyBundle(read(`${name}${SUFFIX}`), name);
  const { policy } = expectedSigner(signerPolicy([], anybody, root), claimed);
  const digests: SignedBlob["digests"] =
    evidence.kind === "dsse"
      ? Object.fromEntries(
          Object.entries(parseStatement(evidence.envelope.payload).subjects[0]?.digest ?? {}).map(
            ([algorithm, hex]) => [algorithm, Uint8Array.fromHex(hex)],
          ),
        )
      : { [evidence.digest?.algorithm ?? ""]: evidence.digest?.digest };
  return verifyBlob({ source: name, digests }, evidence, material, policy);
}

describe("bundles that public projects published", () => {
  for (const name of bundles.map((file) => file.slice(0, -SUFFIX.length))) {
    test(`${name} verifies with its root`, () => {
      const { logEntries, certificate } = verify(name, rootOf(name));
      expect(logEntries).toHaveLength(1);
      expect(certificate?.chain.length).toBeGreaterThanOrEqual(2);
    });

    test(`${name} ${isStaging(name) ? "does not verify" : "verifies"} with the root that is built in`, async () => {
      const root = parseTrustedRoot(await embeddedTrustedRoot());
      if (!isStaging(name)) expect(verify(name, root).logEntries).toHaveLength(1);
      else expect(() => verify(name, root)).toThrow(CosignError);
    });

    test(`${name} does not verify with the other instance's root`, () => {
      const other = isStaging(name) ? "production" : "staging";
      expect(() => verify(name, rootOf(other))).toThrow(CosignError);
    });
  }

  if (bundles.includes(`dsse-two-signatures${SUFFIX}`)) {
    test("of an envelope with two signatures the one that is logged counts, and is named", () => {
      // cosign 3.1.2 refuses it: "exactly one signature is required".
      const { warnings } = verify("dsse-two-signatures", rootOf("production"));
      expect(warnings).toEqual(["Of the envelope the first of its 2 signatures counts"]);
    });
  }

  test("are read where they lie, and nothing of them is in the repository", () => {
    const packed = readdirSync(join(dirname(import.meta.dir), "..", "vectors", "data"));
    expect(packed.filter((name) => name.startsWith("public"))).toEqual([]);
  });
});
