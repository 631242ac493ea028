import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { verifySignature } from "../../../engine/crypto/signature.ts";
import { parseTrustedRoot } from "../../../engine/formats/trusted_root_json.ts";
import { type KeylessOptions, openKeyless } from "../../../engine/keys/keyless.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { CosignError } from "../../../engine/model/errors.ts";
import { requestCertificate } from "../../../engine/transparency/fulcio.ts";
import { parseIdentityToken } from "../../../engine/transparency/identity_token.ts";
import { checkIssued } from "../../../engine/transparency/issued_certificate.ts";
import { type Sigstore, startSigstore } from "../../support/sigstore_server.ts";
import { testContext } from "../transparency/_context.ts";

const MINUTE_MS = 60_000;
let sigstore: Sigstore;
beforeAll(async () => {
  sigstore = await startSigstore();
});
afterAll(() => sigstore.close());

/** Keyless signing with a clock that a test moves, and counters of what was asked. */
function open(more: Partial<KeylessOptions> = {}) {
  const root = parseTrustedRoot(utf8(sigstore.trustedRootJson));
  const asked = { tokens: 0, certificates: 0 };
  const clock = { ms: Date.now() };
  const keyless = openKeyless({
    token: async () => {
      asked.tokens++;
      return parseIdentityToken(sigstore.oidcToken());
    },
    certify: async (request) => {
      asked.certificates++;
      const issued = await requestCertificate(request, sigstore.fulcioUrl, testContext());
      checkIssued(issued, request.token, root);
      return issued;
    },
    now: () => new Date(clock.ms),
    ...more,
  });
  return { keyless, asked, clock };
}

describe("openKeyless()", () => {
  test("asks for nothing until somebody wants to sign", async () => {
    const { keyless, asked } = open();
    await keyless[Symbol.asyncDispose]();
    expect(asked).toEqual({ tokens: 0, certificates: 0 });
  });

  test("lease() signs with the key that the certificate is for", async () => {
    const { keyless } = open();
    const { signer, certificate } = await keyless.lease();
    expect(certificate.spki).toEqual(signer.publicKey.spki);
    const message = utf8("a message");
    verifySignature(signer.publicKey, message, await signer.sign(message));
  });

  test("lease() gets one certificate for all who ask at once, and for later ones", async () => {
    const { keyless, asked } = open();
    const leases = await Promise.all(Array.from({ length: 50 }, () => keyless.lease()));
    expect(new Set([...leases, await keyless.lease()]).size).toBe(1);
    expect(asked).toEqual({ tokens: 1, certificates: 1 });
  });

  test("lease() renews key and certificate before the end, once for all", async () => {
    const { keyless, asked, clock } = open();
    const first = await keyless.lease();
    clock.ms += 7.9 * MINUTE_MS;
    expect(await keyless.lease()).toBe(first);
    clock.ms += 0.2 * MINUTE_MS;
    const [second, third] = await Promise.all([keyless.lease(), keyless.lease()]);
    expect(second).toBe(third);
    expect(second?.certificate.spki).not.toEqual(first.certificate.spki);
    expect(asked.certificates).toBe(2);
  });

  test("lease() hands out no certificate that has less than a fifth of a short life left", async () => {
    sigstore.settings.certificateMinutes = 1;
    const { keyless, clock, asked } = open();
    await keyless.lease();
    clock.ms += 49_000;
    await keyless.lease();
    expect(asked.certificates).toBe(2);
    sigstore.settings.certificateMinutes = 10;
  });

  test("lease() goes by the length of a certificate's life where the clocks differ", async () => {
    const { keyless, clock, asked } = open();
    clock.ms -= 3 * 3_600_000;
    const { validUntil } = await keyless.lease();
    expect(validUntil.getTime() - clock.ms).toBe(10 * MINUTE_MS);
    await keyless.lease();
    expect(asked.certificates).toBe(1);
  });

  test("lease() throws IDENTITY_EXPIRED for a token that is over", async () => {
    const token = async () => parseIdentityToken(sigstore.oidcToken({ exp: 1_700_000_000 }));
    const { keyless, asked } = open({ token });
    await expect(keyless.lease()).rejects.toMatchObject({ code: "IDENTITY_EXPIRED" });
    expect(asked.certificates).toBe(0);
  });

  test("lease() throws what the source of tokens throws, and asks it again the next time", async () => {
    let tokens = 0;
    const token = async () => {
      if (tokens++ === 0) throw new CosignError("IDENTITY_UNAVAILABLE", "not now");
      return parseIdentityToken(sigstore.oidcToken());
    };
    const { keyless } = open({ token });
    await expect(keyless.lease()).rejects.toMatchObject({ code: "IDENTITY_UNAVAILABLE" });
    expect(await keyless.lease()).toBeDefined();
  });

  test("lease() keeps the old certificate for a while when Fulcio does not answer", async () => {
    const { keyless, clock } = open();
    const first = await keyless.lease();
    sigstore.fail("fulcio", { kind: "status", status: 503 });
    clock.ms += 9 * MINUTE_MS;
    expect(await keyless.lease()).toBe(first);
    clock.ms += 0.6 * MINUTE_MS;
    await expect(keyless.lease()).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    sigstore.heal();
    expect(await keyless.lease()).not.toBe(first);
  });

  test("lease() signs nothing with a certificate that was refused by its check", async () => {
    sigstore.settings.sct = "none";
    const { keyless } = open();
    await expect(keyless.lease()).rejects.toMatchObject({ code: "SCT_MISSING" });
    sigstore.settings.sct = "embedded";
  });

  test("lease() stops to wait when its signal fires; the others get theirs", async () => {
    sigstore.fail("fulcio", { kind: "slow", ms: 50 }, 1);
    const { keyless } = open();
    const aborted = keyless.lease(AbortSignal.abort(new CosignError("CANCELLED", "enough")));
    const patient = keyless.lease();
    await expect(aborted).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await patient).toBeDefined();
  });

  test("a closed one ends what is under way and gives no more", async () => {
    const seen: AbortSignal[] = [];
    const { keyless } = open({
      certify: (_, signal) =>
        new Promise((_resolve, reject) => {
          seen.push(signal);
          signal.addEventListener("abort", () => reject(new CosignError("CANCELLED", "closed")));
        }),
    });
    const lease = keyless.lease();
    const outcome = lease.catch((error: unknown) => error);
    while (seen.length === 0) await Promise.resolve();
    await keyless[Symbol.asyncDispose]();
    expect(await outcome).toMatchObject({ code: "CANCELLED" });
    await expect(keyless.lease()).rejects.toThrow(TypeError);
  });

  test.each(["ecdsa-p384", "ecdsa-p521", "ed25519"] as const)(
    "makes keys of type %s when told to",
    async (keyType) => {
      const { keyless } = open({ keyType });
      expect((await keyless.lease()).signer.publicKey.type).toBe(keyType);
    },
  );
});
