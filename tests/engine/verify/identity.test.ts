import { describe, expect, test } from "bun:test";
import { encodeDer } from "../../../engine/crypto/der.ts";
import { parseCertificate } from "../../../engine/formats/x509.ts";
import { checkIdentity, issuerOf, wantedText } from "../../../engine/verify/identity.ts";
import { extension, makeAuthority, makeLeaf } from "../../support/certificates.ts";

const FULCIO = "2b0601040183bf3001";
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const ROOT = makeAuthority("root");
const ISSUER = extension(`${FULCIO}01`, bytes("https://issuer.example"));
const NEW_ISSUER = extension(`${FULCIO}08`, encodeDer(0x0c, bytes("https://new.example")));
const WORKFLOW = extension(`${FULCIO}05`, bytes("owner/repository"));
const certificate = parseCertificate(
  makeLeaf(ROOT, {
    names: [
      [0x81, "mail@example.com"],
      [0x86, "https://example.com/path"],
      [0x87, Uint8Array.of(127, 0, 0, 1)],
      [0x87, Uint8Array.fromHex("20010db8000000000000000000000001")],
    ],
    more: [ISSUER, WORKFLOW],
  }).der,
);
const wanted = (exact: string, pattern?: string) => wantedText(exact, pattern) ?? { exact: "" };

describe("checkIdentity()", () => {
  test("takes any name of the certificate, exactly or by a pattern that matches a part of it", () => {
    for (const exact of [
      "mail@example.com",
      "https://example.com/path",
      "127.0.0.1",
      "2001:db8::1",
    ]) {
      checkIdentity(certificate, { identity: wanted(exact) });
    }
    checkIdentity(certificate, { identity: wanted("", "@example\\.com$") });
    checkIdentity(certificate, { identity: wanted("", "example") });
  });

  test("refuses other names, and prefers the pattern to the text", () => {
    for (const identity of [
      wanted("Mail@example.com"),
      wanted("mail@example"),
      wanted("mail@example.com", "^other$"),
    ]) {
      expect(() => checkIdentity(certificate, { identity })).toThrow("none of the expected");
    }
  });

  test("checks who vouched for the name, by either of Fulcio's extensions, the newer one first", () => {
    checkIdentity(certificate, { issuer: wanted("https://issuer.example") });
    expect(() => checkIdentity(certificate, { issuer: wanted("https://x.example") })).toThrow(
      "issuer",
    );
    const both = parseCertificate(makeLeaf(ROOT, { more: [ISSUER, NEW_ISSUER] }).der);
    expect(issuerOf(both)).toBe("https://new.example");
  });

  test("lets a pattern that matches nothing take a certificate without an issuer, as cosign does", () => {
    const plain = parseCertificate(makeLeaf(ROOT).der);
    checkIdentity(plain, { issuer: wanted("", ".*") });
    expect(() => checkIdentity(plain, { issuer: wanted("", ".+") })).toThrow("nothing");
    expect(() => checkIdentity(plain, { issuer: wanted("https://issuer.example") })).toThrow(
      "nothing",
    );
  });

  test("checks what GitHub said of the workflow, exactly", () => {
    checkIdentity(certificate, { workflow: { repository: "owner/repository" } });
    for (const workflow of [{ repository: "owner/repositor" }, { ref: "refs/heads/main" }]) {
      expect(() => checkIdentity(certificate, { workflow })).toThrow("GitHub workflow");
    }
  });
});
