import { describe, expect, test } from "bun:test";
import { generateKeyPairSync, sign } from "node:crypto";
import { publicKeyOf } from "../../../engine/crypto/public_key.ts";
import { type DsseEnvelope, encodePae } from "../../../engine/formats/dsse.ts";
import type { Evidence } from "../../../engine/formats/evidence.ts";
import { NO_MATERIAL } from "../../../engine/formats/evidence.ts";
import { encodeAttestationStatement } from "../../../engine/formats/in_toto.ts";
import { type Digest, parseDigest } from "../../../engine/model/digest.ts";
import {
  type AttestationPolicy,
  type VerifiedAttestation,
  verifyAttestation,
} from "../../../engine/verify/attestation.ts";
import {
  judgeBlobStatement,
  openBlobAttestation,
} from "../../../engine/verify/blob_attestation.ts";
import { judgeAttestations } from "../../../engine/verify/judge_attestations.ts";

const IN_TOTO = "application/vnd.in-toto+json";
const CUSTOM = "https://cosign.sigstore.dev/attestation/v1";
const DIGEST = parseDigest(`sha256:${"ab".repeat(32)}`);
const OTHER = parseDigest(`sha256:${"cd".repeat(32)}`);

const [ours, theirs] = [0, 1].map(() => generateKeyPairSync("ec", { namedCurve: "P-256" }));
if (ours === undefined || theirs === undefined) throw new TypeError("no keys");
const POLICY: AttestationPolicy = {
  keys: [publicKeyOf(ours.privateKey, "cosign.pub")],
  checkClaims: true,
};

function seal(payload: Uint8Array, payloadType = IN_TOTO, pair = ours): DsseEnvelope {
  const sig = sign("sha256", encodePae(payloadType, payload), pair?.privateKey ?? "");
  return { payloadType, payload, signatures: [{ keyid: "", sig }] };
}

function statement(
  predicateType = CUSTOM,
  digest: Readonly<Record<string, string>> = { sha256: "ab".repeat(32) },
  predicate: string | object = {},
): Uint8Array {
  const predicateJson = JSON.stringify(predicate);
  const content = { name: "r/a", digest, predicateType, predicateJson };
  return encodeAttestationStatement(content, "go");
}

function evidenceOf(
  envelope: DsseEnvelope,
  place: Evidence["source"]["place"] = "attestation-tag",
): Evidence {
  return {
    source: { place, manifestDigest: DIGEST, layerDigest: DIGEST },
    content: { kind: "dsse", envelope },
  };
}

function verified(payload: Uint8Array, place?: Evidence["source"]["place"]): VerifiedAttestation {
  return verifyAttestation(evidenceOf(seal(payload), place), DIGEST, POLICY);
}

const code = (value: string) => expect.objectContaining({ code: value });

describe("verifyAttestation()", () => {
  test("takes a statement about the image by the key, and tells its format", () => {
    expect(verified(statement()).format).toBe("legacy");
    expect(verified(statement(), "referrer").format).toBe("bundle");
    expect(verified(statement()).predicateType).toBe(CUSTOM);
  });

  test("takes a predicate that is a text", () => {
    const text = statement("https://spdx.dev/Document", undefined, "a: b");
    expect(verified(text).predicateType).toBe("https://spdx.dev/Document");
  });

  test("refuses another key, before it reads what was signed", () => {
    const broken = seal(new TextEncoder().encode("{"), IN_TOTO, theirs);
    expect(() => verifyAttestation(evidenceOf(broken), DIGEST, POLICY)).toThrow(
      code("SIGNATURE_INVALID"),
    );
  });

  test("refuses a statement about something else", () => {
    expect(() => verifyAttestation(evidenceOf(seal(statement())), OTHER, POLICY)).toThrow(
      code("CLAIM_MISMATCH"),
    );
  });

  test("refuses a statement whose subject has the right digits under another algorithm", () => {
    for (const digest of [{ sha512: "ab".repeat(32) }, { __proto__: null, SHA256: "ab" }, {}]) {
      expect(() => verified(statement(CUSTOM, digest as Record<string, string>))).toThrow(
        code("CLAIM_MISMATCH"),
      );
    }
  });

  test("compares sha512 where the image has one", () => {
    const sha512 = "ef".repeat(64);
    const digest: Digest = parseDigest(`sha512:${sha512}`);
    const envelope = seal(statement(CUSTOM, { sha512 }));
    expect(verifyAttestation(evidenceOf(envelope), digest, POLICY).signer.key.uri).toBe(
      "cosign.pub",
    );
  });

  test("leaves the digest out without claims at the tag, never in a bundle", () => {
    const policy = { ...POLICY, checkClaims: false };
    const envelope = seal(statement());
    expect(verifyAttestation(evidenceOf(envelope), OTHER, policy).format).toBe("legacy");
    expect(() => verifyAttestation(evidenceOf(envelope, "referrer"), OTHER, policy)).toThrow(
      code("CLAIM_MISMATCH"),
    );
  });

  test("refuses another payload type, although its signature holds", () => {
    const envelope = seal(statement(), "text/plain");
    expect(() => verifyAttestation(evidenceOf(envelope), DIGEST, POLICY)).toThrow(
      code("ENVELOPE_INVALID"),
    );
  });

  test("refuses a signed statement in which a key stands twice", () => {
    const text = new TextDecoder()
      .decode(statement())
      .replace("{", `{"predicateType":"https://spdx.dev/Document",`);
    expect(() => verified(new TextEncoder().encode(text))).toThrow(code("ENVELOPE_INVALID"));
  });

  test("CVE-2024-45395: refuses a statement about a hundred thousand subjects", () => {
    const subject = { name: "r/a", digest: { sha256: "ab".repeat(32) } };
    const many = {
      _type: "https://in-toto.io/Statement/v0.1",
      predicateType: CUSTOM,
      subject: Array.from({ length: 100_000 }, () => subject),
      predicate: {},
    };
    const envelope = seal(new TextEncoder().encode(JSON.stringify(many)));
    expect(() => verifyAttestation(evidenceOf(envelope), DIGEST, POLICY)).toThrow(
      "has 100000 subjects, at most 1024 are read",
    );
  });
});

