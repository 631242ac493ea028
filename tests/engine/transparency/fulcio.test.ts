import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { generatePrivateKey } from "../../../engine/crypto/private_key.ts";
import { publicKeyOf } from "../../../engine/crypto/public_key.ts";
import { signMessage } from "../../../engine/crypto/signature.ts";
import { parseTrustedRoot } from "../../../engine/formats/trusted_root_json.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import type { KeyType } from "../../../engine/model/key.ts";
import { type IssuedCertificate, requestCertificate } from "../../../engine/transparency/fulcio.ts";
import {
  type IdentityToken,
  parseIdentityToken,
} from "../../../engine/transparency/identity_token.ts";
import { checkIssued } from "../../../engine/transparency/issued_certificate.ts";
import { type Sigstore, startSigstore } from "../../support/sigstore_server.ts";
import { testContext } from "./_context.ts";

let sigstore: Sigstore;
let foreign: Sigstore;
beforeAll(async () => {
  [sigstore, foreign] = await Promise.all([startSigstore(), startSigstore()]);
});
afterAll(async () => {
  await Promise.all([sigstore.close(), foreign.close()]);
});
afterEach(() => {
  sigstore.heal();
  Object.assign(sigstore.settings, {
    sct: "embedded",
    foreignKey: false,
    fulcioVersions: ["v1", "v2"],
    notBefore: undefined,
  });
});

const tokenOf = (claims: Readonly<Record<string, unknown>> = {}): IdentityToken =>
  parseIdentityToken(sigstore.oidcToken(claims));
const rootOf = (server: Sigstore) => parseTrustedRoot(utf8(server.trustedRootJson));

function request(token: IdentityToken = tokenOf(), type: KeyType = "ecdsa-p256", proved?: string) {
  const privateKey = generatePrivateKey(type);
  const publicKey = publicKeyOf(privateKey, "test");
  const digest = type === "ecdsa-p384" ? "sha384" : "sha256";
  const proof = signMessage(privateKey, type, utf8(proved ?? token.proofSubject), digest);
  return { token, publicKey, proof };
}
const issue = (asked = request()): Promise<IssuedCertificate> =>
  requestCertificate(asked, sigstore.fulcioUrl, testContext());

