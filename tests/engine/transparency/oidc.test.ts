import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { utf8 } from "../../../engine/model/bytes.ts";
import { startIssuer } from "../../support/oidc_issuer.ts";
import { type Sigstore, startSigstore } from "../../support/sigstore_server.ts";
import { browse, openTestIdentity, testClock, testPerson } from "./oidc/_log_in.ts";

const issuer = startIssuer([{ id: "sigstore" }, { id: "bot", secret: "s" }]);
const sigstore: Sigstore = await startSigstore();
const folder = mkdtempSync(join(tmpdir(), "oidc-"));
afterEach(() => issuer.reset());
afterAll(async () => {
  await Promise.all([issuer.close(), sigstore.close()]);
  rmSync(folder, { recursive: true });
});

const { signal } = new AbortController();
const ambient = { disableAmbientProviders: false };
const variable = (token: string) => ({ env: { SIGSTORE_ID_TOKEN: token } });

describe("openIdentity()", () => {
  test("takes the token that is given before one of the environment", async () => {
    const given = { ...ambient, identityToken: sigstore.oidcToken({ sub: "given" }) };
    await using source = await openTestIdentity(
      issuer.url,
      given,
      variable(sigstore.oidcToken({ sub: "ambient" })),
    );
    expect(source).toMatchObject({ needsPerson: false });
    expect(source.flow).toBeUndefined();
    expect((await source.token(signal)).proofSubject).toBe("given");
  });

  test("takes a token of the environment before a log-in, even of a flow that is named", async () => {
    const context = variable(sigstore.oidcToken({ sub: "ambient" }));
    await using source = await openTestIdentity(
      issuer.url,
      { ...ambient, flow: "device" },
      context,
    );
    expect(source.needsPerson).toBe(false);
    expect((await source.token(signal)).proofSubject).toBe("ambient");
    expect(issuer.requests).toEqual([]);
  });

  test("asks nobody of the environment where that is said", async () => {
    const context = variable(sigstore.oidcToken({ sub: "ambient" }));
    await using source = await openTestIdentity(issuer.url, {}, context);
    expect(source).toMatchObject({ needsPerson: true, flow: "normal" });
    expect((await source.token(signal)).proofSubject).toBe("mail@example.com");
  });

  test.each([
    ["a terminal", "terminal", "normal"],
    ["a pipe", "stream", "device"],
    ["nothing to read", "nothing", "device"],
  ] as const)(
    "needs somebody to log in; with %s by the flow that cosign takes",
    async (_, kind, flow) => {
      const person = testPerson({ stdinKind: () => kind });
      await using source = await openTestIdentity(issuer.url, {}, { person });
      expect(source).toMatchObject({ needsPerson: true, flow });
    },
  );

  test("takes standard input that holds a list for nobody at a terminal", async () => {
    await using source = await openTestIdentity(issuer.url, {}, { stdinIsTaken: true });
    expect(source.flow).toBe("device");
  });

  test("needs nobody for client credentials", async () => {
    const bot = { clientId: "bot", clientSecret: "s", flow: "client_credentials" } as const;
    await using source = await openTestIdentity(issuer.url, bot);
    expect(source.needsPerson).toBe(false);
    expect((await source.token(signal)).email).toBe("mail@example.com");
  });

  test("asks nobody before a token is asked for", async () => {
    await using source = await openTestIdentity(issuer.url);
    expect(source.needsPerson).toBe(true);
    expect(issuer.requests).toEqual([]);
  });

  test("throws USAGE for the flow of tokens without a token, and for contradictions", async () => {
    for (const wrong of [
      { flow: "token" as const },
      { provider: "github-actions", disableAmbientProviders: true },
      { provider: "nobody", disableAmbientProviders: false },
    ]) {
      await expect(openTestIdentity(issuer.url, wrong)).rejects.toMatchObject({ code: "USAGE" });
    }
  });

  test("throws IDENTITY_UNAVAILABLE for a provider that is named and not there", async () => {
    const named = { ...ambient, provider: "github-actions" };
    await expect(openTestIdentity(issuer.url, named)).rejects.toMatchObject({
      code: "IDENTITY_UNAVAILABLE",
      hint: expect.stringContaining("debug providers"),
    });
  });
});

