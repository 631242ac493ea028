import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { matchesGlob } from "../../engine/batch/_glob.ts";
import { policyWarnings } from "../../engine/batch/policy_schema.ts";
import { checkManifest } from "../../engine/batch/schema.ts";
import { encodeDer, TAG } from "../../engine/crypto/der.ts";
import { parsePublicKeyDer } from "../../engine/crypto/public_key.ts";
import { parseBundle } from "../../engine/formats/bundle.ts";
import { parseCheckpoint } from "../../engine/formats/checkpoint.ts";
import { type DsseEnvelope, encodePae } from "../../engine/formats/dsse.ts";
import type { Evidence, SignatureMaterial } from "../../engine/formats/evidence.ts";
import { parseLogBody } from "../../engine/formats/log_body.ts";
import type { LogEntry } from "../../engine/formats/log_entry.ts";
import { embeddedScts } from "../../engine/formats/sct.ts";
import { encodeSimpleSigning } from "../../engine/formats/simple_signing.ts";
import { parseTimestamp } from "../../engine/formats/timestamp.ts";
import type { TrustedRoot } from "../../engine/formats/trusted_root.ts";
import { dottedOid, parseCertificate } from "../../engine/formats/x509.ts";
import { utf8 } from "../../engine/model/bytes.ts";
import { type Digest, parseDigest } from "../../engine/model/digest.ts";
import type { ErrorCode } from "../../engine/model/errors.ts";
import { openTufCache } from "../../engine/trust/tuf_cache.ts";
import { openMirror } from "../../engine/trust/tuf_mirror.ts";
import { loadTufRepository } from "../../engine/trust/tuf_repository.ts";
import { verifyAttestation } from "../../engine/verify/attestation.ts";
import { verifyBlob } from "../../engine/verify/blob.ts";
import { type ClaimedSigner, expectedSigner } from "../../engine/verify/blob_signer.ts";
import { verifyCertificate } from "../../engine/verify/certificate.ts";
import { openEnvelope } from "../../engine/verify/envelope.ts";
import { checkIdentity } from "../../engine/verify/identity.ts";
import { parsePattern } from "../../engine/verify/re2.ts";
import { findSigner, messageContent, type SignerPolicy } from "../../engine/verify/signer.ts";
import { verifyTimestamp } from "../../engine/verify/timestamp.ts";
import { verify } from "../../engine/verify/verify.ts";
import { makeTimestampAuthority, TIME_STAMPING } from "../support/_sigstore_tsa.ts";
import {
  extension,
  makeAuthority,
  makeLeaf,
  newKey,
  type TestCertificate,
} from "../support/certificates.ts";
import {
  authorityOf,
  hashedRekord,
  type Kit,
  makeKit,
  materialOf,
  policyOf,
  SIGNED_AT,
  SUBJECT,
  signBytes,
  stamp,
} from "../support/keyless_kit.ts";
import { TestTufRepository } from "../support/tuf_repository.ts";
import { readVectorText } from "../support/vectors.ts";

setDefaultTimeout(60_000);
const kit = makeKit();
const MESSAGE = utf8("an artifact");
const X: Digest = parseDigest(`sha256:${"a".repeat(64)}`);
const Y: Digest = parseDigest(`sha256:${"b".repeat(64)}`);

function expectCode(code: ErrorCode, action: () => unknown): void {
  expect(action).toThrow(expect.objectContaining({ code }));
}

/** A legacy signature of an image, with a promise of Rekor v1's. */
function signImage(image: Digest, certificate: TestCertificate = kit.certify()) {
  const payload = encodeSimpleSigning("registry.example/app", image, {});
  const signature = signBytes(certificate, payload);
  const { proof: _, ...entry } = kit.v1.take(
    hashedRekord(1, { message: payload, signature, der: certificate.der }),
  );
  const material: SignatureMaterial = {
    ...materialOf(certificate, { logEntries: [entry] }),
    logEvidence: "promise",
  };
  return { certificate, payload, signature, entry, material };
}

function verifyImage(
  image: Digest,
  {
    payload,
    signature,
    material,
  }: Pick<ReturnType<typeof signImage>, "payload" | "signature" | "material">,
  policy: SignerPolicy = policyOf(kit.root),
) {
  const evidence: Evidence = {
    source: { place: "signature-tag", manifestDigest: image, layerDigest: image },
    content: { kind: "simple-signing", payload, signature },
    material,
  };
  return verify(evidence, "registry.example/app", image, {
    ...policy,
    annotations: {},
    checkClaims: true,
  });
}

