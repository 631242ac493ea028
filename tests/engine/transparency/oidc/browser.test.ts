import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { inspect } from "node:util";
import { CosignError } from "../../../../engine/model/errors.ts";
import { startIssuer } from "../../../support/oidc_issuer.ts";
import { browse, logIn, openTestIdentity, pages, testPerson } from "./_log_in.ts";

const issuer = startIssuer([
  { id: "sigstore" },
  { id: "other" },
  { id: "web", secret: "s3 cret/+" },
]);
afterEach(() => {
  issuer.reset();
  pages.length = 0;
});
afterAll(() => issuer.close());

const SHORT = { logInTimeoutMs: 300 };
/** The one request of a kind that the issuer has seen. */
const asked = (path: string) => {
  expect(issuer.count(path)).toBe(1);
  return issuer.requests.find((each) => each.path === path)?.parameters ?? {};
};
const noBrowser = () =>
  Promise.reject(new CosignError("FEATURE_UNAVAILABLE", "Cannot open a browser: none"));

describe("a log-in by browser", () => {
  test("asks with PKCE, state and nonce, comes back to cosign's address, and says so as cosign does", async () => {
    const person = testPerson();
    const token = await logIn(issuer.url, {}, { person });
    expect(token).toMatchObject({ issuer: issuer.url, proofSubject: "mail@example.com" });
    const question = asked("/authorize");
    expect(question).toMatchObject({
      response_type: "code",
      client_id: "sigstore",
      scope: "openid email",
      redirect_uri: expect.stringMatching(/^http:\/\/localhost:[1-9]\d+\/auth\/callback$/),
      code_challenge_method: "S256",
    });
    for (const name of ["state", "nonce", "code_challenge"]) {
      expect(question[name]?.length).toBeGreaterThanOrEqual(43); // 256 bits
    }
    expect(person.told()).toStartWith(
      `Your browser will now be opened to:\n${issuer.url}/authorize?response_type=code&`,
    );
    expect(await pages[0]).toMatch(/^200 .*You are logged in/);
  });

  test("asks another question each time", async () => {
    await logIn(issuer.url);
    await logIn(issuer.url);
    const [first, second] = issuer.requests.filter(({ path }) => path === "/authorize");
    for (const name of ["state", "nonce", "code_challenge"]) {
      expect(first?.parameters[name]).not.toBe(second?.parameters[name]);
    }
  });

  test("checks signatures by RSA too", async () => {
    issuer.settings.signature = "RS256";
    expect((await logIn(issuer.url)).email).toBe("mail@example.com");
  });

  test("proves a client's secret in the form, or by Basic where that is all the issuer takes", async () => {
    const client = { clientId: "web", clientSecret: "s3 cret/+" };
    await logIn(issuer.url, client);
    issuer.settings.metadata = { token_endpoint_auth_methods_supported: ["client_secret_basic"] };
    await logIn(issuer.url, client);
    const [form, basic] = issuer.requests.filter(({ path }) => path === "/token");
    expect([form?.parameters["client_secret"], form?.authorization]).toEqual(["s3 cret/+", null]);
    expect(basic?.parameters["client_secret"]).toBeUndefined();
    expect(basic?.authorization).toStartWith("Basic ");
  });

  test("comes back to the address that is named, at a free port where it names none", async () => {
    await logIn(issuer.url, { redirectUrl: "http://127.0.0.1:0/back" });
    expect(asked("/authorize")["redirect_uri"]).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d+\/back$/);
  });

  test.each([
    "https://localhost/cb",
    "http://example.com:8080/cb",
    "http://10.0.0.1:80/cb",
    "urn:ietf:wg:oauth:2.0:oob",
    "nonsense",
  ])("throws USAGE for the redirect URL %s, which is not on this machine", async (redirectUrl) => {
    await expect(logIn(issuer.url, { redirectUrl })).rejects.toMatchObject({ code: "USAGE" });
  });

  test("throws IDENTITY_UNAVAILABLE with a hint for a port that is taken", async () => {
    using taken = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    const redirectUrl = `http://localhost:${taken.port}/cb`;
    await expect(logIn(issuer.url, { redirectUrl })).rejects.toMatchObject({
      code: "IDENTITY_UNAVAILABLE",
      hint: expect.stringContaining("--oidc-redirect-url"),
    });
  });

  test("is refused by name where the issuer has no PKCE", async () => {
    issuer.settings.metadata = { code_challenge_methods_supported: ["plain"] };
    await expect(logIn(issuer.url)).rejects.toMatchObject({
      code: "SERVICE_PROTOCOL",
      message: expect.stringContaining("PKCE"),
    });
  });

  test("says what the issuer says when somebody does not agree", async () => {
    issuer.settings.callback = {
      code: undefined,
      error: "access_denied",
      error_description: "no\u001b[2J",
    };
    await expect(logIn(issuer.url)).rejects.toMatchObject({
      code: "LOGIN_REFUSED",
      message: `Cannot log in at "${issuer.url}": it answers "access_denied": no [2J`,
      hint: expect.any(String),
    });
    expect(await pages[0]).toMatch(/^400 .*failed/);
    expect(issuer.count("/token")).toBe(0);
  });

  test("does not wait for a browser that was closed meanwhile", async () => {
    const browser = new AbortController();
    issuer.settings.instead = async ({ path }) => {
      if (path !== "/token") return undefined;
      browser.abort();
      await Bun.sleep(50); // until the port has noticed
      return undefined;
    };
    const openUrl = async (url: string): Promise<void> => {
      const answer = await fetch(url, { redirect: "manual" });
      const location = answer.headers.get("location") ?? "";
      fetch(location, { signal: browser.signal }).catch(() => {});
    };
    const person = testPerson({ openUrl });
    expect((await logIn(issuer.url, {}, { person })).email).toBe("mail@example.com");
    expect(browser.signal.aborted).toBe(true);
  });

  test("ends when its asker has gone, and closes the port", async () => {
    const asker = new AbortController();
    let back = "";
    const openUrl = (url: string): Promise<void> => {
      back = new URL(url).searchParams.get("redirect_uri") ?? "";
      asker.abort();
      return Promise.resolve();
    };
    const source = await openTestIdentity(issuer.url, {}, { person: testPerson({ openUrl }) });
    await expect(source.token(asker.signal)).rejects.toMatchObject({ code: "CANCELLED" });
    await source[Symbol.asyncDispose]();
    await expect(fetch(back)).rejects.toThrow();
  });
});