describe("--identity-token", () => {
  const given = async (identityToken: string, context = {}) => {
    await using source = await openTestIdentity(issuer.url, { identityToken }, context);
    return await source.token(signal);
  };

  test("is a token, a file that holds one, or standard input", async () => {
    const token = sigstore.oidcToken({ sub: "me" });
    const file = join(folder, "token");
    writeFileSync(file, `${token}\n`);
    const person = testPerson({ readStdin: () => Promise.resolve(utf8(`${token}\n`)) });
    expect((await given(token)).raw).toBe(token);
    expect((await given(file)).raw).toBe(token);
    expect((await given("-", { person })).raw).toBe(token);
  });

  test("is a file that is read anew when its token has expired", async () => {
    const file = join(folder, "renewed");
    const clock = testClock();
    const seconds = Math.floor(clock.now().getTime() / 1000);
    writeFileSync(file, sigstore.oidcToken({ sub: "me", exp: seconds + 60 }));
    await using source = await openTestIdentity(issuer.url, { identityToken: file }, { clock });
    const first = await source.token(signal);
    clock.pass(57);
    writeFileSync(file, sigstore.oidcToken({ sub: "me", exp: seconds + 600 }));
    const second = await source.token(signal);
    expect(second.expiresAt > first.expiresAt).toBe(true);
  });

  test("throws IDENTITY_EXPIRED with a hint for a token that is over", async () => {
    await expect(
      given(sigstore.oidcToken({ sub: "me", exp: 1_700_000_000 })),
    ).rejects.toMatchObject({
      code: "IDENTITY_EXPIRED",
      hint: expect.stringContaining("resume"),
    });
  });

  test("throws FILE_READ for what is neither token nor file, and does not show it: it may be a token", async () => {
    const cut = sigstore.oidcToken().slice(0, -1).replace(".", "..");
    for (const text of [join(folder, "absent"), cut, `"${sigstore.oidcToken()}"`]) {
      const error = await given(text).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "FILE_READ" });
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(text.slice(0, 20));
    }
  });

  test("throws IDENTITY_TOKEN_INVALID for a file with something else, LIMIT_EXCEEDED for a large one", async () => {
    const file = join(folder, "other");
    for (const bytes of [utf8("no token"), Uint8Array.of(0xff, 0xfe)]) {
      writeFileSync(file, bytes);
      await expect(given(file)).rejects.toMatchObject({ code: "IDENTITY_TOKEN_INVALID" });
    }
    writeFileSync(file, "x".repeat(100_000));
    await expect(given(file)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });

  test("throws IDENTITY_TOKEN_INVALID at once for a million dots (CVE-2025-66506)", async () => {
    const file = join(folder, "dots");
    writeFileSync(file, ".".repeat(60_000));
    await expect(given(file)).rejects.toMatchObject({ code: "IDENTITY_TOKEN_INVALID" });
    await expect(given(".".repeat(1_000_000))).rejects.toMatchObject({ code: "FILE_READ" });
  });

  test("throws USAGE where standard input holds a list", async () => {
    const both = openTestIdentity(issuer.url, { identityToken: "-" }, { stdinIsTaken: true });
    await expect(both).rejects.toMatchObject({ code: "USAGE" });
  });
});

