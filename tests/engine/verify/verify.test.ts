import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gatherBundles } from "../../../engine/artifacts/bundle_referrer.ts";
import { gatherSignatureTag } from "../../../engine/artifacts/signature_tag.ts";
import type { Stores } from "../../../engine/artifacts/stores.ts";
import { parsePublicKeyPem } from "../../../engine/crypto/public_key.ts";
import type { Evidence } from "../../../engine/formats/evidence.ts";
import { type Digest, parseDigest } from "../../../engine/model/digest.ts";
import type { PublicKey } from "../../../engine/model/key.ts";
import type { Subject } from "../../../engine/model/subject.ts";
import { openLayout, readLayoutRoot } from "../../../engine/registry/layout.ts";
import { claimedPredicate, type SignaturePolicy, verify } from "../../../engine/verify/verify.ts";
import { readVectorText, unpackVectors } from "../../support/vectors.ts";

// Directories that cosign's `save` wrote: one signed image each. (2.6 saves no bundles.)
const SAVED = [
  "save-legacy-v1-tags",
  "save-legacy-v2-tags",
  "save-legacy-v3-tags",
  "save-legacy-v3-referrers",
  "save-bundle-v3-tags",
  "save-bundle-v3-referrers",
] as const;

const folder = mkdtempSync(join(tmpdir(), "cosign-ts-verify-"));
beforeAll(() => unpackVectors("saved/", folder));
afterAll(() => rmSync(folder, { recursive: true }));

function keyOf(name: string): PublicKey {
  return parsePublicKeyPem(readVectorText(`files/${name}.pub`), name);
}

async function gather(name: string): Promise<{ digest: Digest; evidence: readonly Evidence[] }> {
  const path = join(folder, name);
  const { digest } = await readLayoutRoot(path);
  const subject: Subject = { name, digest, home: { at: "layout", path }, parents: [] };
  const store = openLayout(path);
  const stores: Stores = {
    conventions: { tagPrefix: "", dockerMediaTypes: false, maxAttachmentBytes: 1_000_000 },
    of: () => store,
    ofTarget: () => store,
    companionsOf: () => store,
  };
  const evidence = [...(await gatherSignatureTag(subject, stores)).evidence];
  for await (const gathered of gatherBundles(subject, stores)) evidence.push(...gathered.evidence);
  return { digest, evidence };
}

function policyOf(...keys: readonly PublicKey[]): SignaturePolicy {
  return { keys, annotations: {}, checkClaims: true };
}

function mutate(bytes: Uint8Array, at: number): Uint8Array {
  const changed = bytes.slice();
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}