describe("a log-in without a browser", () => {
  test("prints a link and takes a code, as cosign does", async () => {
    const seen: string[] = [];
    const person = testPerson({
      openUrl: noBrowser,
      promptLine: async (question) => {
        person.tell(question);
        const link = /^\t (http.*)$/m.exec(person.told())?.[1] ?? "";
        seen.push(link);
        return /Your code: (\S+)</.exec(await (await fetch(link)).text())?.[1];
      },
    });
    expect((await logIn(issuer.url, {}, { person })).email).toBe("mail@example.com");
    expect(person.told()).toBe(
      `error opening browser: Cannot open a browser: none\nGo to the following link in a browser:\n\n\t ${seen[0]}\nEnter verification code: \n`,
    );
    expect(asked("/token")["redirect_uri"]).toBe("urn:ietf:wg:oauth:2.0:oob");
  });

  test("is the way out when the browser does not come back in time", async () => {
    const person = testPerson({ openUrl: () => Promise.resolve() });
    await expect(logIn(issuer.url, {}, { person, ...SHORT })).rejects.toMatchObject({
      code: "IDENTITY_UNAVAILABLE",
      message: expect.stringContaining("no code was entered"),
    });
    expect(person.told()).toContain("error getting code from local server: timeout\nGo to the");
  });

  test("throws IDENTITY_UNAVAILABLE where nobody could bring a code", async () => {
    const person = testPerson({ openUrl: noBrowser, stdinKind: () => "nothing" });
    await expect(logIn(issuer.url, { flow: "normal" }, { person })).rejects.toMatchObject({
      code: "IDENTITY_UNAVAILABLE",
      hint: expect.stringContaining("--fulcio-auth-flow device"),
    });
  });

  test("throws LOGIN_REFUSED for a code that is none", async () => {
    const person = testPerson({ openUrl: noBrowser, promptLine: () => Promise.resolve("guess") });
    await expect(logIn(issuer.url, {}, { person })).rejects.toMatchObject({
      code: "LOGIN_REFUSED",
    });
  });
});

