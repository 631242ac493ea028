import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { generatePrivateKey } from "../../../engine/crypto/private_key.ts";
import { publicKeyOf } from "../../../engine/crypto/public_key.ts";
import { signMessage } from "../../../engine/crypto/signature.ts";
import type { TrustedLog, TrustedRoot } from "../../../engine/formats/trusted_root.ts";
import { parseTrustedRoot } from "../../../engine/formats/trusted_root_json.ts";
import { type Certificate, parseCertificate } from "../../../engine/formats/x509.ts";
import { parseUtf8, utf8 } from "../../../engine/model/bytes.ts";
import type { ErrorCode } from "../../../engine/model/errors.ts";
import { type IssuedCertificate, requestCertificate } from "../../../engine/transparency/fulcio.ts";
import { parseIdentityToken } from "../../../engine/transparency/identity_token.ts";
import { verifySct } from "../../../engine/verify/sct.ts";
import {
  type Sigstore,
  type SigstoreSettings,
  startSigstore,
} from "../../support/sigstore_server.ts";
import { testContext } from "../transparency/_context.ts";

let sigstore: Sigstore;
let root: TrustedRoot;
let embedded: IssuedCertificate;
let other: IssuedCertificate;
let detached: IssuedCertificate;
let foreign: IssuedCertificate;
let bare: IssuedCertificate;

async function issue(sct: SigstoreSettings["sct"]): Promise<IssuedCertificate> {
  sigstore.settings.sct = sct;
  const token = parseIdentityToken(sigstore.oidcToken());
  const privateKey = generatePrivateKey("ecdsa-p256");
  const publicKey = publicKeyOf(privateKey, "test");
  const proof = signMessage(privateKey, "ecdsa-p256", utf8(token.proofSubject));
  return await requestCertificate({ token, publicKey, proof }, sigstore.fulcioUrl, testContext());
}

beforeAll(async () => {
  sigstore = await startSigstore();
  root = parseTrustedRoot(utf8(sigstore.trustedRootJson));
  embedded = await issue("embedded");
  other = await issue("embedded");
  detached = await issue("detached");
  foreign = await issue("foreign");
  bare = await issue("none");
});
afterAll(() => sigstore.close());

function check(
  { certificate, chain, detachedSct }: IssuedCertificate,
  logs: readonly TrustedLog[] = root.ctLogs,
  issuer: Certificate | undefined = chain[0],
  sct: Uint8Array | undefined = detachedSct,
) {
  if (issuer === undefined) throw new Error("there is no issuer");
  return verifySct(certificate, issuer, logs, sct);
}

function expectCode(code: ErrorCode, action: () => unknown): void {
  expect(action).toThrow(expect.objectContaining({ code }));
}

/** A certificate with one byte changed behind the first place where `near` stands. */
function changed(issued: IssuedCertificate, near: string, at: number): IssuedCertificate {
  const { der } = issued.certificate;
  const place = der.toHex().indexOf(near) / 2 + near.length / 2 + at;
  const bytes = der.with(place, (der[place] ?? 0) ^ 1);
  return { ...issued, certificate: parseCertificate(bytes) };
}

const SCT_LIST = "060a2b06010401d679020402";
const VALUE = 4; // two OCTET STRINGs' heads
const LIST = 4; // two lengths