/** A signature of {@link MESSAGE} in Rekor v2 with a timestamp. */
function signMessage(from: Kit = kit, certificate: TestCertificate = from.certify()) {
  const signature = signBytes(certificate, MESSAGE);
  const entry = from.v2.take(
    hashedRekord(2, { message: MESSAGE, signature, der: certificate.der }),
  );
  const timestamps = [stamp(from.tsa, signature)];
  return {
    certificate,
    signature,
    entry,
    material: materialOf(certificate, { logEntries: [entry], timestamps }),
  };
}

function check(
  { signature, material }: { readonly signature: Uint8Array; readonly material: SignatureMaterial },
  policy: SignerPolicy = policyOf(kit.root),
) {
  return findSigner(messageContent(MESSAGE), [signature], material, policy);
}

const keyOf = ({ privateKey }: TestCertificate) =>
  parsePublicKeyDer(parseCertificate(makeLeaf(kit.authority, { key: privateKey }).der).spki, "key");
const keyed = (one: TestCertificate, more: Partial<SignerPolicy> = {}): SignerPolicy => {
  const { witnesses } = policyOf(kit.root);
  return { keys: [keyOf(one)], ...(witnesses === undefined ? {} : { witnesses }), ...more };
};

describe("entries of something else", () => {
  test("CVE-2022-23649, GHSA-ccxc-vr6p-4858: a sound entry of another image's signature vouches for nothing, with a key and without", () => {
    const x = signImage(X);
    const y = signImage(Y);
    expect(verifyImage(Y, y).format).toBe("legacy");
    const pasted = { ...y, material: { ...y.material, logEntries: [x.entry] } };
    expectCode("LOG_ENTRY_MISMATCH", () => verifyImage(Y, pasted));
    const byKey = { ...y, material: { ...pasted.material, certificates: [] } };
    expectCode("LOG_ENTRY_MISMATCH", () => verifyImage(Y, byKey, keyed(y.certificate)));
  });

  test("CVE-2026-22703, GHSA-whqx-f9j3-ch6m: a promise that is sound over a body with another signature or key is refused on every path", () => {
    const one = signImage(X);
    const again = signBytes(one.certificate, one.payload);
    const parts = { message: one.payload, signature: one.signature, der: one.certificate.der };
    const bodies = [
      hashedRekord(1, { ...parts, signature: again }),
      hashedRekord(1, { ...parts, der: kit.certify().der }),
      hashedRekord(1, { ...parts, message: MESSAGE }),
    ];
    for (const body of bodies) {
      const { proof: _, ...entry } = kit.v1.take(body);
      const lied = { ...one, material: { ...one.material, logEntries: [entry] } };
      expectCode("LOG_ENTRY_MISMATCH", () => verifyImage(X, lied));
      expectCode("LOG_ENTRY_MISMATCH", () => verifyImage(X, lied, keyed(one.certificate)));
      const bare = { ...lied, material: { ...lied.material, certificates: [] } };
      expectCode("LOG_ENTRY_MISMATCH", () => verifyImage(X, bare, keyed(one.certificate)));
      const proved = kit.v1.take(body);
      const bundled = {
        signature: one.signature,
        material: materialOf(one.certificate, { logEntries: [proved] }),
      };
      expectCode("LOG_ENTRY_MISMATCH", () =>
        findSigner(
          messageContent(one.payload),
          [one.signature],
          bundled.material,
          policyOf(kit.root),
        ),
      );
    }
  });

  test("CVE-2022-36056, GHSA-8gw7-4j42-w388: given certificate, the bundle's, key and identity must all fit", () => {
    const one = signMessage();
    const own = parseCertificate(one.certificate.der);
    const stranger = parseCertificate(kit.certify().der);
    const blob = {
      source: "a",
      bytes: MESSAGE,
      digests: { sha256: new Bun.CryptoHasher("sha256").update(MESSAGE).digest() },
    };
    const run = (
      given: typeof own | undefined,
      brought: typeof own,
      key: boolean | undefined,
      identity: string,
    ) => {
      const { certificates, ...rest } = policyOf(kit.root);
      if (certificates === undefined) throw new Error("no policy");
      const identities = [{ identity: { exact: identity } }];
      const policy: SignerPolicy = {
        ...rest,
        ...(key === undefined
          ? {
              certificates: {
                ...certificates,
                identities,
                ...(given === undefined ? {} : { certificate: given }),
              },
            }
          : { keys: [keyOf(key ? one.certificate : kit.certify())] }),
      };
      const claimed: ClaimedSigner = {
        kind: "certificate",
        certificate: brought,
        isKeyless: true,
        intermediates: [],
      };
      const material = { ...one.material, certificates: [brought.der] };
      return verifyBlob(
        blob,
        { kind: "signature", signature: one.signature },
        material,
        expectedSigner(policy, claimed).policy,
      );
    };
    expect(run(undefined, own, undefined, SUBJECT).certificate).toBeDefined();
    expect(run(own, own, undefined, SUBJECT).certificate).toBeDefined();
    const refused: readonly Parameters<typeof run>[] = [
      [own, stranger, undefined, SUBJECT],
      [stranger, own, undefined, SUBJECT],
      [stranger, stranger, undefined, SUBJECT],
      [undefined, stranger, undefined, SUBJECT],
      [own, own, undefined, "somebody@example.com"],
      [undefined, own, true, SUBJECT],
      [undefined, own, false, SUBJECT],
      [undefined, stranger, true, SUBJECT],
    ];
    for (const each of refused) expect(() => run(...each)).toThrow();
  });

  test("CVE-2023-47122, GHSA-xvrc-2wvh-49vc, CVE-2024-51746: an entry that is signed by a log of the attacker's own counts for nothing, whatever key came with it", () => {
    const evil = makeKit();
    const one = signMessage();
    const parts = { message: MESSAGE, signature: one.signature, der: one.certificate.der };
    const foreign = evil.v1.take(hashedRekord(1, parts));
    const posing: LogEntry = { ...foreign, logId: kit.v1.keyId };
    const material = (logEntries: readonly LogEntry[]) => ({
      ...one,
      material: { ...one.material, logEntries },
    });
    expectCode("LOG_UNTRUSTED", () => check(material([foreign])));
    expectCode("LOG_ENTRY_INVALID", () => check(material([posing])));
    // Of several entries, as a search may answer, a wrong one is not passed over.
    const other = kit.v2.take(hashedRekord(2, { ...parts, message: utf8("else") }));
    expectCode("LOG_ENTRY_MISMATCH", () => check(material([one.entry, other])));
  });

  test("GHSA-r2xv-vpr2-42m9: an attestation that is sound is about its own subject only", () => {
    const { envelope, material } = signEnvelope(statementOf(X));
    const evidence: Evidence = {
      source: { place: "referrer", manifestDigest: X, layerDigest: X },
      content: { kind: "dsse", envelope },
      material,
    };
    const policy = { ...policyOf(kit.root), checkClaims: true };
    expect(verifyAttestation(evidence, X, policy).predicateType).toBe(
      "https://slsa.dev/provenance/v1",
    );
    expectCode("CLAIM_MISMATCH", () => verifyAttestation(evidence, Y, policy));
  });
});

