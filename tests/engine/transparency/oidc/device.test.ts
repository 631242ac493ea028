import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { startIssuer } from "../../../support/oidc_issuer.ts";
import { logIn, openTestIdentity, testClock, testPerson } from "./_log_in.ts";

const issuer = startIssuer();
afterEach(() => issuer.reset());
afterAll(() => issuer.close());

const byDevice = (more: Parameters<typeof logIn>[2] = {}) =>
  logIn(issuer.url, { flow: "device" }, { clock: testClock(), ...more });

describe("a log-in by device code", () => {
  test("says what cosign says, and waits as long as the issuer wants (RFC 8628 §3.5)", async () => {
    Object.assign(issuer.settings.device, { slowDown: 2, pending: 3 });
    const [person, clock] = [testPerson(), testClock()];
    expect((await byDevice({ person, clock })).proofSubject).toBe("mail@example.com");
    expect(person.told()).toBe(
      `Enter the verification code WDJB-MJHT in your browser at: ${issuer.url}/device?user_code=WDJB-MJHT\nCode will be valid for 300 seconds\nToken received!\n`,
    );
    expect(clock.waits).toEqual([5, 10, 15, 15, 15, 15]);
  });

  test("is what one gets without a terminal, and says so", async () => {
    const person = testPerson({ stdinKind: () => "stream" });
    await logIn(issuer.url, {}, { person, clock: testClock() });
    expect(person.told()).toStartWith(
      "Non-interactive mode detected, using device flow.\nEnter the verification code ",
    );
  });

  test("waits five seconds where the issuer does not say how long", async () => {
    Object.assign(issuer.settings.device, { interval: undefined, pending: 1 });
    const clock = testClock();
    await byDevice({ clock });
    expect(clock.waits).toEqual([5, 5]);
  });

  test("binds the code by PKCE where the issuer has it, and goes without where it has not", async () => {
    await byDevice();
    const form = (path: string, at: number) =>
      issuer.requests.filter((each) => each.path === path)[at]?.parameters ?? {};
    expect(form("/device/code", 0)).toMatchObject({
      client_id: "sigstore",
      scope: "openid email",
      code_challenge_method: "S256",
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
    });
    expect(form("/token", 0)["code_verifier"]).toMatch(/^[\w-]{43,128}$/);
    issuer.settings.metadata = { code_challenge_methods_supported: undefined };
    await byDevice();
    expect(form("/device/code", 1)["code_challenge"]).toBeUndefined();
    expect(form("/token", 1)["code_verifier"]).toBeUndefined();
  });

  test("comes less often where the issuer is not there for a while", async () => {
    let failures = 2;
    issuer.settings.instead = ({ path }) => {
      if (path !== "/token" || failures === 0) return undefined;
      failures -= 1;
      return new Response("bad gateway", { status: 502 });
    };
    const clock = testClock();
    expect((await byDevice({ clock })).proofSubject).toBe("mail@example.com");
    expect(clock.waits).toEqual([5, 10, 20]);
  });

  test.each([
    ["LOGIN_EXPIRED", "the issuer says that the code has", "expired_token"],
    ["LOGIN_REFUSED", "somebody does not agree", "access_denied"],
    ["LOGIN_REFUSED", "the issuer says what nobody knows", "strange"],
  ])("throws %s when %s", async (code, _, error) => {
    issuer.settings.device.error = error;
    await expect(byDevice()).rejects.toMatchObject({ code });
    expect(issuer.count("/token")).toBe(1);
  });

  test("throws LOGIN_EXPIRED when nobody comes before the code ends, whatever the issuer says", async () => {
    Object.assign(issuer.settings.device, { pending: 1_000_000, expiresIn: 60 });
    await expect(byDevice()).rejects.toMatchObject({
      code: "LOGIN_EXPIRED",
      hint: expect.any(String),
    });
    expect(issuer.count("/token")).toBe(11);
  });

  test("throws LOGIN_EXPIRED after half an hour where a code is said to live for ever", async () => {
    Object.assign(issuer.settings.device, { pending: 1_000_000, expiresIn: 1e9, interval: 1e6 });
    const clock = testClock();
    await expect(byDevice({ clock })).rejects.toMatchObject({ code: "LOGIN_EXPIRED" });
    expect(clock.waits.every((seconds) => seconds === 60)).toBe(true);
    expect(clock.waits).toHaveLength(30);
  });

  test.each([
    ["a code that steers the terminal", { userCode: "\u001b]0;x\u0007" }],
    ["a code of two lines", { userCode: "A\nB" }],
    ["an endless code", { userCode: "A".repeat(65) }],
    ["a page that is a program", { verificationUri: "javascript:alert(1)" }],
    ["a page that is a file", { verificationUri: "file:///etc/passwd" }],
    ["a page that is none", { verificationUri: "over there" }],
  ])("throws SERVICE_PROTOCOL for %s, and shows nothing of it", async (_, lie) => {
    Object.assign(issuer.settings.device, lie);
    const person = testPerson();
    await expect(byDevice({ person })).rejects.toMatchObject({ code: "SERVICE_PROTOCOL" });
    expect(person.told()).toBe("");
  });

  test("shows a page's address without what could steer a terminal", async () => {
    issuer.settings.device.verificationUri = "https://issuer.example/\u001b[2Jx\u202e";
    const person = testPerson();
    await byDevice({ person });
    expect(person.told()).toContain("at: https://issuer.example/%1B[2Jx%E2%80%AE\n");
  });

  test("throws SERVICE_PROTOCOL where the issuer has no such log-in", async () => {
    issuer.settings.metadata = { device_authorization_endpoint: undefined };
    await expect(byDevice()).rejects.toMatchObject({
      code: "SERVICE_PROTOCOL",
      message: expect.stringContaining("device_authorization_endpoint"),
    });
  });

  test.each([
    ["for another audience", { aud: "other" }],
    ["of another issuer", { iss: "https://evil.example" }],
    ["that has expired", { exp: 1_700_000_000 }],
  ])("throws IDENTITY_TOKEN_INVALID for a token %s", async (_, claims) => {
    issuer.settings.claims = claims;
    await expect(byDevice()).rejects.toMatchObject({ code: "IDENTITY_TOKEN_INVALID" });
  });

  test("throws IDENTITY_TOKEN_INVALID for a token that another key has signed", async () => {
    issuer.settings.signature = "foreign";
    await expect(byDevice()).rejects.toMatchObject({ code: "IDENTITY_TOKEN_INVALID" });
  });

  test("ends when its asker has gone, and asks no more", async () => {
    issuer.settings.device.pending = 1_000_000;
    const asker = new AbortController();
    const person = testPerson({ tell: () => asker.abort() });
    const source = await openTestIdentity(issuer.url, { flow: "device" }, { person });
    await expect(source.token(asker.signal)).rejects.toMatchObject({ code: "CANCELLED" });
    await source[Symbol.asyncDispose]();
    expect(issuer.count("/token")).toBe(0);
  });
});