describe("attacks on a log-in by browser", () => {
  const withBack = (onTheWay: (back: URL) => URL | Promise<URL>) =>
    logIn(issuer.url, {}, { person: testPerson({ openUrl: browse(onTheWay) }), ...SHORT });
  const changed = (name: string, value: string | undefined) =>
    withBack((back) => {
      if (value === undefined) back.searchParams.delete(name);
      else back.searchParams.set(name, value);
      return back;
    });

  test.each([
    ["another state", "x".repeat(43)],
    ["no state", undefined],
    ["an empty state", ""],
  ])(
    "LOGIN_FORGED: an answer with %s is not taken, and no code is redeemed (CVE-2026-24408)",
    async (_, state) => {
      await expect(changed("state", state)).rejects.toMatchObject({
        code: "LOGIN_FORGED",
        hint: expect.any(String),
      });
      expect(await pages[0]).toMatch(/^400 .*not the answer/);
      expect(issuer.count("/token")).toBe(0);
    },
  );

  test("an answer with the state twice is not taken", async () => {
    const twice = withBack((back) => {
      back.searchParams.append("state", back.searchParams.get("state") ?? "");
      return back;
    });
    await expect(twice).rejects.toMatchObject({ code: "LOGIN_FORGED" });
    expect(issuer.count("/token")).toBe(0);
  });

  test("what other pages send to the port does not end the log-in", async () => {
    const statuses: number[] = [];
    const garbage = async (back: URL): Promise<URL> => {
      const at = (path: string) => new URL(path, back);
      const attempts: readonly [URL, RequestInit?][] = [
        [at("/")],
        [at("/favicon.ico")],
        [at("/auth/callback?code=evil&state=guess")],
        [at("/auth/callback?error=access_denied")],
        [back, { method: "POST", body: back.search }],
        [back, { headers: { host: `evil.example:${back.port}` } }],
        [at(`/auth/callback/${"x".repeat(4000)}`)],
      ];
      for (const [url, init] of attempts) statuses.push((await fetch(url, init)).status);
      return back;
    };
    expect((await withBack(garbage)).email).toBe("mail@example.com");
    expect(statuses).toEqual([404, 404, 400, 400, 404, 404, 404]);
    expect(issuer.count("/token")).toBe(1);
  });

  test("connections that say nothing do not keep the log-in from its end", async () => {
    const sockets: { end(): void }[] = [];
    const silent = async (back: URL): Promise<URL> => {
      for (let number = 0; number < 20; number++) {
        const port = Number(back.port);
        sockets.push(await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } }));
      }
      return back;
    };
    expect((await withBack(silent)).email).toBe("mail@example.com");
    for (const socket of sockets) socket.end();
  });

  test("a second answer is not taken", async () => {
    const statuses: number[] = [];
    issuer.settings.instead = async ({ path, parameters }) => {
      if (path !== "/token") return undefined;
      // While the first code is redeemed, another one comes, with the same state.
      const state = asked("/authorize")["state"] ?? "";
      const second = await fetch(`${parameters["redirect_uri"]}?code=evil&state=${state}`);
      statuses.push(second.status);
      return undefined;
    };
    expect((await logIn(issuer.url)).email).toBe("mail@example.com");
    expect(statuses).toEqual([400]);
    expect(issuer.count("/token")).toBe(1);
  });

  test.each([
    ["names another issuer", "https://evil.example", {}],
    [
      "names none, though the issuer says that it does",
      undefined,
      { authorization_response_iss_parameter_supported: true },
    ],
  ])("LOGIN_FORGED: an answer that %s is a mix-up (RFC 9207)", async (_, iss, metadata) => {
    issuer.settings.metadata = metadata;
    await expect(changed("iss", iss)).rejects.toMatchObject({
      code: "LOGIN_FORGED",
      hint: expect.stringContaining("mix two issuers up"),
    });
    expect(issuer.count("/token")).toBe(0);
  });

  test("an answer that names the issuer is taken", async () => {
    issuer.settings.metadata = { authorization_response_iss_parameter_supported: true };
    expect((await changed("iss", issuer.url)).email).toBe("mail@example.com");
  });

  test("LOGIN_REFUSED: a code for another client is not redeemed", async () => {
    const stolen = withBack(async (back) => {
      const url = new URL(`${issuer.url}/authorize`);
      url.search = `${new URLSearchParams({ ...asked("/authorize"), client_id: "other" })}`;
      const answer = await fetch(url, { redirect: "manual" });
      const other = new URL(answer.headers.get("location") ?? "").searchParams.get("code");
      back.searchParams.set("code", other ?? "");
      return back;
    });
    await expect(stolen).rejects.toMatchObject({
      code: "LOGIN_REFUSED",
      message: expect.stringContaining("invalid_grant"),
    });
  });

  test("LOGIN_REFUSED: a code that was stolen elsewhere does not fit our verifier", async () => {
    const stolen = withBack(async (back) => {
      const url = new URL(`${issuer.url}/authorize`);
      url.search = `${new URLSearchParams({ ...asked("/authorize"), code_challenge: "x".repeat(43) })}`;
      const answer = await fetch(url, { redirect: "manual" });
      const other = new URL(answer.headers.get("location") ?? "").searchParams.get("code");
      back.searchParams.set("code", other ?? "");
      return back;
    });
    await expect(stolen).rejects.toMatchObject({ code: "LOGIN_REFUSED" });
  });

  const past = Math.floor(Date.now() / 1000) - 3600;
  test.each([
    ["with the nonce of another log-in", { nonce: "n".repeat(43) }, "nonce"],
    ["without a nonce", { nonce: undefined }, "nonce"],
    ["for another audience", { aud: "other" }, "aud"],
    ["of another issuer", { iss: "https://evil.example" }, "iss"],
    ["that has expired", { exp: past, iat: past - 60 }, "expir"],
    ["that is not valid yet", { nbf: past + 7200 }, "nbf"],
    ["for several audiences and another party", { aud: ["sigstore", "b"], azp: "b" }, "azp"],
    ["whose email address is not verified", { email_verified: false }, "not verified"],
  ])("IDENTITY_TOKEN_INVALID: a token %s", async (_, claims, why) => {
    issuer.settings.claims = claims;
    await expect(logIn(issuer.url)).rejects.toMatchObject({
      code: "IDENTITY_TOKEN_INVALID",
      message: expect.stringContaining(why),
    });
    expect(await pages[0]).toMatch(/^400 .*failed/);
  });

  test("IDENTITY_TOKEN_INVALID: a token that another key has signed", async () => {
    issuer.settings.signature = "foreign";
    await expect(logIn(issuer.url)).rejects.toMatchObject({
      code: "IDENTITY_TOKEN_INVALID",
      message: expect.stringContaining("signature"),
    });
  });

  test.each(["none", "HS256"] as const)(
    "IDENTITY_TOKEN_INVALID: a token that is signed by %s",
    async (alg) => {
      issuer.settings.signature = alg;
      await expect(logIn(issuer.url)).rejects.toMatchObject({ code: "IDENTITY_TOKEN_INVALID" });
      issuer.settings.metadata = { id_token_signing_alg_values_supported: [alg] };
      await expect(logIn(issuer.url)).rejects.toMatchObject({ code: "IDENTITY_TOKEN_INVALID" });
    },
  );

  test("no error and nothing that is told has a code, a token or a secret in it", async () => {
    const secrets: string[] = ["s3 cret/+", "s3%20cret"];
    const lies = [
      { claims: { aud: "other" } },
      { claims: { nonce: "n".repeat(43) } },
      { signature: "foreign" as const },
      { idTokens: false },
      { signature: "HS256" as const },
    ];
    for (const lie of lies) {
      issuer.reset();
      Object.assign(issuer.settings, lie);
      issuer.settings.instead = ({ parameters: { code, code_verifier } }) => {
        secrets.push(...[code, code_verifier].filter((each) => each !== undefined));
        return undefined;
      };
      const person = testPerson();
      const client = { clientId: "web", clientSecret: "s3 cret/+" };
      const error = await logIn(issuer.url, client, { person }).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(CosignError);
      const shown = inspect(error, { depth: 20, showHidden: true }) + person.told();
      expect(shown).not.toMatch(/eyJ[A-Za-z0-9_-]{10}/); // any JWT
      for (const each of secrets) expect(shown).not.toContain(each);
    }
  });
});
