import { describe, expect, test } from "bun:test";
import { parseIdentityToken } from "../../../engine/transparency/identity_token.ts";

const CLAIMS = { iss: "https://issuer.test", sub: "me", aud: "sigstore", exp: 1_900_000_000 };
const encode = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const tokenOf = (claims: unknown): string => `${encode({ alg: "none" })}.${encode(claims)}.c2ln`;

describe("parseIdentityToken()", () => {
  test("reads issuer, subject and end", () => {
    expect(parseIdentityToken(`${tokenOf(CLAIMS)}\n`)).toEqual({
      raw: tokenOf(CLAIMS),
      issuer: "https://issuer.test",
      subject: "me",
      proofSubject: "me",
      expiresAt: new Date("2030-03-17T17:46:40Z"),
    });
  });

  test.each([true, "true"])("proves the email address that is verified (%p)", (verified) => {
    const token = tokenOf({ ...CLAIMS, email: "a@b.test", email_verified: verified });
    expect(parseIdentityToken(token)).toMatchObject({
      email: "a@b.test",
      proofSubject: "a@b.test",
    });
  });

  test.each([
    ["an email address that is not verified", { email: "a@b.test", email_verified: false }],
    ["an email address of which nothing is said", { email: "a@b.test" }],
    ["no issuer", { iss: undefined }],
    ["no end", { exp: undefined }],
    ["an end that is text", { exp: "1900000000" }],
    ["nobody", { sub: undefined }],
    ["another audience", { aud: ["other"] }],
  ])("throws IDENTITY_TOKEN_INVALID for a token with %s", (_, changes) => {
    expect(() => parseIdentityToken(tokenOf({ ...CLAIMS, ...changes }), "sigstore")).toThrow(
      expect.objectContaining({ code: "IDENTITY_TOKEN_INVALID" }),
    );
  });

  test.each([
    ["nothing", ""],
    ["a word", "token"],
    ["two parts", "a.b"],
    ["four parts", "a.b.c.d"],
    ["a list", tokenOf([])],
    ["null", tokenOf("null")],
    ["no JSON", tokenOf("{")],
    ["a claim twice", tokenOf('{"iss":"a","iss":"b","sub":"c","exp":1900000000}')],
    ["too long", tokenOf({ ...CLAIMS, more: "x".repeat(20_000) })],
  ])("throws IDENTITY_TOKEN_INVALID for %s", (_, raw) => {
    expect(() => parseIdentityToken(raw)).toThrow(
      expect.objectContaining({ code: "IDENTITY_TOKEN_INVALID" }),
    );
  });

  test("shows nothing of a token that it refuses", () => {
    const secret = encode({ ...CLAIMS, sub: "a secret", exp: "x" });
    try {
      parseIdentityToken(`e30.${secret}.c2ln`);
      expect.unreachable();
    } catch (error) {
      expect(String(error)).not.toContain("secret");
      expect(String(error)).not.toContain(secret.slice(0, 10));
    }
  });
});