describe("the source of identities", () => {
  test("gives the same token to all, and lets one log in for all", async () => {
    await using source = await openTestIdentity(issuer.url);
    const tokens = await Promise.all([source.token(signal), source.token(signal)]);
    tokens.push(await source.token(signal));
    expect(new Set(tokens.map(({ raw }) => raw)).size).toBe(1);
    expect(issuer.count("/authorize")).toBe(1);
  });

  test("renews by a refresh token without a person, by each one only once", async () => {
    Object.assign(issuer.settings, { refreshTokens: true, tokenLife: 60 });
    const clock = testClock();
    const person = testPerson({ stdinKind: () => "nothing" });
    const context = { clock, person };
    await using source = await openTestIdentity(issuer.url, { flow: "normal" }, context);
    const first = await source.token(signal);
    for (let round = 0; round < 3; round++) {
      clock.pass(57);
      issuer.settings.claims = { exp: Math.floor(clock.now().getTime() / 1000) + 60 };
      expect((await source.token(signal)).expiresAt > first.expiresAt).toBe(true);
    }
    expect(issuer.count("/authorize")).toBe(1);
    expect(issuer.count("/token")).toBe(4);
  });

  test("asks for a refresh token where that is wanted and the issuer has them, else not", async () => {
    const scopes_supported = ["openid", "email", "offline_access"];
    const scopes: unknown[] = [];
    for (const [renewable, metadata] of [
      [true, { scopes_supported }],
      [false, { scopes_supported }],
      [true, {}],
    ] as const) {
      issuer.settings.metadata = metadata;
      for (const flow of ["normal", "device"] as const) {
        await using source = await openTestIdentity(
          issuer.url,
          { renewable, flow },
          { clock: testClock() },
        );
        await source.token(signal);
        const path = flow === "normal" ? "/authorize" : "/device/code";
        const { scope, prompt } =
          issuer.requests.findLast((each) => each.path === path)?.parameters ?? {};
        scopes.push([scope, prompt]);
      }
    }
    expect(scopes).toEqual([
      ["openid email offline_access", "consent"],
      ["openid email offline_access", undefined],
      ...Array(4).fill(["openid email", undefined]),
    ]);
  });

  test("throws IDENTITY_EXPIRED where somebody would have to log in again, and there is no terminal", async () => {
    issuer.settings.tokenLife = 60;
    const clock = testClock();
    const person = testPerson({ stdinKind: () => "nothing" });
    await using source = await openTestIdentity(issuer.url, { flow: "normal" }, { clock, person });
    await source.token(signal);
    clock.pass(57);
    await expect(source.token(signal)).rejects.toMatchObject({
      code: "IDENTITY_EXPIRED",
      hint: expect.stringContaining("resume"),
    });
    expect(issuer.count("/authorize")).toBe(1);
  });

  test("lets somebody at a terminal log in again, also when the refresh token is no good any more", async () => {
    Object.assign(issuer.settings, { refreshTokens: true, tokenLife: 60 });
    const clock = testClock();
    await using source = await openTestIdentity(issuer.url, {}, { clock });
    await source.token(signal);
    clock.pass(57);
    issuer.settings.instead = ({ parameters }) =>
      parameters["grant_type"] === "refresh_token"
        ? Response.json({ error: "invalid_grant" }, { status: 400 })
        : undefined;
    issuer.settings.claims = { exp: Math.floor(clock.now().getTime() / 1000) + 60 };
    await source.token(signal);
    expect(issuer.count("/authorize")).toBe(2);
  });

  test("gets client credentials anew", async () => {
    issuer.settings.tokenLife = 60;
    const clock = testClock();
    const bot = { clientId: "bot", clientSecret: "s", flow: "client_credentials" } as const;
    await using source = await openTestIdentity(issuer.url, bot, { clock });
    await source.token(signal);
    clock.pass(57);
    issuer.settings.claims = { exp: Math.floor(clock.now().getTime() / 1000) + 60 };
    await source.token(signal);
    expect(issuer.count("/token")).toBe(2);
    expect(issuer.count("/.well-known/openid-configuration")).toBe(1);
  });

  test("throws IDENTITY_TOKEN_INVALID when another logs in for the rest of the run", async () => {
    issuer.settings.tokenLife = 60;
    const clock = testClock();
    await using source = await openTestIdentity(issuer.url, {}, { clock });
    await source.token(signal);
    clock.pass(57);
    issuer.settings.claims = {
      exp: Math.floor(clock.now().getTime() / 1000) + 60,
      email: "other@example.com",
    };
    await expect(source.token(signal)).rejects.toMatchObject({
      code: "IDENTITY_TOKEN_INVALID",
      message: expect.stringContaining('"other@example.com"'),
    });
  });

  test("logs in anew after a log-in that failed", async () => {
    let attempts = 0;
    const openUrl = browse((back) => {
      attempts += 1;
      if (attempts === 1) back.searchParams.set("iss", "https://evil.example");
      return back;
    });
    const person = testPerson({ openUrl });
    await using source = await openTestIdentity(issuer.url, {}, { person });
    await expect(source.token(signal)).rejects.toMatchObject({ code: "LOGIN_FORGED" });
    expect((await source.token(signal)).email).toBe("mail@example.com");
  });

  test("keeps to itself what goes wrong after its asker has gone", async () => {
    const faults: unknown[] = [];
    const onFault = (fault: unknown): void => {
      faults.push(fault);
    };
    process.on("unhandledRejection", onFault);
    try {
      issuer.settings.instead = () => new Response("no", { status: 404 });
      const source = await openTestIdentity(issuer.url);
      const late = source.token(AbortSignal.abort());
      await expect(late).rejects.toMatchObject({ code: "CANCELLED" });
      await Bun.sleep(200); // the log-in fails meanwhile, and a rejection that nobody handles is told of
      expect(issuer.requests).toHaveLength(1);
      expect(faults).toEqual([]);
      await source[Symbol.asyncDispose]();
    } finally {
      process.off("unhandledRejection", onFault);
    }
  });

  test("gives nothing any more when it is closed", async () => {
    const source = await openTestIdentity(issuer.url);
    await source[Symbol.asyncDispose]();
    await expect(source.token(signal)).rejects.toThrow(TypeError);
  });
});