describe("judgeAttestations()", () => {
  const read = (...attestations: readonly VerifiedAttestation[]) => ({
    outcome: "read" as const,
    verified: attestations,
    refused: [],
  });
  const unread = {
    outcome: "unread" as const,
    reason: { code: "REGISTRY_UNAVAILABLE" as const, message: "503" },
  };
  const refused = {
    outcome: "read" as const,
    verified: [],
    refused: [{ code: "SIGNATURE_INVALID" as const, message: "does not match" }],
  };

  test("CVE-2022-35929: a valid attestation of another type is none of the type that is asked for", () => {
    const judgement = judgeAttestations(
      [read(verified(statement()))],
      ["https://spdx.dev/Document"],
      "spdx",
    );
    expect(judgement).toEqual({
      outcome: "failed",
      reason: {
        code: "NO_MATCHING_SIGNATURES",
        message: `none of the attestations matched the predicate type: spdx, found: ${CUSTOM}`,
      },
    });
  });

  test("answers with every attestation of the type", () => {
    const [first, second] = [statement(CUSTOM, undefined, { a: 1 }), statement(CUSTOM)];
    const all = [verified(first), verified(second), verified(statement("urn:x"))];
    const judgement = judgeAttestations([read(...all)], [CUSTOM], "custom");
    expect(judgement).toEqual({ outcome: "passed", attestations: all.slice(0, 2) });
  });

  test("counts the same statement in both places once", () => {
    const payload = statement();
    const places = [read(verified(payload)), read(verified(payload, "referrer"))];
    const judgement = judgeAttestations(places, [CUSTOM], "custom");
    expect(judgement.outcome === "passed" && judgement.attestations.length).toBe(1);
  });

  test("says no of nothing that could not be read", () => {
    expect(judgeAttestations([refused, unread], [CUSTOM], "custom")).toEqual({
      outcome: "error",
      reason: unread.reason,
    });
    expect(judgeAttestations([read(), unread], [CUSTOM], "custom").outcome).toBe("error");
    const found = judgeAttestations([read(verified(statement())), unread], [CUSTOM], "custom");
    expect(found.outcome).toBe("passed");
  });

  test("tells none from none that counts", () => {
    expect(judgeAttestations([read()], [CUSTOM], "custom")).toMatchObject({
      outcome: "failed",
      reason: {
        code: "NO_SIGNATURES",
        message: expect.stringContaining("no matching attestations: "),
      },
    });
    expect(judgeAttestations([refused], [CUSTOM], "custom")).toMatchObject({
      reason: {
        code: "NO_MATCHING_SIGNATURES",
        message: "no matching attestations: does not match",
      },
    });
  });
});

describe("openBlobAttestation() and judgeBlobStatement()", () => {
  const policy = { keys: POLICY.keys, accepted: [CUSTOM], asked: "custom" };
  const hex = "ab".repeat(32);

  test("tell by which digests the statement names its subjects", () => {
    const opened = openBlobAttestation(
      seal(statement(CUSTOM, { sha512: "00", md5: "00", sha256: hex })),
      NO_MATERIAL,
      policy,
    );
    expect(opened.algorithms).toEqual(["sha256", "sha512"]);
  });

  test("take any digest of the file that the statement names", () => {
    const { statement: signed } = openBlobAttestation(seal(statement()), NO_MATERIAL, policy);
    const digests = [
      { algorithm: "sha512", hex: "00" },
      { algorithm: "sha256", hex },
    ] as const;
    expect(() => judgeBlobStatement(signed, digests, policy)).not.toThrow();
    expect(() => judgeBlobStatement(signed, digests.slice(0, 1), policy)).toThrow(
      code("CLAIM_MISMATCH"),
    );
    expect(() => judgeBlobStatement(signed, [], policy)).toThrow(code("CLAIM_MISMATCH"));
    expect(() => judgeBlobStatement(signed, undefined, policy)).not.toThrow();
  });

  test("CVE-2026-39395: a malformed statement or another predicate type is refused", () => {
    for (const text of ["", "{", "null", "[]", '{"_type":"x"}', '"text"']) {
      expect(() =>
        openBlobAttestation(seal(new TextEncoder().encode(text)), NO_MATERIAL, policy),
      ).toThrow(code("ENVELOPE_INVALID"));
    }
    const { statement: signed } = openBlobAttestation(
      seal(statement("urn:other")),
      NO_MATERIAL,
      policy,
    );
    expect(() => judgeBlobStatement(signed, undefined, policy)).toThrow(
      "invalid predicate type, expected custom got urn:other",
    );
  });
});
