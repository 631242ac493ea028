import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../../../engine/crypto/hash.ts";
import { encodeTimestampRequest } from "../../../engine/formats/timestamp_request.ts";
import type { TrustedAuthority } from "../../../engine/formats/trusted_root.ts";
import { parseCertificate } from "../../../engine/formats/x509.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import type { ErrorCode } from "../../../engine/model/errors.ts";
import { verifyTimestamp } from "../../../engine/verify/timestamp.ts";
import {
  makeTimestampAuthority,
  type TestTimestampAuthority,
  TIME_STAMPING,
  type TimestampChanges,
} from "../../support/_sigstore_tsa.ts";
import { newKey } from "../../support/certificates.ts";

const MESSAGE = utf8("a raw signature");
const TIME = new Date("2026-05-05T05:05:05Z");
const CODE_SIGNING = "2b06010505070303";
const ANY_USE = "551d2500";
const TSA = makeTimestampAuthority();

function authorityOf(
  { chain }: TestTimestampAuthority,
  validFor: TrustedAuthority["validFor"] = {},
): TrustedAuthority {
  return {
    uri: "https://tsa.test",
    chain: chain.map(({ der }) => parseCertificate(der)),
    validFor,
  };
}

function stamp(changes: TimestampChanges = {}, tsa = TSA): Uint8Array {
  const query = encodeTimestampRequest({
    algorithm: "sha256",
    digest: sha256(MESSAGE),
    nonce: Uint8Array.of(1, 2, 3),
  });
  return tsa.answer(query, { time: TIME, ...changes });
}

function refusal(
  response: Uint8Array,
  authorities: readonly TrustedAuthority[] = [authorityOf(TSA)],
  message = MESSAGE,
): { readonly code?: ErrorCode; readonly message: string } {
  try {
    verifyTimestamp(response, message, authorities);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("it was taken");
}

describe("verifyTimestamp()", () => {
  test("answers with the time and the authority that has stamped", () => {
    const foreign = authorityOf(makeTimestampAuthority());
    const own = authorityOf(TSA);
    expect(verifyTimestamp(stamp(), MESSAGE, [foreign, own])).toMatchObject({
      time: TIME,
      authority: own,
    });
  });

  test("finds the certificate in the trusted root when none came along", () => {
    expect(
      verifyTimestamp(stamp({ withoutCertificate: true }), MESSAGE, [authorityOf(TSA)]).time,
    ).toEqual(TIME);
  });

  test("finds the certificate in the timestamp when the root has the authority above it only", () => {
    const { chain, ...rest } = authorityOf(TSA);
    const above = { ...rest, chain: chain.slice(1) };
    expect(verifyTimestamp(stamp(), MESSAGE, [above]).time).toEqual(TIME);
    expect(refusal(stamp({ withoutCertificate: true }), [above]).code).toBe("TIMESTAMP_UNTRUSTED");
  });

  test.each<[string, TimestampChanges]>([
    ["of another message", { imprint: new Uint8Array(32) }],
    ["of a cut imprint", { imprint: sha256(MESSAGE).subarray(0, 16) }],
    ["that refuses", { status: 2 }],
    ["with content of another type", { contentType: "2a864886f70d010701" }],
    [
      "whose signature is over content of another type",
      { signedContentType: "2a864886f70d010701" },
    ],
    ["whose signature is over other content", { contentDigest: new Uint8Array(32) }],
    ["that does not name its certificate", { withoutSigningCertificate: true }],
  ])("throws TIMESTAMP_INVALID for one %s", (_, changes) => {
    expect(refusal(stamp(changes)).code).toBe("TIMESTAMP_INVALID");
  });

  test.each<[string, TimestampChanges]>([
    ["that names another certificate than its own", { certificateHash: new Uint8Array(32) }],
    ["of a certificate that nobody knows", { serial: 77 }],
    ["that another key has signed", { signingKey: newKey() }],
    ["from before the certificate", { time: new Date("2019-12-31T23:59:59Z") }],
    ["from after the certificate", { time: new Date("2046-01-01T00:00:01Z") }],
  ])("throws TIMESTAMP_UNTRUSTED for one %s", (_, changes) => {
    expect(refusal(stamp(changes)).code).toBe("TIMESTAMP_UNTRUSTED");
  });

  test.each([
    ["code signing", { uses: [CODE_SIGNING] }],
    ["time stamping and code signing", { uses: [TIME_STAMPING, CODE_SIGNING] }],
    ["any use", { uses: [ANY_USE] }],
    ["time stamping, not critical", { isCritical: false }],
  ])("throws TIMESTAMP_UNTRUSTED for a certificate for %s", (_, changes) => {
    const tsa = makeTimestampAuthority(changes);
    expect(refusal(stamp({}, tsa), [authorityOf(tsa)])).toMatchObject({
      code: "TIMESTAMP_UNTRUSTED",
      message: expect.stringContaining("time stamping"),
    });
  });

  test("throws TIMESTAMP_UNTRUSTED when no authority is trusted, or another one", () => {
    expect(refusal(stamp(), []).code).toBe("TIMESTAMP_UNTRUSTED");
    expect(refusal(stamp(), [authorityOf(makeTimestampAuthority())]).code).toBe(
      "TIMESTAMP_UNTRUSTED",
    );
  });

  test("throws TIMESTAMP_UNTRUSTED outside of the time that the authority is trusted for", () => {
    const until = authorityOf(TSA, { end: new Date("2026-05-05T05:05:04Z") });
    const since = authorityOf(TSA, { start: new Date("2026-05-05T05:05:06Z") });
    expect(refusal(stamp(), [until, since]).code).toBe("TIMESTAMP_UNTRUSTED");
    const then = authorityOf(TSA, { start: TIME, end: TIME });
    expect(verifyTimestamp(stamp(), MESSAGE, [until, since, then]).authority).toBe(then);
  });

  test("throws TIMESTAMP_INVALID for the timestamp of another message", () => {
    expect(refusal(stamp(), [authorityOf(TSA)], utf8("another")).code).toBe("TIMESTAMP_INVALID");
  });

  test.each([
    ["the root has the certificate", { withoutCertificate: true }, 0],
    ["the certificate came along", {}, 1],
  ])(
    "refuses it with any bit turned over, but for those that nothing vouches for: %s",
    (_, changes, above) => {
      const response = stamp(changes);
      const { chain, ...rest } = authorityOf(TSA);
      const taken: number[] = [];
      for (let i = 0; i < response.length; i++) {
        const bad = response.with(i, (response[i] ?? 0) ^ (1 << (i % 8)));
        try {
          const { time } = verifyTimestamp(bad, MESSAGE, [{ ...rest, chain: chain.slice(above) }]);
          expect(time).toEqual(TIME);
          taken.push(i);
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^TIMESTAMP_/) });
        }
      }
      // The status, and two versions.
      expect(taken.length).toBeLessThanOrEqual(3);
    },
  );

  test("refuses it cut off at any place, and with bytes behind its end", () => {
    const response = stamp();
    for (let i = 0; i < response.length; i += 3) {
      expect(refusal(response.subarray(0, i)).code).toBe("TIMESTAMP_INVALID");
    }
    expect(refusal(Uint8Array.from([...response, 0])).code).toBe("TIMESTAMP_INVALID");
  });
});