for (const name of SAVED) {
  const generation = /-v(\d)-/.exec(name)?.[1] ?? "";
  const format = name.includes("legacy") ? "legacy" : "bundle";
  describe(`verify() on what cosign saved: ${name}`, () => {
    const key = keyOf(`key-v${generation}`);

    test("takes the signature by the key that signed", async () => {
      const { digest, evidence } = await gather(name);
      expect(evidence.length).toBeGreaterThan(0);
      const [first] = evidence;
      if (first === undefined) throw new Error("no evidence");
      const verified = verify(first, "an/image", digest, policyOf(keyOf("import-rsa2048-v1"), key));
      expect(verified.format).toBe(format);
      expect(verified.signer.key.uri).toBe(key.uri);
      expect(verified.payload).toMatchObject({
        critical: { image: { "docker-manifest-digest": String(digest) } },
      });
    });

    test("refuses other keys, other images, wanted annotations and every changed byte", async () => {
      const { digest, evidence } = await gather(name);
      const [first] = evidence;
      if (first === undefined) throw new Error("no evidence");
      const refusal = (policy: SignaturePolicy, what: Evidence = first, of: Digest = digest) => {
        expect(() => verify(what, "an/image", of, policy)).toThrow();
        try {
          verify(what, "an/image", of, policy);
        } catch (error) {
          return (error as { code?: string }).code;
        }
        return undefined;
      };
      expect(refusal(policyOf(keyOf("import-p256-v1")))).toBe("SIGNATURE_INVALID");
      expect(refusal(policyOf())).toBe("SIGNATURE_INVALID");
      const other = parseDigest(`sha256:${"0".repeat(64)}`);
      expect(refusal(policyOf(key), first, other)).toBe("CLAIM_MISMATCH");
      const wanted = { ...policyOf(key), annotations: { nobody: "signed this" } };
      expect(refusal(wanted)).toBe("ANNOTATION_MISMATCH");
      const { content } = first;
      if (content.kind === "simple-signing") {
        for (let at = 0; at < content.payload.length; at++) {
          const payload = mutate(content.payload, at);
          expect(refusal(policyOf(key), { ...first, content: { ...content, payload } })).toBe(
            "SIGNATURE_INVALID",
          );
        }
        for (let at = 0; at < content.signature.length; at++) {
          const signature = mutate(content.signature, at);
          expect(refusal(policyOf(key), { ...first, content: { ...content, signature } })).toBe(
            "SIGNATURE_INVALID",
          );
        }
      } else if (content.kind === "dsse") {
        const { envelope } = content;
        for (let at = 0; at < envelope.payload.length; at++) {
          const changed = { ...envelope, payload: mutate(envelope.payload, at) };
          expect(
            refusal(policyOf(key), { ...first, content: { kind: "dsse", envelope: changed } }),
          ).toBe("SIGNATURE_INVALID");
        }
        const retyped = { ...envelope, payloadType: "text/plain" };
        expect(
          refusal(policyOf(key), { ...first, content: { kind: "dsse", envelope: retyped } }),
        ).toBe("SIGNATURE_INVALID");
      } else throw new Error(content.why);
    });

    test("checkClaims: false leaves the annotations out, and in legacy payloads the digest", async () => {
      const { digest, evidence } = await gather(name);
      const [first] = evidence;
      if (first === undefined) throw new Error("no evidence");
      const lax = { ...policyOf(key), checkClaims: false, annotations: { nobody: "signed this" } };
      expect(verify(first, "an/image", digest, lax).format).toBe(format);
      const other = parseDigest(`sha256:${"0".repeat(64)}`);
      if (format === "legacy") expect(verify(first, "x", other, lax).format).toBe("legacy");
      else
        expect(() => verify(first, "x", other, lax)).toThrow(
          expect.objectContaining({ code: "CLAIM_MISMATCH" }),
        );
    });
  });
}

describe("verify() on attestations", () => {
  test("an attestation by the right key is no signature", async () => {
    const { generateKeyPairSync, sign } = await import("node:crypto");
    const { encodePae } = await import("../../../engine/formats/dsse.ts");
    const pair = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
    const key = parsePublicKeyPem(
      String(pair.publicKey.export({ type: "spki", format: "pem" })),
      "k",
    );
    const digest = parseDigest(`sha256:${"5".repeat(64)}`);
    const payloadType = "application/vnd.in-toto+json";
    const evidenceOf = (predicateType: string): Evidence => {
      const statement = {
        _type: "https://in-toto.io/Statement/v1",
        subject: [{ digest: { sha256: "5".repeat(64) } }],
        predicateType,
        predicate: {},
      };
      const payload = new TextEncoder().encode(JSON.stringify(statement));
      const sig = new Uint8Array(sign("sha256", encodePae(payloadType, payload), pair.privateKey));
      const envelope = { payloadType, payload, signatures: [{ keyid: "", sig }] };
      const source = { place: "referrer", manifestDigest: digest, layerDigest: digest } as const;
      return { source, content: { kind: "dsse", envelope } };
    };
    const signature = evidenceOf("https://sigstore.dev/cosign/sign/v1");
    expect(verify(signature, "n", digest, policyOf(key)).format).toBe("bundle");
    const attestation = evidenceOf("https://slsa.dev/provenance/v1");
    expect(() => verify(attestation, "n", digest, policyOf(key))).toThrow(
      expect.objectContaining({ code: "PREDICATE_MISMATCH" }),
    );
    expect(claimedPredicate(attestation)).toBe("https://slsa.dev/provenance/v1");
  });
});