function statementOf(
  image: Digest,
  predicateType = "https://slsa.dev/provenance/v1",
  predicate: unknown = {},
): Uint8Array {
  return utf8(
    JSON.stringify({
      _type: "https://in-toto.io/Statement/v1",
      subject: [{ name: "app", digest: { sha256: image.slice("sha256:".length) } }],
      predicateType,
      predicate,
    }),
  );
}

function signEnvelope(
  payload: Uint8Array,
  payloadType = "application/vnd.in-toto+json",
  from: Kit = kit,
) {
  const pae = encodePae(payloadType, payload);
  const certificate = from.certify();
  const sig = signBytes(certificate, pae);
  const entry = from.v2.take(
    hashedRekord(2, { message: pae, signature: sig, der: certificate.der }),
  );
  const envelope: DsseEnvelope = { payloadType, payload, signatures: [{ keyid: "", sig }] };
  return {
    envelope,
    material: materialOf(certificate, { logEntries: [entry], timestamps: [stamp(from.tsa, sig)] }),
  };
}

describe("when who vouches was valid", () => {
  test("CVE-2026-24122, GHSA-wfqv-66vq-46rm: an authority in the middle that had ended when the leaf was used is refused, with a log and without", () => {
    const ended = makeAuthority("ended", kit.authority, {
      notBefore: "20200101000000Z",
      notAfter: "20260504000000Z",
    });
    const certificate = makeLeaf(ended, {
      names: [[0x81, SUBJECT]],
      notBefore: "20260505050505Z",
      notAfter: "20260505051505Z",
    });
    const root: TrustedRoot = {
      ...kit.root,
      certificateAuthorities: [authorityOf("ca", [ended, kit.authority])],
    };
    const one = signMessage(kit, certificate);
    expectCode("CERTIFICATE_INVALID", () => check(one, policyOf(root)));
    expectCode("CERTIFICATE_INVALID", () => check(one, policyOf(root, { logs: 0, timestamps: 1 })));
    expectCode("CERTIFICATE_INVALID", () =>
      check(one, policyOf(root, { logs: 0, now: SIGNED_AT })),
    );
  });

  test("CVE-2026-54787, GHSA-wqqc-jjcq-vfxm: a key of the trusted root counts within its own time, by what the evidence states", () => {
    const year = { start: new Date("2024-01-01"), end: new Date("2025-01-01") };
    for (const log of [kit.v1, kit.v2]) {
      const one = signMessage();
      const parts = { message: MESSAGE, signature: one.signature, der: one.certificate.der };
      const entry = log.take(hashedRekord(log.version, parts));
      const root = { ...kit.root, logs: [log.trusted({ validFor: year })] };
      const material = { ...one.material, logEntries: [entry] };
      expectCode("LOG_UNTRUSTED", () => check({ ...one, material }, policyOf(root)));
    }
  });

  test("CVE-2026-49834, GHSA-9vcr-p3rj-q5q6: two entries of one log, and two timestamps of one authority, are one", () => {
    const one = signMessage();
    const parts = { message: MESSAGE, signature: one.signature, der: one.certificate.der };
    const again = kit.v2.take(hashedRekord(2, parts, "sha512"));
    const twice = { ...one, material: { ...one.material, logEntries: [one.entry, again] } };
    expectCode("LOG_ENTRY_MISSING", () => check(twice, policyOf(kit.root, { logs: 2 })));
    const later = stamp(kit.tsa, one.signature, new Date(SIGNED_AT.getTime() + 1000));
    const stamped = {
      ...one,
      material: { ...one.material, timestamps: [...one.material.timestamps, later] },
    };
    expectCode("TIMESTAMP_MISSING", () => check(stamped, policyOf(kit.root, { timestamps: 2 })));
  });

  test("CVE-2024-56138, CVE-2024-51491: what cannot be kept for the next time is no reason to refuse", async () => {
    const folder = mkdtempSync(join(tmpdir(), "cache-"));
    const content = readVectorText("trust/trusted-root.json", "keyless");
    const repository = new TestTufRepository({ targets: { "trusted_root.json": { content } } });
    await using server = repository.serve();
    try {
      const file = join(folder, "file");
      writeFileSync(file, "a file where a directory should be");
      const mirror = openMirror(server.url, { env: {}, signal: new AbortController().signal });
      const cache = openTufCache(join(file, "cache"));
      const { anchor } = repository;
      const loaded = await loadTufRepository({ anchor, cache, mirror });
      expect(await loaded.read("trusted_root.json", 100_000)).toEqual(utf8(content));
      expect(cache.fault?.code).toBe("FILE_WRITE");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("timestamps", () => {
  const one = signMessage();
  const trusted = [authorityOf("https://tsa.test", kit.tsa.chain)];

  test("CVE-2026-39984, GHSA-xm5m-wgh2-rrg3: the certificate that has signed must be the one with the use, and the one that is named", () => {
    const nonce = stamp(kit.tsa, one.signature);
    expect(verifyTimestamp(nonce, one.signature, trusted).time).toEqual(SIGNED_AT);
    // Signed by an ordinary certificate of the same authority; one with the right use lies beside it.
    const wrongUse = makeTimestampAuthority({ uses: ["2b06010505070303"] });
    const authority = [
      {
        ...authorityOf("https://tsa.test", wrongUse.chain),
        chain: authorityOf("x", wrongUse.chain).chain.slice(1),
      },
    ];
    expectCode("TIMESTAMP_UNTRUSTED", () =>
      verifyTimestamp(stamp(wrongUse, one.signature), one.signature, authority),
    );
    for (const changes of [
      { uses: [TIME_STAMPING, "2b06010505070303"] },
      { isCritical: false },
      { uses: ["551d2500"] },
    ]) {
      const tsa = makeTimestampAuthority(changes);
      expectCode("TIMESTAMP_UNTRUSTED", () =>
        verifyTimestamp(stamp(tsa, one.signature), one.signature, [authorityOf("t", tsa.chain)]),
      );
    }
    const request = stampWith({ certificateHash: new Uint8Array(32) });
    expectCode("TIMESTAMP_UNTRUSTED", () => verifyTimestamp(request, one.signature, trusted));
    expectCode("TIMESTAMP_UNTRUSTED", () =>
      verifyTimestamp(stampWith({ signingKey: newKey() }), one.signature, trusted),
    );
  });

  const stampWith = (changes: Parameters<typeof kit.tsa.answer>[1]) => {
    const query = encodeDer(
      TAG.sequence,
      encodeDer(TAG.integer, Uint8Array.of(1)),
      encodeDer(
        TAG.sequence,
        encodeDer(
          TAG.sequence,
          encodeDer(TAG.oid, Uint8Array.fromHex("608648016503040201")),
          encodeDer(TAG.null),
        ),
        encodeDer(
          TAG.octetString,
          new Uint8Array(new Bun.CryptoHasher("sha256").update(one.signature).digest()),
        ),
      ),
      encodeDer(0x01, Uint8Array.of(0xff)),
    );
    return kit.tsa.answer(query, { time: SIGNED_AT, ...changes });
  };

  test("CVE-2025-66564, GHSA-4qg8-fj49-pxjh, CVE-2026-49835, GHSA-9c54-x2g4-v92j: an object identifier of a megabyte, and one of as many parts as fit, cost nothing", () => {
    const startedMs = performance.now();
    const huge = encodeDer(TAG.oid, new Uint8Array(1_000_000).fill(0x81));
    const response = encodeDer(
      TAG.sequence,
      encodeDer(TAG.sequence, encodeDer(TAG.integer, Uint8Array.of(0))),
      encodeDer(TAG.sequence, huge, encodeDer(0xa0, new Uint8Array())),
    );
    expect(() => parseTimestamp(response)).toThrow(SyntaxError);
    expectCode("TIMESTAMP_INVALID", () => verifyTimestamp(response, one.signature, trusted));
    // A million parts of one octet each are more than a certificate may have; these are as many as it may.
    const parts = dottedOid(new Uint8Array(60_000).fill(1).toHex());
    expect(parts.split(".")).toHaveLength(60_001);
    const certificate = makeLeaf(kit.authority, {
      more: [extension("01".repeat(60_000), new Uint8Array(), true)],
    });
    expectCode("CERTIFICATE_INVALID", () =>
      verifyCertificate(
        parseCertificate(certificate.der),
        { roots: [parseCertificate(kit.authority.der)], intermediates: [] },
        SIGNED_AT,
      ),
    );
    expect(performance.now() - startedMs).toBeLessThan(5000);
  });
});

describe("names", () => {
  test("CVE-2026-22772, GHSA-59jp-pj84-45mr: an issuer or a name that only contains the wanted one is another", () => {
    const named = (name: string) =>
      parseCertificate(makeLeaf(kit.authority, { names: [[0x81, name]] }).der);
    const exact = { identity: { exact: "a@b.example" } };
    expect(() => checkIdentity(named("a@b.example"), exact)).not.toThrow();
    for (const trick of [
      "a@b.example.evil.io",
      "xa@b.example",
      "A@b.example",
      "a@b.example ",
      "a@b.examp",
    ]) {
      expectCode("IDENTITY_MISMATCH", () => checkIdentity(named(trick), exact));
    }
    // A pattern that is not tied to both ends is told of, also where "multiline" makes its ends those of lines.
    for (const loose of ["a@b", "^a@b", "a@b$", "(?m)^a@b$", "^a@b$|c", "(^a@b)$|^c"]) {
      expect([loose, parsePattern(loose).isAnchored]).toEqual([loose, false]);
    }
    for (const tied of ["^a@b$", "\\Aa@b\\z", "^(?:a|b)$", "(?:^a$|^b$)"]) {
      expect([tied, parsePattern(tied).isAnchored]).toEqual([tied, true]);
    }
    const anchored = { identity: { pattern: parsePattern("^https://accounts\\.example\\.com$") } };
    const uri = (text: string) =>
      parseCertificate(makeLeaf(kit.authority, { names: [[0x86, text]] }).der);
    expect(() => checkIdentity(uri("https://accounts.example.com"), anchored)).not.toThrow();
    expectCode("IDENTITY_MISMATCH", () =>
      checkIdentity(uri("https://accounts.example.com.evil.io"), anchored),
    );
    // No pattern, and no name, takes long (ReDoS).
    const startedMs = performance.now();
    expect(parsePattern("^((a+)+)+$").test(`${"a".repeat(5000)}!`)).toBe(false);
    expect(performance.now() - startedMs).toBeLessThan(5000);
  });

  test("CVE-2021-41087, GHSA-pmwq-pjrm-6p5r: what globs of manifests match is written down: no negation, no classes, no escapes", () => {
    const golden: readonly (readonly [string, string, boolean])[] = [
      ["!team/*", "team/api", false],
      ["!team/*", "!team/api", true],
      ["[!a]", "b", false],
      ["[a-z]", "b", false],
      ["{a,b}", "a", false],
      ["\\*", "*", false],
      ["\\*", "\\anything", true],
      ["team/*", "team/a/b", false],
      ["team/**", "team/a/b", true],
      ["*", ".hidden", true],
      ["team/../*", "team/../x", true],
      ["team/../*", "x", false],
      ["TEAM/*", "team/api", false],
    ];
    for (const [glob, name, matches] of golden)
      expect([glob, name, matchesGlob(glob, name)]).toEqual([glob, name, matches]);
  });

  test("CVE-2025-62375: what a document in a predicate says of who made it makes nobody a signer", () => {
    const aws = {
      instanceId: "i-1",
      accountID: "123456789012",
      publickey: "AAAA",
      signature: "AAAA",
    };
    const payload = statementOf(X, "https://witness.dev/attestations/aws/v0.1", aws);
    const stranger = makeKit();
    const { envelope, material } = signEnvelope(payload, undefined, stranger);
    expect(() => openEnvelope(envelope, material, policyOf(kit.root))).toThrow();
    expect(
      openEnvelope(envelope, material, policyOf(stranger.root)).statement.predicateType,
    ).toContain("aws");
  });

  test("CVE-2024-23332, GHSA-57wx-m636-g3g8: a policy that lets everything pass is an error, one that asks little is warned of", () => {
    const policy = (p: unknown) => checkManifest({ version: 1, policies: { p }, targets: ["a/b"] });
    const identity = { issuer: "https://i", subject: "s" };
    for (const empty of [
      {},
      { identities: [] },
      { keys: [] },
      { identities: [{}] },
      { identities: [{ issuerRegExp: ".*", subjectRegExp: ".*" }] },
    ]) {
      expect(policy(empty)).not.toHaveProperty("version");
    }
    const warned = policyWarnings({
      loose: { identities: [{ issuerRegExp: "^https://i$", subjectRegExp: "me" }] },
      unwatched: { identities: [identity], transparency: "none", sct: false },
      fine: { identities: [identity] },
    });
    expect(warned).toEqual([
      expect.stringMatching(/^policies\.loose\.identities\[0\]\.subjectRegExp may match/),
      expect.stringMatching(/^policies\.unwatched\.transparency asks no log/),
      expect.stringMatching(/^policies\.unwatched\.sct/),
    ]);
  });
});

describe("what is too much, or of a strange form", () => {
  test("CVE-2023-30551, CVE-2023-33199, CVE-2026-23831, CVE-2026-24117, CVE-2026-48702: entries with empty parts, addresses instead of content, and archives are refused, and nothing is fetched", () => {
    const one = signMessage();
    const url = "http://169.254.169.254/latest/meta-data";
    const key = { content: utf8("-----BEGIN").toBase64() };
    const bodies: readonly object[] = [
      { kind: "hashedrekord", apiVersion: "0.0.1", spec: {} },
      { kind: "hashedrekord", apiVersion: "0.0.1", spec: { data: { hash: null }, signature: {} } },
      {
        kind: "hashedrekord",
        apiVersion: "0.0.1",
        spec: { data: { url }, signature: { url, publicKey: { url } } },
      },
      {
        kind: "rekord",
        apiVersion: "0.0.1",
        spec: { data: { url }, signature: { format: "x509", url, publicKey: { url } } },
      },
      {
        kind: "rekord",
        apiVersion: "0.0.1",
        spec: {
          data: { hash: { algorithm: "sha256", value: "" } },
          signature: { content: "", publicKey: key },
        },
      },
      { kind: "intoto", apiVersion: "0.0.2", spec: { content: {}, publicKey: "" } },
      { kind: "intoto", apiVersion: "0.0.1", spec: { content: { envelope: "" }, publicKey: url } },
      { kind: "dsse", apiVersion: "0.0.1", spec: { payloadHash: {}, signatures: [{}] } },
      { kind: "dsse", apiVersion: "0.0.1", spec: {} },
      { kind: "cose", apiVersion: "0.0.1", spec: { message: "" } },
      { kind: "jar", apiVersion: "0.0.1", spec: { archive: { url, content: "UEsDBA==" } } },
      { kind: "alpine", apiVersion: "0.0.1", spec: { package: { url }, publicKey: { url } } },
      { kind: "rpm", apiVersion: "0.0.1", spec: { package: { url }, publicKey: { url } } },
      { kind: "tuf", apiVersion: "0.0.1", spec: { metadata: { url }, root: { url } } },
      { kind: "rfc3161", apiVersion: "0.0.1", spec: { tsr: { content: "" } } },
      {
        kind: "hashedrekord",
        apiVersion: "0.0.2",
        spec: { hashedRekordV002: { data: {}, signature: { verifier: {} } } },
      },
      { kind: "hashedrekord", apiVersion: "9.9.9", spec: {} },
    ];
    for (const body of bodies) {
      expect(() => parseLogBody(utf8(JSON.stringify(body)))).toThrow(SyntaxError);
      const entry = kit.v1.take(body);
      expectCode("LOG_ENTRY_INVALID", () =>
        check({ ...one, material: { ...one.material, logEntries: [entry] } }),
      );
    }
    for (const text of ["", "null", "[]", "{", '{"kind":1}'])
      expect(() => parseLogBody(utf8(text))).toThrow(SyntaxError);
  });

  test("sigstore-js 1702: the same entry twice is refused, also with another checkpoint", () => {
    const one = signMessage();
    const later = kit.v2.entry(one.entry.body, one.entry.logIndex, SIGNED_AT);
    for (const twice of [
      [one.entry, one.entry],
      [one.entry, later],
    ]) {
      expectCode("LOG_ENTRY_INVALID", () =>
        check({ ...one, material: { ...one.material, logEntries: twice } }),
      );
    }
  });

  test("sigstore-js 1722: sizes that are no numbers, names that are patterns, and JSON that is none end in a refusal", () => {
    const root = new Uint8Array(32).toBase64();
    const note = (size: string, name = "log.test") =>
      `log.test\n${size}\n${root}\n\n\u2014 ${name} ${new Uint8Array(72).toBase64()}\n`;
    expect(parseCheckpoint(note("12")).treeSize).toBe(12);
    for (const size of [
      "1e309",
      "1e3",
      "-1",
      "0x10",
      "012",
      "9".repeat(30),
      "",
      " 1",
      "1n",
      "NaN",
      "12.0",
    ]) {
      expect(() => parseCheckpoint(note(size))).toThrow(SyntaxError);
    }
    const one = signMessage();
    const startedMs = performance.now();
    for (const name of ["((a+)+)$", `${"a".repeat(250)}!`, "(.*)*"]) {
      const checkpoint = note("12", name);
      const proof = one.entry.proof;
      if (proof === undefined) throw new Error("no proof");
      const logEntries = [{ ...one.entry, proof: { ...proof, checkpoint } }];
      expectCode("LOG_ENTRY_INVALID", () =>
        check({ ...one, material: { ...one.material, logEntries } }),
      );
    }
    expect(performance.now() - startedMs).toBeLessThan(5000);
    for (const text of ["{", "[1e999]", '{"mediaType":1e309}', "null", '"x"']) {
      expect(() => parseBundle(utf8(text))).toThrow(SyntaxError);
    }
  });

  test("sigstore-js 1678: DER that is cut, too long, nested or not the shortest is refused, and never read beyond", () => {
    const { der } = kit.certify();
    for (let end = 0; end < der.length; end += 7) {
      expect(() => parseCertificate(der.subarray(0, end))).toThrow(SyntaxError);
    }
    for (const hex of [
      "3080",
      "308000",
      "3084ffffffff",
      "30820001",
      "3081010500",
      "1f8101",
      "30",
      "",
      "3003020100ff",
    ]) {
      expect(() => parseCertificate(Uint8Array.fromHex(hex))).toThrow(SyntaxError);
    }
    const deep = Array.from({ length: 5000 }).reduce<Uint8Array>(
      (inner) => encodeDer(TAG.sequence, inner),
      new Uint8Array(),
    );
    expect(() => parseCertificate(deep)).toThrow(SyntaxError);
  });

  test("sigstore-js 1659: a time in an entry without a promise is nobody's", () => {
    const one = signMessage();
    const integratedTime = Math.floor(SIGNED_AT.getTime() / 1000);
    const material = {
      ...one.material,
      timestamps: [],
      logEntries: [{ ...one.entry, integratedTime }],
    };
    expectCode("LOG_ENTRY_INVALID", () => check({ ...one, material }));
  });

  test("sigstore-js 1657: the length of a payload type counts bytes", () => {
    const { envelope, material } = signEnvelope(
      statementOf(X),
      "application/vnd.in-toto+json;é\u{1f600}",
    );
    // It is signed soundly, and is no in-toto statement.
    expectCode("ENVELOPE_INVALID", () => openEnvelope(envelope, material, policyOf(kit.root)));
    const text = new TextDecoder().decode(encodePae("é\u{1f600}", utf8("é")));
    expect(text).toBe("DSSEv1 6 é\u{1f600} 2 é");
  });

  test("sigstore-js 1658: extensions are told by their whole identifier", () => {
    const value = encodeDer(0x0c, utf8("https://issuer.example"));
    const issuers = (hex: string) =>
      parseCertificate(makeLeaf(kit.authority, { more: [extension(hex, value)] }).der);
    const wanted = { issuer: { exact: "https://issuer.example" } };
    const FULCIO = "2b0601040183bf3001";
    expect(() => checkIdentity(issuers(`${FULCIO}08`), wanted)).not.toThrow();
    for (const near of [`${FULCIO}0801`, `${FULCIO}8108`, FULCIO, `${FULCIO}18`, `01${FULCIO}08`]) {
      expectCode("IDENTITY_MISMATCH", () => checkIdentity(issuers(near), wanted));
    }
    expect(embeddedScts(issuers("2b06010401d67902040201"))).toEqual([]);
  });

  test("CVE-2023-33957, CVE-2023-25656, CVE-2023-33958: signatures, entries, timestamps and authorities without end are cut off, or cost little", () => {
    const tree = (changes: object) =>
      utf8(
        JSON.stringify({
          mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
          verificationMaterial: { publicKey: {}, ...changes },
          messageSignature: { signature: "AAAA" },
        }),
      );
    const entry = {
      logIndex: "1",
      logId: { keyId: "AAAA" },
      kindVersion: { kind: "a", version: "b" },
      canonicalizedBody: "AAAA",
    };
    expect(() =>
      parseBundle(tree({ tlogEntries: Array.from({ length: 33 }, () => entry) })),
    ).toThrow("at most 32");
    const rfc3161Timestamps = Array.from({ length: 33 }, () => ({ signedTimestamp: "AAAA" }));
    expect(() => parseBundle(tree({ timestampVerificationData: { rfc3161Timestamps } }))).toThrow(
      "at most 32",
    );
    const startedMs = performance.now();
    // As many as are read, of each.
    const payload = statementOf(X);
    const sigs = Array.from({ length: 100 }, (_, i) => signBytes(kit.certify(), utf8(`${i}`)));
    const one = signMessage();
    const logEntries = Array.from({ length: 32 }, (_, i) =>
      kit.v2.take(
        hashedRekord(2, {
          message: utf8(`${i}`),
          signature: one.signature,
          der: one.certificate.der,
        }),
      ),
    );
    const envelope = {
      payloadType: "application/vnd.in-toto+json",
      payload,
      signatures: sigs.map((sig) => ({ keyid: "", sig })),
    };
    const timestamps = Array.from({ length: 32 }, (_, i) => stamp(kit.tsa, utf8(`${i}`)));
    expectCode("LOG_ENTRY_MISMATCH", () =>
      openEnvelope(envelope, { ...one.material, logEntries, timestamps }, policyOf(kit.root)),
    );
    // Authorities of one name that sign each other.
    const crowd = Array.from({ length: 40 }, () => makeAuthority("crowd", makeAuthority("crowd")));
    const leaf = makeLeaf(makeAuthority("crowd"));
    expectCode("CERTIFICATE_UNTRUSTED", () =>
      verifyCertificate(
        parseCertificate(leaf.der),
        {
          roots: [parseCertificate(kit.authority.der)],
          intermediates: crowd.map(({ der }) => parseCertificate(der)),
        },
        SIGNED_AT,
      ),
    );
    expect(performance.now() - startedMs).toBeLessThan(20_000);
  });
});