describe("requestCertificate()", () => {
  test.each(["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-2048"] as const)(
    "gets a certificate for a key of type %s",
    async (type) => {
      const asked = request(tokenOf(), type);
      const { certificate, chain } = await issue(asked);
      expect(certificate.spki).toEqual(asked.publicKey.spki);
      expect(certificate.alternativeNames).toEqual([{ kind: "email", value: "mail@example.com" }]);
      expect(chain.length).toBe(2);
    },
  );

  test("proves the subject where a token names no email address", async () => {
    const token = tokenOf({ sub: "https://example.com/workflow" });
    const { certificate } = await issue(request(token));
    expect(certificate.alternativeNames).toEqual([
      { kind: "uri", value: "https://example.com/workflow" },
    ]);
  });

  test("speaks v1 where v2 is not there, and takes its timestamp from the header", async () => {
    Object.assign(sigstore.settings, { fulcioVersions: ["v1"], sct: "detached" });
    const { certificate, chain, detachedSct } = await issue();
    expect(detachedSct).toBeDefined();
    checkIssued(
      { certificate, chain, ...(detachedSct && { detachedSct }) },
      tokenOf(),
      rootOf(sigstore),
    );
    expect(sigstore.count("fulcio", "/api/v1/signingCert")).toBe(1);
  });

  test.each([
    ["CERTIFICATE_REFUSED", "a proof by something else than the token's subject", { proved: "x" }],
    ["CERTIFICATE_REFUSED", "a token that has expired", { claims: { exp: 1_700_000_000 } }],
    ["CERTIFICATE_REFUSED", "a token for another audience", { claims: { aud: "other" } }],
    [
      "CERTIFICATE_REFUSED",
      "a token of an issuer that is not known",
      { claims: { iss: "https://x.test" } },
    ],
  ] as const)("throws %s for %s", async (code, _, how) => {
    const { claims, proved }: { claims?: object; proved?: string } = how;
    const asked = request(tokenOf({ ...claims }), "ecdsa-p256", proved);
    await expect(issue(asked)).rejects.toMatchObject({ code, hint: expect.any(String) });
  });

  test("shows neither token nor proof in its errors", async () => {
    const asked = request(tokenOf({ aud: "other" }));
    const error = await issue(asked).catch((cause: unknown) => cause);
    expect(JSON.stringify(error) + String(error)).not.toContain(asked.token.raw.slice(0, 20));
  });

  test("throws SERVICE_PROTOCOL for a certificate of another key", async () => {
    sigstore.settings.foreignKey = true;
    await expect(issue()).rejects.toMatchObject({
      code: "SERVICE_PROTOCOL",
      message: expect.stringContaining("another key"),
    });
  });

  test.each([
    ["no JSON", "<html>"],
    ["a list", "[]"],
    ["no chain", '{"signedCertificateEmbeddedSct":{}}'],
    ["an empty chain", '{"signedCertificateEmbeddedSct":{"chain":{"certificates":[]}}}'],
    ["numbers", '{"signedCertificateEmbeddedSct":{"chain":{"certificates":[1]}}}'],
    ["no PEM", '{"signedCertificateEmbeddedSct":{"chain":{"certificates":["x"]}}}'],
    ["a member of a prototype", '{"__proto__":{"chain":{"certificates":["x"]}}}'],
  ])("throws SERVICE_PROTOCOL for an answer that is %s", async (_, body) => {
    sigstore.fail("fulcio", { kind: "answer", change: () => new Response(body) });
    await expect(issue()).rejects.toMatchObject({ code: "SERVICE_PROTOCOL" });
  });

  test("throws LIMIT_EXCEEDED for an answer that is too long", async () => {
    const long = "x".repeat(300_000);
    sigstore.fail("fulcio", { kind: "answer", change: () => new Response(long) });
    await expect(issue()).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });

  test("throws CERTIFICATE_REFUSED with a hint at the URL where neither API is", async () => {
    sigstore.settings.fulcioVersions = [];
    await expect(issue()).rejects.toMatchObject({
      code: "CERTIFICATE_REFUSED",
      hint: expect.stringContaining("--fulcio-url"),
    });
  });
});

describe("checkIssued()", () => {
  const check = async (root = rootOf(sigstore), demands = {}): Promise<void> => {
    checkIssued(await issue(), tokenOf(), root, demands);
  };

  test.each(["embedded", "detached"] as const)("takes an %s timestamp", async (sct) => {
    sigstore.settings.sct = sct;
    await check();
  });

  test("throws SCT_MISSING for a certificate without a timestamp, but when that is not wanted", async () => {
    sigstore.settings.sct = "none";
    await expect(check()).rejects.toMatchObject({ code: "SCT_MISSING" });
    await check(rootOf(sigstore), { sct: false });
  });

  test("throws SCT_INVALID for a timestamp by another log", async () => {
    sigstore.settings.sct = "foreign";
    await expect(check()).rejects.toMatchObject({ code: "SCT_INVALID" });
  });

  test("throws CERTIFICATE_UNTRUSTED for an authority that the root does not know", async () => {
    await expect(check(rootOf(foreign))).rejects.toMatchObject({ code: "CERTIFICATE_UNTRUSTED" });
  });

  test("throws CERTIFICATE_UNTRUSTED for an authority whose time is over", async () => {
    const root = rootOf(sigstore);
    const certificateAuthorities = root.certificateAuthorities.map((authority) => ({
      ...authority,
      validFor: { end: new Date("2021-01-01") },
    }));
    await expect(check({ ...root, certificateAuthorities })).rejects.toMatchObject({
      code: "CERTIFICATE_UNTRUSTED",
    });
  });

  test("throws IDENTITY_MISMATCH for a certificate of another email address", async () => {
    const issued = await issue();
    const token = tokenOf({ email: "other@example.com", email_verified: true });
    expect(() => checkIssued(issued, token, rootOf(sigstore))).toThrow(
      expect.objectContaining({ code: "IDENTITY_MISMATCH" }),
    );
  });

  test("judges by Fulcio's clock, not by ours", async () => {
    sigstore.settings.notBefore = new Date("2025-06-01T00:00:00Z");
    await check();
  });
});