describe("verifySct()", () => {
  test("takes the one in the certificate, and names log and time", () => {
    const { time, log } = check(embedded);
    expect(Math.abs(time.getTime() - Date.now())).toBeLessThan(60_000);
    expect(log).toBe(root.ctLogs[0] as TrustedLog);
  });

  test("takes a detached one", () => {
    expect(check(detached).log.baseUrl).toBe("http://ct.test");
  });

  test("throws SCT_MISSING when there is none", () => {
    expectCode("SCT_MISSING", () => check(bare));
    expectCode(
      "SCT_MISSING",
      () =>
        check({ ...detached }, root.ctLogs, undefined, undefined as never) &&
        verifySct(detached.certificate, detached.chain[0] as Certificate, root.ctLogs),
    );
  });

  test("throws SCT_INVALID for one by a log that is not trusted", () => {
    expectCode("SCT_INVALID", () => check(foreign));
    expectCode("SCT_INVALID", () => check(embedded, []));
  });

  test("throws SCT_INVALID for a detached one of another certificate", () => {
    expectCode("SCT_INVALID", () => check(bare, root.ctLogs, bare.chain[0], detached.detachedSct));
  });

  test("believes the one in the certificate before a detached one", () => {
    expectCode("SCT_INVALID", () =>
      check(foreign, root.ctLogs, foreign.chain[0], detached.detachedSct),
    );
  });

  test("throws SCT_INVALID when the issuer is another", () => {
    expectCode("SCT_INVALID", () => check(embedded, root.ctLogs, embedded.chain[1]));
    expectCode("SCT_INVALID", () => check(embedded, root.ctLogs, other.certificate));
  });

  test("throws SCT_INVALID when the log was not trusted at the time that the timestamp states", () => {
    const { time } = check(embedded);
    const trusted = (validFor: TrustedLog["validFor"]) =>
      root.ctLogs.map((log) => ({ ...log, validFor }));
    const before = new Date(time.getTime() - 1);
    const after = new Date(time.getTime() + 1);
    expectCode("SCT_INVALID", () => check(embedded, trusted({ end: before })));
    expectCode("SCT_INVALID", () => check(embedded, trusted({ start: after })));
    expect(check(embedded, trusted({ start: time, end: time })).time).toEqual(time);
  });

  test("takes it when one id stands there twice, with an old key and the right one", () => {
    const key = publicKeyOf(generatePrivateKey("ecdsa-p256"), "old");
    const old = root.ctLogs.map((log) => ({ ...log, key }));
    expectCode("SCT_INVALID", () => check(embedded, old));
    expect(check(embedded, [...old, ...root.ctLogs]).log).toBe(root.ctLogs[0] as TrustedLog);
  });

  test.each([
    ["version", 0],
    ["log id", 1],
    ["time", 33 + 7],
    ["length of the extensions", 41 + 1],
    ["digest", 43],
    ["length of the signature", 45 + 1],
    ["signature", 47 + 10],
  ])("throws SCT_INVALID when the %s is changed", (_, at) => {
    expectCode("SCT_INVALID", () => check(changed(embedded, SCT_LIST, VALUE + LIST + at)));
  });

  test("throws SCT_INVALID when anything else in the certificate is changed", () => {
    const email = utf8("mail@example.com").toHex();
    expectCode("SCT_INVALID", () => check(changed(embedded, email, -1)));
  });

  test.each<[string, (sct: Record<string, unknown>) => unknown]>([
    ["another version", (sct) => ({ ...sct, sct_version: 1 })],
    ["no version", ({ sct_version: _, ...sct }) => sct],
    ["another time", (sct) => ({ ...sct, timestamp: Number(sct["timestamp"]) + 1 })],
    ["a time as text", (sct) => ({ ...sct, timestamp: String(sct["timestamp"]) })],
    ["a negative time", (sct) => ({ ...sct, timestamp: -1 })],
    ["a time that is too large", (sct) => ({ ...sct, timestamp: 1e300 })],
    ["other extensions", (sct) => ({ ...sct, extensions: "AAAA" })],
    ["another id", (sct) => ({ ...sct, id: "AAAA" })],
    ["a signature that is no text", (sct) => ({ ...sct, signature: 7 })],
    ["an empty signature", (sct) => ({ ...sct, signature: "" })],
    ["a signature with bytes behind", (sct) => ({ ...sct, signature: `${sct["signature"]}AAAA` })],
    ["nothing in it", () => ({})],
    ["a list", () => []],
    ["null", () => null],
  ])("throws SCT_INVALID for a detached one with %s", (_, change) => {
    const json = JSON.parse(parseUtf8(detached.detachedSct ?? new Uint8Array()));
    const bad = utf8(JSON.stringify(change(json)));
    expectCode("SCT_INVALID", () => check(detached, root.ctLogs, detached.chain[0], bad));
  });

  test("throws SCT_INVALID for a detached one that is not even text", () => {
    const bad = Uint8Array.of(0xff, 0xfe);
    expectCode("SCT_INVALID", () => check(detached, root.ctLogs, detached.chain[0], bad));
  });
});