describe("verifyTimestamp() of what openssl has stamped", () => {
  const folder = mkdtempSync(join(tmpdir(), "timestamps-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const path = (name: string): string => join(folder, name);
  const openssl = (...args: readonly string[]): void => {
    const { status, stderr } = spawnSync("openssl", args, { encoding: "utf8", cwd: folder });
    if (status !== 0) throw new Error(`openssl ${args.join(" ")}: ${stderr}`);
  };

  function makeOpensslAuthority(key: readonly string[]): TrustedAuthority {
    writeFileSync(path("serial"), "01\n");
    writeFileSync(
      path("ts.cnf"),
      `[tsa]\ndefault_tsa = one\n[one]\nserial = ${path("serial")}\nsigner_cert = ${path("leaf.pem")}\nsigner_key = ${path("leaf.key")}\nsigner_digest = sha256\ndefault_policy = 1.2.3.4\ndigests = sha256, sha384, sha512\naccuracy = secs:1, millisecs:500\nordering = yes\ntsa_name = yes\ness_cert_id_chain = no\n[leaf]\nkeyUsage = critical, digitalSignature\nextendedKeyUsage = critical, timeStamping\n`,
    );
    const made = [...key, "-nodes", "-days", "2"];
    openssl(
      "req",
      "-x509",
      ...made,
      "-keyout",
      "root.key",
      "-out",
      "root.pem",
      "-subj",
      "/CN=root",
    );
    openssl(
      "req",
      ...key,
      "-nodes",
      "-keyout",
      "leaf.key",
      "-out",
      "leaf.csr",
      "-subj",
      "/CN=leaf",
    );
    openssl(
      ...["x509", "-req", "-in", "leaf.csr", "-CA", "root.pem", "-CAkey", "root.key"],
      ...["-set_serial", "7", "-days", "1", "-extfile", "ts.cnf", "-extensions", "leaf"],
      ...["-out", "leaf.pem"],
    );
    const der = (name: string): Uint8Array => {
      openssl("x509", "-in", `${name}.pem`, "-outform", "DER", "-out", `${name}.der`);
      return new Uint8Array(readFileSync(path(`${name}.der`)));
    };
    const chain = [der("leaf"), der("root")].map(parseCertificate);
    return { uri: "openssl", chain, validFor: {} };
  }

  test.each([
    ["ECDSA", "sha256", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]],
    ["ECDSA", "sha512", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"]],
    ["RSA", "sha384", ["-newkey", "rsa:2048"]],
  ] as const)("takes one by an %s key over the %s of the message", (_, digest, key) => {
    const authority = makeOpensslAuthority(key);
    writeFileSync(path("message"), MESSAGE);
    const stampBy = (...query: readonly string[]): Uint8Array => {
      openssl("ts", "-query", "-data", "message", `-${digest}`, "-out", "q.tsq", ...query);
      openssl("ts", "-reply", "-config", "ts.cnf", "-queryfile", "q.tsq", "-out", "r.tsr");
      return new Uint8Array(readFileSync(path("r.tsr")));
    };
    for (const response of [stampBy("-cert"), stampBy(), stampBy("-no_nonce", "-cert")]) {
      const { time } = verifyTimestamp(response, MESSAGE, [authority]);
      expect(Math.abs(time.getTime() - Date.now())).toBeLessThan(600_000);
      expect(() => verifyTimestamp(response, utf8("other"), [authority])).toThrow(
        expect.objectContaining({ code: "TIMESTAMP_INVALID" }),
      );
    }
  });

  test("and openssl takes what is encoded as a request", () => {
    const nonce = Uint8Array.fromHex("8f00000000000001");
    const query = encodeTimestampRequest({ algorithm: "sha256", digest: sha256(MESSAGE), nonce });
    writeFileSync(path("ours.tsq"), query);
    const { stdout } = spawnSync("openssl", ["ts", "-query", "-in", "ours.tsq", "-text"], {
      encoding: "utf8",
      cwd: folder,
    });
    expect(stdout).toContain("Hash Algorithm: sha256");
    expect(stdout).toContain("Nonce: 0x8F00000000000001");
    expect(stdout).toContain("Certificate required: yes");
  });
});
