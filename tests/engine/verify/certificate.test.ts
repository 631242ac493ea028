import { describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { encodeDer } from "../../../engine/crypto/der.ts";
import { parseCertificate, parseCertificatesPem } from "../../../engine/formats/x509.ts";
import type { ErrorCode } from "../../../engine/model/errors.ts";
import { verifyCertificate } from "../../../engine/verify/certificate.ts";
import {
  CODE_SIGNING,
  extension,
  makeAuthority,
  makeCertificate,
  makeLeaf,
  SERVER_AUTH,
  type TestCertificate,
} from "../../support/certificates.ts";

const NOW = new Date("2026-11-22T22:00:00Z");
const ROOT = makeAuthority("root");
const MIDDLE = makeAuthority("middle", ROOT);
const LEAF = makeLeaf(MIDDLE);
const parsed = ({ der }: TestCertificate) => parseCertificate(der);

function verify(
  leaf: TestCertificate,
  between: readonly TestCertificate[] = [MIDDLE],
  roots: readonly TestCertificate[] = [ROOT],
  at: Date = NOW,
) {
  const trust = { roots: roots.map(parsed), intermediates: between.map(parsed) };
  return verifyCertificate(parsed(leaf), trust, at);
}

function refusal(why: string, code: ErrorCode = "CERTIFICATE_INVALID") {
  return { code, message: expect.stringContaining(why) };
}

function expectRefusal(action: () => unknown, why: string, code?: ErrorCode): void {
  let thrown: unknown;
  try {
    action();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject(refusal(why, code));
}

describe("verifyCertificate()", () => {
  test("finds the chain from the leaf to the root", () => {
    expect(verify(LEAF).chain.map(({ der }) => der)).toEqual([LEAF.der, MIDDLE.der, ROOT.der]);
    expect(verify(makeLeaf(ROOT), []).chain.length).toBe(2);
  });

  test("finds it among authorities of one name, and when the intermediates come in any order", () => {
    const double = makeAuthority("middle", makeAuthority("another root"));
    expect(verify(LEAF, [double, MIDDLE]).chain.length).toBe(3);
    const lower = makeAuthority("lower", MIDDLE);
    expect(verify(makeLeaf(lower), [MIDDLE, lower]).chain.length).toBe(4);
  });

  test("takes chains of RSA and Ed25519 keys", () => {
    for (const key of [
      generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
      generateKeyPairSync("ed25519").privateKey,
    ]) {
      const root = makeAuthority("root", undefined, { key });
      expect(verify(makeLeaf(root), [], [root]).chain.length).toBe(2);
    }
  });

  test("refuses a chain that ends at no root", () => {
    expectRefusal(() => verify(LEAF, []), "unknown authority", "CERTIFICATE_UNTRUSTED");
    const other = [makeAuthority("root")];
    expectRefusal(() => verify(LEAF, [MIDDLE], other), "unknown", "CERTIFICATE_UNTRUSTED");
  });

  test("refuses a root that stands among the intermediates only", () => {
    expectRefusal(() => verify(LEAF, [MIDDLE, ROOT], []), "unknown", "CERTIFICATE_UNTRUSTED");
  });

  test("refuses a certificate whose signature is another's", () => {
    const forged = makeLeaf(makeAuthority("x"), { issuerName: "middle" });
    expectRefusal(() => verify(forged), "unknown authority", "CERTIFICATE_UNTRUSTED");
    const changed = LEAF.der.slice();
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    const leaf = { ...LEAF, der: changed };
    expectRefusal(() => verify(leaf), "unknown authority", "CERTIFICATE_UNTRUSTED");
  });

  test("refuses an expired leaf, and one that is not valid yet", () => {
    const old = makeLeaf(MIDDLE, { notAfter: "20261122215959Z" });
    expectRefusal(() => verify(old), "the certificate has expired");
    const young = makeLeaf(MIDDLE, { notBefore: "20261122220001Z" });
    expectRefusal(() => verify(young), "not valid at");
    expect(verify(makeLeaf(MIDDLE, { notAfter: "20261122220000Z" })).chain.length).toBe(3);
  });

  test("CVE-2026-24122: refuses a chain whose intermediate has expired", () => {
    const middle = makeAuthority("middle", ROOT, { notAfter: "20261101000000Z" });
    const leaf = makeLeaf(middle);
    expectRefusal(() => verify(leaf, [middle]), "certificate of an authority has expired");
    const before = new Date("2026-10-31T00:00:00Z");
    expect(verify(leaf, [middle], [ROOT], before).chain.length).toBe(3);
  });

  test("refuses a chain whose root has expired or is not valid yet", () => {
    const root = makeAuthority("root", undefined, { notAfter: "20261101000000Z" });
    expectRefusal(() => verify(makeLeaf(root), [], [root]), "authority has expired");
    const future = makeAuthority("root", undefined, { notBefore: "20270101000000Z" });
    expectRefusal(() => verify(makeLeaf(future), [], [future]), "not valid at");
  });

  test("refuses issuers that are no authorities: a leaf signs no certificates", () => {
    const key = LEAF.privateKey;
    const asIssuer = { ...LEAF, subject: "leaf", privateKey: key };
    expectRefusal(() => verify(makeLeaf(asIssuer), [LEAF, MIDDLE]), "no certificate authority");
    for (const more of [{ ca: false }, { keyUsage: 0x80 }]) {
      const middle = makeAuthority("middle", ROOT, more);
      expectRefusal(() => verify(makeLeaf(middle), [middle]), "issuer");
    }
    const without = makeCertificate({ subject: "middle", issuer: ROOT });
    expectRefusal(() => verify(makeLeaf(without), [without]), "no certificate authority");
  });

  test("refuses more authorities than pathLen allows; the leaf does not count", () => {
    const root = makeAuthority("root", undefined, { pathLength: 0 });
    expect(verify(makeLeaf(root), [], [root]).chain.length).toBe(2);
    const middle = makeAuthority("middle", root);
    expectRefusal(() => verify(makeLeaf(middle), [middle], [root]), "allows 0 at most");
    const one = makeAuthority("root", undefined, { pathLength: 1 });
    const below = makeAuthority("middle", one);
    expect(verify(makeLeaf(below), [below], [one]).chain.length).toBe(3);
  });

  test("refuses keys that may not do what is asked of them", () => {
    expectRefusal(() => verify(makeLeaf(MIDDLE, { keyUsage: 0x20 })), "digital signatures");
    const web = { extendedKeyUsages: [SERVER_AUTH] };
    expectRefusal(() => verify(makeLeaf(MIDDLE, web)), "code signing");
    expect(verify(makeLeaf(MIDDLE, { extendedKeyUsages: ["551d2500"] })).chain.length).toBe(3);
    const middle = makeAuthority("middle", ROOT, web);
    expectRefusal(() => verify(makeLeaf(middle), [middle]), "code signing");
    const fine = makeAuthority("middle", ROOT, { extendedKeyUsages: [CODE_SIGNING] });
    expect(verify(makeLeaf(fine), [fine]).chain.length).toBe(3);
  });

  test("refuses critical extensions that nobody here understands, in the leaf and above", () => {
    const unknown = extension("2b0601040183bf3063", new Uint8Array([5, 0]), true);
    expectRefusal(() => verify(makeLeaf(MIDDLE, { more: [unknown] })), "unhandled critical");
    const middle = makeAuthority("middle", ROOT, { more: [unknown] });
    expectRefusal(() => verify(makeLeaf(middle), [middle]), "1.3.6.1.4.1.57264.99");
    const harmless = extension("2b0601040183bf3063", new Uint8Array([5, 0]));
    expect(verify(makeLeaf(MIDDLE, { more: [harmless] })).chain.length).toBe(3);
  });

  test("takes Fulcio's OtherName as the only, critical name", () => {
    const value = encodeDer(0xa0, encodeDer(0x0c, new TextEncoder().encode("user!example.com")));
    const other = new Uint8Array([
      ...encodeDer(0x06, Uint8Array.fromHex("2b0601040183bf300107")),
      ...value,
    ]);
    const leaf = makeLeaf(MIDDLE, { names: [[0xa0, other]] });
    expect(verify(leaf).chain[0]?.alternativeNames).toEqual([
      { kind: "other", value: "user!example.com" },
    ]);
  });

  test("refuses weak keys in the leaf and above", () => {
    const key = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
    expectRefusal(() => verify(makeLeaf(MIDDLE, { key })), "RSA of 1024 bits", "KEY_WEAK");
    const root = makeAuthority("root", undefined, { key });
    expectRefusal(() => verify(makeLeaf(root), [], [root]), "1024 bits", "KEY_WEAK");
  });

  test("does not try forever among a hundred authorities of one name", () => {
    const doubles = Array.from({ length: 40 }, () =>
      makeAuthority("loop", ROOT, { issuerName: "loop" }),
    );
    const leaf = makeLeaf(makeAuthority("loop"), {});
    const startedMs = performance.now();
    expectRefusal(() => verify(leaf, doubles), "unknown authority", "CERTIFICATE_UNTRUSTED");
    expect(performance.now() - startedMs).toBeLessThan(5000);
  });
});

describe("name constraints", () => {
  const ip = (hex: string): Uint8Array => Uint8Array.fromHex(hex);
  const cases: readonly {
    readonly what: string;
    readonly name: readonly [number, string | Uint8Array];
    readonly permitted?: readonly [number, string | Uint8Array];
    readonly excluded?: readonly [number, string | Uint8Array];
    readonly fits: boolean;
  }[] = [
    {
      what: "a mailbox at the host",
      name: [0x81, "a@example.com"],
      permitted: [0x81, "example.com"],
      fits: true,
    },
    {
      what: "a mailbox below the host",
      name: [0x81, "a@x.example.com"],
      permitted: [0x81, "example.com"],
      fits: false,
    },
    {
      what: "a mailbox below the domain",
      name: [0x81, "a@x.example.com"],
      permitted: [0x81, ".example.com"],
      fits: true,
    },
    {
      what: "one mailbox",
      name: [0x81, "a@example.com"],
      permitted: [0x81, "a@EXAMPLE.com"],
      fits: true,
    },
    {
      what: "another mailbox",
      name: [0x81, "A@example.com"],
      permitted: [0x81, "a@example.com"],
      fits: false,
    },
    {
      what: "no mailbox at all",
      name: [0x81, "example.com"],
      permitted: [0x81, "example.com"],
      fits: false,
    },
    {
      what: "an excluded host",
      name: [0x81, "a@example.com"],
      excluded: [0x81, "example.com"],
      fits: false,
    },
    {
      what: "a host below an excluded one",
      name: [0x81, "a@x.example.com"],
      excluded: [0x81, "example.com"],
      fits: false,
    },
    {
      what: "a DNS name below",
      name: [0x82, "x.example.com"],
      permitted: [0x82, "example.com"],
      fits: true,
    },
    {
      what: "a DNS name that only ends alike",
      name: [0x82, "badexample.com"],
      permitted: [0x82, "example.com"],
      fits: false,
    },
    {
      what: "a URI's host",
      name: [0x86, "https://example.com/x"],
      permitted: [0x86, "example.com"],
      fits: true,
    },
    {
      what: "a URI's user, who is no host",
      name: [0x86, "https://example.com@bad.org/"],
      permitted: [0x86, "example.com"],
      fits: false,
    },
    {
      what: "a URI without a host",
      name: [0x86, "urn:x"],
      permitted: [0x86, "example.com"],
      fits: false,
    },
    {
      what: "an address in a range",
      name: [0x87, ip("0a000001")],
      permitted: [0x87, ip("0a000000ff000000")],
      fits: true,
    },
    {
      what: "an address outside",
      name: [0x87, ip("0b000001")],
      permitted: [0x87, ip("0a000000ff000000")],
      fits: false,
    },
    {
      what: "an excluded address",
      name: [0x87, ip("0a000001")],
      excluded: [0x87, ip("0a000000ff000000")],
      fits: false,
    },
    {
      what: "a name of another kind",
      name: [0x82, "other.org"],
      permitted: [0x81, "example.com"],
      fits: true,
    },
    {
      what: "a constraint of an unknown kind",
      name: [0x82, "other.org"],
      permitted: [0xa4, encodeDer(0x30)],
      fits: false,
    },
  ];
  for (const { what, name, permitted, excluded, fits } of cases) {
    test(`${fits ? "allow" : "forbid"} ${what}`, () => {
      const root = makeAuthority("root", undefined, {
        ...(permitted === undefined ? {} : { permitted: [permitted] }),
        ...(excluded === undefined ? {} : { excluded: [excluded] }),
      });
      const middle = makeAuthority("middle", root);
      const leaf = makeLeaf(middle, { names: [name] });
      const action = () => verify(leaf, [middle], [root]);
      if (fits) expect(action().chain.length).toBe(3);
      else expectRefusal(action, "an authority forbids its names");
    });
  }
});

describe("parseCertificate()", () => {
  test("refuses a signature algorithm that differs inside and outside", () => {
    const inner = encodeDer(0x30, encodeDer(0x06, Uint8Array.fromHex("2a8648ce3d040303")));
    expect(() => parsed(makeLeaf(MIDDLE, { innerAlgorithm: inner }))).toThrow("algorithms differ");
  });

  test("refuses extensions that stand twice, and extensions in a certificate of version 1", () => {
    const extra = extension("2b0601040183bf3063", new Uint8Array([5, 0]));
    expect(() => parsed(makeLeaf(MIDDLE, { more: [extra, extra] }))).toThrow("twice");
    expect(() => parsed(makeLeaf(MIDDLE, { version: 0 }))).toThrow("version 3");
  });

  test("refuses times that are none", () => {
    for (const notAfter of ["20260231000000Z", "2026010100000Z", "260101000000+0000", "x"]) {
      expect(() => parsed(makeLeaf(MIDDLE, { notAfter }))).toThrow(/is none|tag/);
    }
    expect(
      parsed(makeLeaf(MIDDLE, { notBefore: "490101000000Z" })).notBefore.getUTCFullYear(),
    ).toBe(2049);
    expect(
      parsed(makeLeaf(MIDDLE, { notBefore: "500101000000Z" })).notBefore.getUTCFullYear(),
    ).toBe(1950);
  });

  test("refuses a NUL in a name", () => {
    const leaf = makeLeaf(MIDDLE, { names: [[0x82, "good.com\0.bad.com"]] });
    expect(() => parsed(leaf)).toThrow("printable ASCII");
  });

  test("refuses every certificate that is cut off", () => {
    for (let length = 0; length < LEAF.der.length; length++) {
      expect(() => parseCertificate(LEAF.der.slice(0, length))).toThrow(SyntaxError);
    }
    expect(() => parseCertificate(new Uint8Array([...LEAF.der, 0]))).toThrow(SyntaxError);
  });

  test("only ever throws SyntaxError, whatever bytes are changed", () => {
    for (let at = 0; at < LEAF.der.length; at++) {
      const changed = LEAF.der.slice();
      changed[at] = (changed[at] ?? 0) ^ 0x55;
      try {
        parseCertificate(changed);
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError);
      }
    }
  });
});

describe("parseCertificatesPem()", () => {
  test("reads all certificates in their order, with text around them", () => {
    const text = `chain:\n${MIDDLE.pem}and\n${ROOT.pem}`;
    expect(parseCertificatesPem(text).map(({ der }) => der)).toEqual([MIDDLE.der, ROOT.der]);
  });

  test("refuses other blocks and files without any", () => {
    const key = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    expect(() => parseCertificatesPem(MIDDLE.pem + key)).toThrow("PUBLIC KEY");
    expect(() => parseCertificatesPem("nothing")).toThrow("no block");
    expect(() => parseCertificatesPem(ROOT.pem.repeat(101))).toThrow("more than 100");
  });
});
