import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { startIssuer } from "../../../support/oidc_issuer.ts";
import { testContext } from "../_context.ts";
import { logIn } from "./_log_in.ts";

const client = { clientId: "bot", clientSecret: "s3cret", flow: "client_credentials" } as const;
const issuer = startIssuer([{ id: "bot", secret: "s3cret" }, { id: "sigstore" }]);
afterEach(() => issuer.reset());
afterAll(() => issuer.close());

const asClient = (changes: object = {}, context: Parameters<typeof logIn>[2] = {}) =>
  logIn(issuer.url, { ...client, ...changes }, context);
/** Answers one path otherwise. */
const answer = (path: string, make: () => Response | Promise<Response>): void => {
  issuer.settings.instead = (request) => (request.path === path ? make() : undefined);
};
const METADATA = "/.well-known/openid-configuration";

describe("a log-in by client credentials", () => {
  test("sends what cosign sends, and gets a token", async () => {
    const token = await asClient({ redirectUrl: "https://bot.example/cb" });
    expect(token).toMatchObject({ issuer: issuer.url, proofSubject: "mail@example.com" });
    const form = issuer.requests.find(({ path }) => path === "/token");
    expect(form?.parameters).toEqual({
      grant_type: "client_credentials",
      client_id: "bot",
      client_secret: "s3cret",
      scope: "openid email",
      redirect_uri: "https://bot.example/cb",
    });
  });

  test("throws LOGIN_REFUSED with a hint for a wrong secret, in the form and by Basic", async () => {
    for (const method of ["client_secret_post", "client_secret_basic"]) {
      issuer.settings.metadata = { token_endpoint_auth_methods_supported: [method] };
      await expect(asClient({ clientSecret: "wrong" })).rejects.toMatchObject({
        code: "LOGIN_REFUSED",
        message: expect.stringContaining("invalid_client"),
        hint: expect.stringContaining("--oidc-client-secret-file"),
      });
    }
  });

  test("throws LOGIN_REFUSED where the issuer gives no identity token", async () => {
    issuer.settings.idTokens = false;
    await expect(asClient()).rejects.toMatchObject({
      code: "LOGIN_REFUSED",
      message: expect.stringContaining("no identity token"),
    });
  });

  test("throws IDENTITY_TOKEN_INVALID for a token of another key, or for another client", async () => {
    issuer.settings.signature = "foreign";
    await expect(asClient()).rejects.toMatchObject({ code: "IDENTITY_TOKEN_INVALID" });
    issuer.settings.signature = "ES256";
    issuer.settings.claims = { aud: "sigstore" };
    await expect(asClient()).rejects.toMatchObject({ code: "IDENTITY_TOKEN_INVALID" });
  });
});

describe("an issuer", () => {
  test.each([
    "http://issuer.example/auth",
    "http://10.0.0.1",
    "http://localhost.example",
    "ftp://localhost",
    "issuer",
  ])("at %s throws USAGE: neither https nor on this machine", async (url) => {
    await expect(logIn(url, client)).rejects.toMatchObject({
      code: "USAGE",
      hint: expect.stringContaining("http"),
    });
  });

  test.each([
    ["that calls itself otherwise", { issuer: "https://evil.example" }],
    ["without a token endpoint", { token_endpoint: undefined }],
    ["whose token endpoint is no https URL", { token_endpoint: "http://evil.example/token" }],
    ["whose keys are at no https URL", { jwks_uri: "http://169.254.169.254/keys" }],
    ["whose keys are in a file", { jwks_uri: "file:///etc/keys" }],
    ["without keys", { jwks_uri: undefined }],
  ])("%s throws SERVICE_PROTOCOL", async (_, metadata) => {
    issuer.settings.metadata = metadata;
    await expect(asClient()).rejects.toMatchObject({ code: "SERVICE_PROTOCOL" });
  });

  test.each([
    ["http://evil.example/authorize"],
    ["javascript:alert(1)"],
    ["file:///tmp/x.desktop"],
    [undefined],
  ])("that sends browsers to %s throws SERVICE_PROTOCOL before one is opened", async (url) => {
    issuer.settings.metadata = { authorization_endpoint: url };
    await expect(logIn(issuer.url)).rejects.toMatchObject({ code: "SERVICE_PROTOCOL" });
  });

  test.each([METADATA, "/token", "/keys"])(
    "that redirects from %s is not followed: SERVICE_PROTOCOL (CVE-2026-49478)",
    async (path) => {
      let followed = 0;
      const fetch = (): Response => Response.json({ followed: ++followed });
      using other = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch });
      answer(path, () => Response.redirect(`http://127.0.0.1:${other.port}/`, 307));
      await expect(asClient()).rejects.toMatchObject({ code: "SERVICE_PROTOCOL" });
      expect(followed).toBe(0);
    },
  );

  test.each([
    ["no JSON", () => new Response("<html>", { headers: { "content-type": "text/html" } })],
    ["a list", () => Response.json([])],
    ["empty", () => new Response("")],
    ["null", () => Response.json(null)],
  ])("whose answer is %s throws SERVICE_PROTOCOL, wherever that is", async (_, make) => {
    for (const path of [METADATA, "/token", "/keys"]) {
      answer(path, make);
      await expect(asClient()).rejects.toMatchObject({ code: "SERVICE_PROTOCOL" });
    }
  });

  test("whose key set has a key of another form only throws IDENTITY_TOKEN_INVALID", async () => {
    answer("/keys", () => Response.json({ keys: [{ kty: "oct", kid: "ES256", k: "AAAA" }] }));
    await expect(asClient()).rejects.toMatchObject({ code: "IDENTITY_TOKEN_INVALID" });
  });

  test.each([METADATA, "/token", "/keys"])(
    "whose answer at %s is too long throws LIMIT_EXCEEDED",
    async (path) => {
      answer(path, () => new Response(endless(64 * 1024, 0)));
      await expect(asClient()).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    },
  );

  test("whose answer comes byte by byte and does not end throws SERVICE_UNAVAILABLE", async () => {
    answer(METADATA, () => new Response(endless(1, 20)));
    const services = testContext({ timeoutMs: 200 });
    await expect(asClient({}, { services })).rejects.toMatchObject({
      code: "SERVICE_UNAVAILABLE",
      message: expect.stringContaining("does not end"),
    });
  });

  test("that is not there throws SERVICE_UNAVAILABLE", async () => {
    answer(METADATA, () => new Response("down", { status: 503 }));
    await expect(asClient()).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    expect(issuer.count(METADATA)).toBe(3);
  });
});

function endless(pieceBytes: number, everyMs: number): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull: async (controller) => {
      await Bun.sleep(everyMs);
      controller.enqueue(new Uint8Array(pieceBytes).fill(0x20));
    },
  });
}
