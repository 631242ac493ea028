import { describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import type { SignatureMaterial } from "../../../engine/formats/evidence.ts";
import type { LogEntry } from "../../../engine/formats/log_entry.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import type { ErrorCode } from "../../../engine/model/errors.ts";
import { openEnvelope } from "../../../engine/verify/envelope.ts";
import { findSigner, messageContent, type SignerPolicy } from "../../../engine/verify/signer.ts";
import { MerkleTree } from "../../support/_sigstore_tree.ts";
import { makeTimestampAuthority } from "../../support/_sigstore_tsa.ts";
import type { TestCertificate } from "../../support/certificates.ts";
import {
  authorityOf,
  hashedRekord,
  type Kit,
  KitLog,
  LIFE_MS,
  makeKit,
  materialOf,
  policyOf,
  SIGNED_AT,
  signBytes,
  stamp,
  statementPae,
} from "../../support/keyless_kit.ts";

const MESSAGE = utf8("an artifact");
const OTHER = utf8("another artifact");
const LATE = new Date(SIGNED_AT.getTime() + LIFE_MS + 1000);
const kit = makeKit();
const other = makeKit();

/** A signature of {@link MESSAGE} with all that vouches for it. */
interface Sound {
  readonly certificate: TestCertificate;
  readonly signature: Uint8Array;
  readonly entry: LogEntry;
  readonly material: SignatureMaterial;
}

function sound(version: 1 | 2, at: Date = SIGNED_AT, from: Kit = kit): Sound {
  const certificate = from.certify(at);
  const signature = signBytes(certificate, MESSAGE);
  const log = version === 1 ? from.v1 : from.v2;
  const body = hashedRekord(version, { message: MESSAGE, signature, der: certificate.der });
  const entry = log.take(body, at);
  const timestamps = version === 1 ? [] : [stamp(from.tsa, signature, at)];
  return {
    certificate,
    signature,
    entry,
    material: materialOf(certificate, { logEntries: [entry], timestamps }),
  };
}

function check(
  { signature, material }: Pick<Sound, "signature" | "material">,
  policy: SignerPolicy = policyOf(kit.root),
  message = MESSAGE,
) {
  return findSigner(messageContent(message), [signature], material, policy);
}

function expectCode(code: ErrorCode, action: () => unknown, says = ""): void {
  expect(action).toThrow(expect.objectContaining({ code, message: expect.stringContaining(says) }));
}

describe("what a log's entry says", () => {
  const one = sound(2);
  const { certificate, signature } = one;
  const others = {
    message: OTHER,
    signature: signBytes(certificate, MESSAGE),
    der: kit.certify().der,
  };
  test.each([
    ["artifact", { message: others.message }, "another artifact"],
    ["signature by the same key", { signature: others.signature }, "another signature"],
    ["certificate of the same identity", { der: others.der }, "another certificate or key"],
  ] as const)(
    "of Rekor v1 and v2 must be about this %s, however sound the entry is",
    (_, changes, says) => {
      for (const [version, log] of [
        [1, kit.v1],
        [2, kit.v2],
      ] as const) {
        const parts = { message: MESSAGE, signature, der: certificate.der, ...changes };
        const entry = log.take(hashedRekord(version, parts));
        const material = { ...one.material, logEntries: [entry] };
        expectCode("LOG_ENTRY_MISMATCH", () => check({ signature, material }), says);
      }
    },
  );

  test("is of the kind and version that the bundle names, and of a kind that is known", () => {
    for (const kindVersion of [
      { kind: "hashedrekord", version: "0.0.1" },
      { kind: "dsse", version: "0.0.2" },
      { kind: "", version: "" },
    ]) {
      const material = { ...one.material, logEntries: [{ ...one.entry, kindVersion }] };
      expectCode("LOG_ENTRY_INVALID", () => check({ signature, material }), "its body is");
    }
    const unknown = kit.v2.take({ apiVersion: "0.0.2", kind: "helm", spec: {} });
    expectCode("LOG_ENTRY_INVALID", () =>
      check({ signature, material: { ...one.material, logEntries: [unknown] } }),
    );
  });

  test("leads by its proof to the checkpoint's own root hash, size and index", () => {
    const { entry } = one;
    const { proof } = entry;
    if (proof === undefined) throw new Error("no proof");
    const refuse = (changed: Partial<typeof proof>, says: string, more: Partial<LogEntry> = {}) => {
      const logEntries = [{ ...entry, ...more, proof: { ...proof, ...changed } }];
      expectCode(
        "LOG_ENTRY_INVALID",
        () => check({ signature, material: { ...one.material, logEntries } }),
        says,
      );
    };
    refuse({ rootHash: kit.v2.tree.root(3) }, "root hash is not the checkpoint's");
    refuse({ treeSize: proof.treeSize + 1 }, "of a tree of");
    refuse({ logIndex: proof.logIndex + 1 }, "the proof is of entry");
    refuse({ logIndex: proof.logIndex + 1 }, "does not lead", { logIndex: entry.logIndex + 1 });
    refuse({ hashes: proof.hashes.slice(1) }, "");
    refuse({ hashes: [...proof.hashes, new Uint8Array(32)] }, "");
    refuse({ hashes: proof.hashes.toReversed() }, "does not lead");
    refuse({ checkpoint: "" }, "checkpoint");
  });

  test("is refused with a checkpoint of another tree, of another log, and under another name", () => {
    const fresh = sound(2);
    const { entry } = fresh;
    const { proof } = entry;
    if (proof === undefined) throw new Error("no proof");
    const refuse = (checkpoint: string, says: string) => {
      const logEntries = [{ ...entry, proof: { ...proof, checkpoint } }];
      expectCode(
        "LOG_ENTRY_INVALID",
        () => check({ ...fresh, material: { ...fresh.material, logEntries } }),
        says,
      );
    };
    const tree = new MerkleTree();
    for (const each of kit.v2.tree.entries) tree.append(each);
    tree.append(utf8("one more"));
    refuse(kit.v2.checkpoint(tree), "of a tree of");
    refuse(other.v2.checkpoint(kit.v2.tree), "no signature by the log");
    refuse(kit.v1.checkpoint(kit.v2.tree, kit.v2.name), "no signature by the log");
    refuse(kit.v2.checkpoint(kit.v2.tree, "elsewhere.test"), "no signature by the log");
    refuse(kit.v2.checkpoint(kit.v2.tree, `${kit.v2.name} - 1`), "the trusted log is");
  });

  test("takes no time from an entry that nobody has signed", () => {
    const at = Math.floor(SIGNED_AT.getTime() / 1000);
    const logEntries = [{ ...one.entry, integratedTime: at }];
    expectCode(
      "LOG_ENTRY_INVALID",
      () => check({ signature, material: { ...one.material, logEntries } }),
      "nobody has signed",
    );
    const first = sound(1);
    const { promise: _, ...unsigned } = first.entry;
    expectCode(
      "LOG_ENTRY_INVALID",
      () => check({ ...first, material: { ...first.material, logEntries: [unsigned] } }),
      "nobody has signed",
    );
  });

  test("of Rekor v1 is signed with its time, its index and its log, and needs a proof in a bundle", () => {
    const first = sound(1);
    const refuse = (changed: Partial<LogEntry>) => {
      const logEntries = [{ ...first.entry, ...changed }];
      expectCode("LOG_ENTRY_INVALID", () =>
        check({ ...first, material: { ...first.material, logEntries } }),
      );
    };
    refuse({ integratedTime: (first.entry.integratedTime ?? 0) + 1 });
    refuse({ logIndex: first.entry.logIndex + 1 });
    refuse({ promise: sound(1).entry.promise ?? new Uint8Array() });
    const { proof: _, ...promised } = first.entry;
    expectCode(
      "LOG_ENTRY_INVALID",
      () => check({ ...first, material: { ...first.material, logEntries: [promised] } }),
      "no inclusion proof",
    );
    const legacy = { ...first.material, logEvidence: "promise", logEntries: [promised] } as const;
    expect(check({ ...first, material: legacy }).logEntries).toHaveLength(1);
  });

  test("may be the log's first", () => {
    const log = new KitLog(2, "fresh.rekor.test");
    const tree = new MerkleTree();
    const body = utf8(
      JSON.stringify(hashedRekord(2, { message: MESSAGE, signature, der: certificate.der })),
    );
    expect(tree.append(body)).toBe(0);
    const proof = {
      logIndex: 0,
      treeSize: 1,
      rootHash: tree.root(),
      hashes: [],
      checkpoint: log.checkpoint(tree),
    };
    const entry = {
      logIndex: 0,
      logId: log.keyId,
      kindVersion: { kind: "hashedrekord", version: "0.0.2" },
      body,
      proof,
    };
    const root = { ...kit.root, logs: [log.trusted()] };
    const { logEntries } = check(
      { signature, material: { ...one.material, logEntries: [entry] } },
      policyOf(root),
    );
    expect(logEntries[0]?.entry.logIndex).toBe(0);
  });

  test("is by a log whose address has a port and a path, but by no other host's", () => {
    const at = (baseUrl: string) => policyOf({ ...kit.root, logs: [kit.v2.trusted({ baseUrl })] });
    expect(check(one, at(`https://${kit.v2.name}:8443/rekor/`)).logEntries).toHaveLength(1);
    expectCode(
      "LOG_ENTRY_INVALID",
      () => check(one, at("https://elsewhere.test")),
      "the trusted log is",
    );
  });
});

describe("who vouches counts if it was valid at the time that the evidence states", () => {
  const before = new Date(SIGNED_AT.getTime() - 1);
  const after = new Date(SIGNED_AT.getTime() + 1);
  const then = { start: SIGNED_AT, end: SIGNED_AT };

  test.each([1, 2] as const)("the log of Rekor v%d", (version) => {
    const one = sound(version);
    const log = version === 1 ? kit.v1 : kit.v2;
    const at = (validFor: { start?: Date; end?: Date }) =>
      policyOf({ ...kit.root, logs: [log.trusted({ validFor })] });
    expect(check(one, at(then)).logEntries).toHaveLength(1);
    for (const validFor of [{ end: before }, { start: after }]) {
      expectCode("LOG_UNTRUSTED", () => check(one, at(validFor)), "was not trusted at");
    }
  });

  test.each([1, 2] as const)("the authority of certificates, with Rekor v%d", (version) => {
    const one = sound(version);
    const at = (validFor: { start?: Date; end?: Date }) =>
      policyOf({
        ...kit.root,
        certificateAuthorities: [authorityOf("ca", [kit.intermediate, kit.authority], validFor)],
      });
    expect(check(one, at(then)).certificate?.chain).toHaveLength(3);
    for (const validFor of [{ end: before }, { start: after }]) {
      expectCode("CERTIFICATE_UNTRUSTED", () => check(one, at(validFor)), "was not trusted at");
    }
  });

  test("the timestamp authority", () => {
    const at = (validFor: { start?: Date; end?: Date }) =>
      policyOf({
        ...kit.root,
        timestampAuthorities: [authorityOf("tsa", kit.tsa.chain, validFor)],
      });
    expect(check(sound(2), at(then)).timestamps).toHaveLength(1);
    for (const validFor of [{ end: before }, { start: after }]) {
      expectCode("TIMESTAMP_UNTRUSTED", () => check(sound(2), at(validFor)), "was not trusted at");
    }
  });

  test("never now: signatures of 2022 whose log and authorities have ended still verify", () => {
    const at = new Date("2022-06-01T00:00:00Z");
    const ended = { start: new Date("2021-01-01"), end: new Date("2023-01-01") };
    const root = {
      ...kit.root,
      logs: [kit.v1.trusted({ validFor: ended }), kit.v2.trusted({ validFor: ended })],
      certificateAuthorities: [authorityOf("ca", [kit.intermediate, kit.authority], ended)],
      timestampAuthorities: [authorityOf("tsa", kit.tsa.chain, ended)],
    };
    for (const version of [1, 2] as const) {
      expect(check(sound(version, at), policyOf(root)).logEntries).toHaveLength(1);
      expect(() => check(sound(version), policyOf(root))).toThrow("was not trusted at");
    }
  });
});

describe("the time at which a certificate is judged", () => {
  test("is stated by somebody who is trusted, or the certificate is refused", () => {
    const one = sound(2);
    const unstamped = { ...one, material: { ...one.material, timestamps: [] } };
    expectCode("TIME_UNKNOWN", () => check(unstamped));
    expectCode("TIME_UNKNOWN", () => check(unstamped, policyOf(kit.root, { logs: 0 })));
    expect(check(unstamped, policyOf(kit.root, { now: SIGNED_AT })).certificate).toBeDefined();
    expectCode(
      "CERTIFICATE_INVALID",
      () => check(unstamped, policyOf(kit.root, { now: LATE })),
      "has expired",
    );
  });

  test("is not the present where the evidence states one, also when the present may count", () => {
    const late = sound(2);
    const material = { ...late.material, timestamps: [stamp(kit.tsa, late.signature, LATE)] };
    const policy = policyOf(kit.root, { now: SIGNED_AT, timestamps: 1 });
    expectCode("CERTIFICATE_INVALID", () => check({ ...late, material }, policy), "has expired");
    const first = sound(1);
    expect(check(first, policyOf(kit.root, { now: LATE })).certificate).toBeDefined();
  });

  test("lies in the certificate's life for every log, and for one timestamp", () => {
    const late = sound(1, LATE);
    const certificate = kit.certify(SIGNED_AT);
    const signature = signBytes(certificate, MESSAGE);
    const body = hashedRekord(1, { message: MESSAGE, signature, der: certificate.der });
    const entry = kit.v1.take(body, LATE);
    const material = materialOf(certificate, {
      logEntries: [entry],
      timestamps: [stamp(kit.tsa, signature)],
    });
    expectCode("CERTIFICATE_INVALID", () => check({ signature, material }), "has expired");
    expect(check(late).certificate).toBeDefined();
  });

  test("a late timestamp, or somebody else's, beside a good one is named", () => {
    const one = sound(2);
    const late = stamp(kit.tsa, one.signature, LATE);
    const foreign = stamp(makeTimestampAuthority(), one.signature);
    const ofOther = stamp(kit.tsa, signBytes(one.certificate, OTHER));
    const beside = (...more: readonly Uint8Array[]) =>
      check({
        ...one,
        material: { ...one.material, timestamps: [...more, ...one.material.timestamps] },
      });
    expect(beside(late).warnings).toEqual([expect.stringContaining("has expired")]);
    expect(beside(foreign).warnings).toEqual([
      expect.stringContaining("A timestamp does not count: "),
    ]);
    expect(beside(ofOther).warnings).toEqual([
      expect.stringContaining("something else than this signature"),
    ]);
    expect(beside(...one.material.timestamps).warnings).toEqual([]);
    const only =
      (...timestamps: readonly Uint8Array[]) =>
      () =>
        check({ ...one, material: { ...one.material, timestamps } });
    expectCode("CERTIFICATE_INVALID", only(late), "has expired");
    expectCode("TIMESTAMP_UNTRUSTED", only(foreign));
    expectCode("TIMESTAMP_INVALID", only(ofOther));
  });
});

describe("thresholds count distinct witnesses (CVE-2026-49834)", () => {
  const one = sound(2);
  const parts = { message: MESSAGE, signature: one.signature, der: one.certificate.der };

  test("two entries of one log are one, also under a key that it had before; those of two logs are two", () => {
    const again = kit.v2.take(hashedRekord(2, parts, "sha512"));
    const first = kit.v1.take(hashedRekord(1, parts));
    const both = policyOf(kit.root, { logs: 2 });
    const beside = (...logEntries: readonly LogEntry[]) => ({
      ...one,
      material: { ...one.material, logEntries },
    });
    expectCode("LOG_ENTRY_MISSING", () => check(beside(one.entry, again), both), "1 < 2");
    expect(check(beside(one.entry, first), both).logEntries).toHaveLength(2);
    expectCode("LOG_ENTRY_INVALID", () => check(beside(one.entry, one.entry), both), "duplicate");
    const rotated = new KitLog(2, kit.v2.name);
    const root = { ...kit.root, logs: [kit.v2.trusted(), rotated.trusted()] };
    const newer = rotated.take(hashedRekord(2, parts));
    expectCode(
      "LOG_ENTRY_MISSING",
      () => check(beside(one.entry, newer), policyOf(root, { logs: 2 })),
      "1 < 2",
    );
  });

  test("two timestamps of one authority are one, also by another certificate of it", () => {
    const later = new Date(SIGNED_AT.getTime() + 1000);
    const again = stamp(kit.tsa, one.signature, later);
    const second = makeTimestampAuthority();
    const two = (uri: string) =>
      policyOf(
        {
          ...kit.root,
          timestampAuthorities: [
            authorityOf("https://tsa.test", kit.tsa.chain),
            authorityOf(uri, second.chain),
          ],
        },
        { timestamps: 2 },
      );
    const beside = (more: Uint8Array) => ({
      ...one,
      material: { ...one.material, timestamps: [...one.material.timestamps, more] },
    });
    expectCode("TIMESTAMP_MISSING", () => check(beside(again), two("https://other.test")), "1 < 2");
    const bySecond = stamp(second, one.signature);
    expectCode(
      "TIMESTAMP_MISSING",
      () => check(beside(bySecond), two("https://tsa.test")),
      "1 < 2",
    );
    expect(check(beside(bySecond), two("https://other.test")).timestamps).toHaveLength(2);
  });

  test("an entry of a log that nobody trusts does not count, and spoils nothing", () => {
    const foreign = other.v2.take(hashedRekord(2, parts));
    const beside = (...logEntries: readonly LogEntry[]) => ({
      ...one,
      material: { ...one.material, logEntries },
    });
    expect(check(beside(foreign, one.entry)).logEntries).toHaveLength(1);
    expectCode("LOG_UNTRUSTED", () => check(beside(foreign)));
    expectCode("LOG_UNTRUSTED", () =>
      check(beside(foreign, one.entry), policyOf(kit.root, { logs: 2 })),
    );
  });
});

describe("what is sound is taken", () => {
  test.each(["P-384", "P-521"])(
    "signatures by keys on %s, over the digest that goes with it",
    (namedCurve) => {
      const { privateKey } = generateKeyPairSync("ec", { namedCurve });
      const certificate = kit.certify(SIGNED_AT, privateKey);
      const signature = signBytes(certificate, MESSAGE);
      const digest = namedCurve === "P-384" ? "sha384" : "sha512";
      const body = hashedRekord(2, { message: MESSAGE, signature, der: certificate.der }, digest);
      const material = materialOf(certificate, {
        logEntries: [kit.v2.take(body)],
        timestamps: [stamp(kit.tsa, signature)],
      });
      expect(check({ signature, material }).key.type).toBe(
        namedCurve === "P-384" ? "ecdsa-p384" : "ecdsa-p521",
      );
    },
  );

  test("an envelope with a keyid, and one with several signatures of which one is good, which is named", () => {
    const payload = utf8(
      JSON.stringify({
        _type: "https://in-toto.io/Statement/v1",
        subject: [{ name: "x", digest: { sha256: "a".repeat(64) } }],
        predicateType: "https://example.com/p",
        predicate: {},
      }),
    );
    const pae = statementPae(payload);
    const certificate = kit.certify();
    const good = signBytes(certificate, pae);
    const bad = signBytes(kit.certify(), pae);
    const entry = kit.v2.take(
      hashedRekord(2, { message: pae, signature: good, der: certificate.der }),
    );
    const material = materialOf(certificate, {
      logEntries: [entry],
      timestamps: [stamp(kit.tsa, good)],
    });
    const open = (...sigs: readonly Uint8Array[]) =>
      openEnvelope(
        {
          payloadType: "application/vnd.in-toto+json",
          payload,
          signatures: sigs.map((sig) => ({ keyid: "whoever", sig })),
        },
        material,
        policyOf(kit.root),
      ).signer;
    expect(open(good).warnings).toEqual([]);
    expect(open(bad, good).signature).toEqual(good);
    expect(open(bad, good).warnings).toEqual([
      expect.stringContaining("the second of its 2 signatures"),
    ]);
    expect(open(good, bad).warnings).toEqual([
      expect.stringContaining("the first of its 2 signatures"),
    ]);
    expectCode("ENVELOPE_INVALID", () => open(good, good), "same signature twice");
    expectCode("LOG_ENTRY_MISMATCH", () => open(bad, signBytes(certificate, MESSAGE)));
  });

  test("a key or a certificate, whichever has signed, where a policy names both", () => {
    const one = sound(2);
    const { key } = check(one);
    const byKey: SignerPolicy = { ...policyOf(kit.root), keys: [key] };
    expect(check(one, byKey).certificate).toBeUndefined();
    const bare = {
      signature: one.signature,
      material: { ...one.material, certificates: [], logEntries: [] },
    };
    const unlogged: SignerPolicy = { ...policyOf(kit.root, { logs: 0 }), keys: [key] };
    expect(check(bare, unlogged).key.spki).toEqual(key.spki);
    const otherKey = check(sound(2)).key;
    expect(check(one, { ...byKey, keys: [otherKey] }).certificate).toBeDefined();
  });
});
