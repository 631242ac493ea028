import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { Compute } from "google-auth-library";
import { httpClient } from "../../../../engine/io/http.ts";
import { AMBIENT_PROVIDERS } from "../../../../engine/transparency/oidc/ambient.ts";
import { GOOGLE_WORKLOAD_IDENTITY } from "../../../../engine/transparency/oidc/ambient_google.ts";
import { credentialsFile } from "../../../../engine/transparency/oidc/google_credentials.ts";
import {
  BUILDKITE_TOKEN,
  GITHUB_TOKEN,
  googleIsAt,
  SERVICE_ACCOUNT,
  startProviders,
  type TestProviders,
} from "../../../support/identity_providers.ts";
import { type Sigstore, startSigstore } from "../../../support/sigstore_server.ts";
import { startSpiffeAgent } from "../../../support/spiffe_agent.ts";
import { testContext } from "../_context.ts";
import { openTestIdentity, testPerson } from "./_log_in.ts";

let sigstore: Sigstore;
let providers: TestProviders;
const folder = mkdtempSync(join(tmpdir(), "ambient-"));
beforeAll(async () => {
  sigstore = await startSigstore();
  providers = startProviders((aud) => sigstore.oidcToken({ aud, sub: `for ${aud}` }));
});
afterEach(() => providers.reset());
afterAll(async () => {
  await Promise.all([sigstore.close(), providers.close()]);
  rmSync(folder, { recursive: true });
});

type Env = Readonly<Record<string, string>>;
const github = (): Env => ({
  ACTIONS_ID_TOKEN_REQUEST_URL: `${providers.url}/github/token?api-version=2.0`,
  ACTIONS_ID_TOKEN_REQUEST_TOKEN: GITHUB_TOKEN,
});
const buildkite = (): Env => ({
  BUILDKITE_AGENT_ACCESS_TOKEN: BUILDKITE_TOKEN,
  BUILDKITE_AGENT_ENDPOINT: `${providers.url}/v3`,
  BUILDKITE_JOB_ID: "job-1.x",
});
const metadata = (): Env => ({ GCE_METADATA_HOST: providers.host });
const impersonation = (): Env => ({ ...metadata(), GOOGLE_SERVICE_ACCOUNT_NAME: SERVICE_ACCOUNT });

async function tokenOf(env: Env, provider?: string, person = testPerson()) {
  const services = testContext({ http: googleIsAt(providers, httpClient({ env: {} })) });
  const options = { disableAmbientProviders: false, ...(provider && { provider }) };
  await using source = await openTestIdentity("http://127.0.0.1:1", options, {
    env,
    services,
    person,
  });
  return await source.token(new AbortController().signal);
}
const isEnabled = async (name: string, env: Env) =>
  await AMBIENT_PROVIDERS.find((each) => each.name === name)?.isEnabled({
    env,
    services: testContext(),
  });

describe("the providers of the environment", () => {
  test("are cosign's, in the order in which its binary 3.1.2 has them", () => {
    expect(AMBIENT_PROVIDERS.map(({ name }) => name)).toEqual([
      "filesystem",
      "envvar",
      "github-actions",
      "buildkite-agent",
      "spiffe",
      "google-workload-identity",
      "google-impersonate",
    ]);
  });

  test("are none of them there in an environment that says nothing", async () => {
    const names = AMBIENT_PROVIDERS.map(({ name }) => name).filter((name) => name !== "filesystem");
    expect(await Promise.all(names.map((name) => isEnabled(name, {})))).toEqual(
      names.map(() => false),
    );
  });

  test("are asked one after another: the first that gives a token counts, and who failed is told", async () => {
    providers.instead = ({ path }) =>
      path === "/github/token"
        ? Response.json({ message: "down\u202e" }, { status: 403 })
        : undefined;
    const person = testPerson();
    expect((await tokenOf({ ...github(), ...buildkite() }, undefined, person)).subject).toBe(
      "for sigstore",
    );
    expect(person.told()).toBe(
      `WARNING: Cannot get an identity token of GitHub Actions from "${providers.url}/github/token?api-version=REDACTED&audience=REDACTED": it answers 403: down\n`,
    );
  });

  test("throw the last one's error when none of them gives a token", async () => {
    providers.instead = () => Response.json({ message: "no" }, { status: 403 });
    await expect(tokenOf({ ...github(), ...buildkite() })).rejects.toMatchObject({
      code: "IDENTITY_UNAVAILABLE",
      message: expect.stringContaining("Buildkite"),
    });
  });

  test("are chosen by their names, and Google's by both names and one", async () => {
    const env = { ...github(), ...impersonation() };
    for (const name of ["google", "google-impersonate", "google-workload-identity"]) {
      providers.reset();
      await tokenOf(env, name);
      expect(providers.requests.some(({ path }) => path.includes("github"))).toBe(false);
    }
  });

  test("give tokens for Fulcio only: a token for another audience is refused, and not sent on", async () => {
    providers.token = () => sigstore.oidcToken({ aud: "https://vault.example" });
    for (const env of [github(), buildkite(), metadata(), impersonation()]) {
      await expect(tokenOf(env)).rejects.toMatchObject({
        code: "IDENTITY_TOKEN_INVALID",
        hint: expect.stringContaining("--oidc-provider"),
      });
    }
  });

  test.each([
    ["github-actions", github],
    ["buildkite-agent", buildkite],
    ["google-impersonate", impersonation],
  ])(
    "%s: answers that are none are SERVICE_PROTOCOL, endless ones LIMIT_EXCEEDED",
    async (name, env) => {
      const bodies = ["", "[]", "null", "{}", '{"value":1,"token":null}', "<html>"];
      for (const body of bodies) {
        providers.instead = ({ path }) =>
          path.startsWith("/computeMetadata") ? undefined : new Response(body);
        await expect(tokenOf(env(), name)).rejects.toMatchObject({ code: "SERVICE_PROTOCOL" });
      }
      providers.instead = ({ path }) =>
        path.startsWith("/computeMetadata") ? undefined : new Response("x".repeat(300_000));
      await expect(tokenOf(env(), name)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    },
  );

  test.each([
    ["github-actions", github, GITHUB_TOKEN],
    ["buildkite-agent", buildkite, BUILDKITE_TOKEN],
    ["google-impersonate", impersonation, "ya29.access"],
  ])("%s: redirects are not followed, and no secret is in an error", async (name, env, secret) => {
    let followed = 0;
    const fetch = (): Response => Response.json({ followed: ++followed });
    using other = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch });
    providers.instead = ({ path }) =>
      path.startsWith("/computeMetadata")
        ? undefined
        : Response.redirect(`http://127.0.0.1:${other.port}/`, 302);
    const error = await tokenOf(env(), name).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "SERVICE_PROTOCOL" });
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(secret);
    expect(followed).toBe(0);
  });
});

describe("the provider envvar", () => {
  test("gives the token of SIGSTORE_ID_TOKEN, for whatever audience; an empty one is none", async () => {
    const token = sigstore.oidcToken({ aud: "own-fulcio", sub: "gitlab" });
    expect((await tokenOf({ SIGSTORE_ID_TOKEN: token })).subject).toBe("gitlab");
    expect(await isEnabled("envvar", { SIGSTORE_ID_TOKEN: "" })).toBe(false);
  });

  test("throws IDENTITY_TOKEN_INVALID for something else, without showing it", async () => {
    const error = await tokenOf({ SIGSTORE_ID_TOKEN: "hunter2" }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({
      code: "IDENTITY_TOKEN_INVALID",
      message: expect.stringContaining('"envvar"'),
    });
    expect(inspect(error)).not.toContain("hunter2");
  });
});

describe("the provider github-actions", () => {
  test("asks for a token for Fulcio behind what the URL has already", async () => {
    expect((await tokenOf(github())).subject).toBe("for sigstore");
    expect(providers.requests.map(({ query }) => query)).toEqual([
      { "api-version": "2.0", audience: "sigstore" },
    ]);
  });

  test("needs both variables", async () => {
    for (const name of Object.keys(github())) {
      expect(await isEnabled("github-actions", { ...github(), [name]: "" })).toBe(false);
    }
  });

  test("hints at the permission where GitHub refuses", async () => {
    const env = { ...github(), ACTIONS_ID_TOKEN_REQUEST_TOKEN: "wrong" };
    await expect(tokenOf(env)).rejects.toMatchObject({
      code: "IDENTITY_UNAVAILABLE",
      hint: expect.stringContaining("id-token: write"),
    });
  });

  test.each(["http://actions.example/token", "nonsense", "file:///token"])(
    "throws USAGE for the URL %s: the token would be shown to whoever listens",
    async (url) => {
      const env = { ...github(), ACTIONS_ID_TOKEN_REQUEST_URL: url };
      await expect(tokenOf(env)).rejects.toMatchObject({ code: "USAGE" });
      expect(providers.requests).toEqual([]);
    },
  );
});

describe("the provider buildkite-agent", () => {
  test("asks the agent's API for the job's token", async () => {
    expect((await tokenOf(buildkite())).subject).toBe("for sigstore");
    expect(JSON.parse(providers.requests[0]?.body ?? "")).toEqual({ audience: "sigstore" });
  });

  test("throws USAGE for an endpoint that is no https URL", async () => {
    const env = { ...buildkite(), BUILDKITE_AGENT_ENDPOINT: "http://agent.example/v3" };
    await expect(tokenOf(env)).rejects.toMatchObject({ code: "USAGE" });
  });
});

describe("the provider google-workload-identity", () => {
  test("asks the metadata server, as Google's own library does", async () => {
    expect((await tokenOf(metadata())).subject).toBe("for sigstore");
    const ours = providers.requests.at(-1);
    process.env["GCE_METADATA_HOST"] = providers.host;
    try {
      await new Compute().fetchIdToken("sigstore");
    } finally {
      delete process.env["GCE_METADATA_HOST"];
    }
    const theirs = providers.requests.at(-1);
    expect(ours?.path).toBe(theirs?.path);
    expect(ours?.query).toEqual({ audience: "sigstore", format: "full" });
    expect(ours?.query).toEqual(theirs?.query);
    expect(ours?.headers.get("metadata-flavor")).toBe("Google");
  });

  test("asks past every proxy, which would answer for another machine", async () => {
    const proxied: string[] = [];
    using proxy = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) => {
        proxied.push(request.url);
        return new Response("proxy", { status: 502 });
      },
    });
    const env = {
      HTTP_PROXY: `http://127.0.0.1:${proxy.port}`,
      GCE_METADATA_HOST: "metadata.invalid",
    };
    const services = testContext({ http: httpClient({ env }) });
    const { isEnabled: isThere } = GOOGLE_WORKLOAD_IDENTITY;
    expect(await isThere({ env, services })).toBe(false);
    expect(proxied).toEqual([]);
  });

  test("is not there where the server gives no token, or is not Google's", async () => {
    providers.instead = () => new Response("no account", { status: 404 });
    expect(await isEnabled("google-workload-identity", metadata())).toBe(false);
    providers.instead = () => new Response(sigstore.oidcToken());
    expect(await isEnabled("google-workload-identity", metadata())).toBe(false);
    expect(await isEnabled("google-workload-identity", { GCE_METADATA_HOST: "127.0.0.1:1" })).toBe(
      false,
    );
  });

  test("throws USAGE for a host that is more than one", async () => {
    const env = { GCE_METADATA_HOST: "evil.example/x?" };
    await expect(tokenOf(env)).rejects.toMatchObject({ code: "USAGE" });
  });
});

describe("the provider google-impersonate", () => {
  test("asks for the account's token as whoever the machine is", async () => {
    expect((await tokenOf(impersonation(), "google-impersonate")).subject).toBe("for sigstore");
    expect(providers.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "GET /computeMetadata/v1/instance/service-accounts/default/token",
      `POST /v1/projects/-/serviceAccounts/${SERVICE_ACCOUNT}:generateIdToken`,
    ]);
  });

  test.each(["service_account", "authorized_user"])(
    "asks as whoever a file of credentials says (%s)",
    async (type) => {
      const file = join(folder, `${type}.json`);
      writeFileSync(file, JSON.stringify(credentials(type)));
      const env = { GOOGLE_APPLICATION_CREDENTIALS: file, ...impersonation() };
      expect((await tokenOf(env, "google-impersonate")).subject).toBe("for sigstore");
      expect(providers.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
        "POST /token",
        `POST /v1/projects/-/serviceAccounts/${SERVICE_ACCOUNT}:generateIdToken`,
      ]);
    },
  );

  test("does not look for credentials in the folder that it runs in", () => {
    expect(credentialsFile({})).toBeUndefined();
    expect(credentialsFile({ HOME: folder })).toBeUndefined();
    const configuration = join(folder, ".config", "gcloud");
    mkdirSync(configuration, { recursive: true });
    const file = join(configuration, "application_default_credentials.json");
    writeFileSync(file, "{}");
    expect(credentialsFile({ HOME: folder })).toBe(file);
    expect(credentialsFile({ CLOUDSDK_CONFIG: configuration })).toBe(file);
  });

  test("throws IDENTITY_UNAVAILABLE with a hint for credentials that are no good", async () => {
    const file = join(folder, "bad.json");
    writeFileSync(file, JSON.stringify(credentials("authorized_user")));
    providers.instead = ({ path }) =>
      path === "/token" ? Response.json({ error: "invalid_grant" }, { status: 400 }) : undefined;
    const env = { GOOGLE_APPLICATION_CREDENTIALS: file, ...impersonation() };
    const error = await tokenOf(env, "google-impersonate").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "IDENTITY_UNAVAILABLE",
      hint: expect.stringContaining("gcloud auth"),
    });
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain("1//refresh");
  });

  test("a file of a service account is who we are on Google's machines too, as in Google's library", async () => {
    const file = join(folder, "own.json");
    writeFileSync(file, JSON.stringify(credentials("service_account")));
    const env = { ...metadata(), GOOGLE_APPLICATION_CREDENTIALS: file };
    expect((await tokenOf(env, "google-workload-identity")).subject).toBe("for sigstore");
    expect(providers.requests.at(-1)?.path).toBe("/token");
  });

  test("hints at the role where Google refuses", async () => {
    const env = { ...impersonation(), GOOGLE_SERVICE_ACCOUNT_NAME: "other@x.example/../y" };
    await expect(tokenOf(env, "google-impersonate")).rejects.toMatchObject({
      code: "IDENTITY_UNAVAILABLE",
      hint: expect.stringContaining("serviceAccountTokenCreator"),
    });
    expect(providers.requests.at(-1)?.path).toBe(
      "/v1/projects/-/serviceAccounts/other@x.example%2F..%2Fy:generateIdToken",
    );
  });
});

describe("the provider spiffe", () => {
  test("asks the Workload API with the header and the message of its standard", async () => {
    const token = sigstore.oidcToken({ sub: "spiffe://example.org/signer" });
    const second = sigstore.oidcToken({ sub: "spiffe://example.org/other" });
    await using agent = await startSpiffeAgent({ tokens: [token, second] });
    for (const SPIFFE_ENDPOINT_SOCKET of [agent.socket, `unix://${agent.socket}`]) {
      const found = await tokenOf({ SPIFFE_ENDPOINT_SOCKET });
      expect(found.subject).toBe("spiffe://example.org/signer");
      expect(await agent.call()).toEqual({
        path: "/SpiffeWorkloadAPI/FetchJWTSVID",
        method: "POST",
        contentType: "application/grpc",
        te: "trailers",
        security: "true",
        // No compression, 10 bytes, field 1 of 8 bytes: "sigstore".
        body: "000000000a0a0873696773746f7265",
      });
    }
  });

  test.each([
    ["IDENTITY_UNAVAILABLE", "no entry fits", { status: "7", message: "no identity issued\u001b" }],
    ["IDENTITY_UNAVAILABLE", "the agent does not know", { status: "14", message: "later" }],
    ["SERVICE_PROTOCOL", "there is no token", { fault: "empty" }],
    ["SERVICE_PROTOCOL", "the message is none", { fault: "nonsense" }],
    ["SERVICE_PROTOCOL", "a field goes beyond the end", { fault: "beyond" }],
    ["SERVICE_PROTOCOL", "the frame is too short", { fault: "short" }],
    ["SERVICE_PROTOCOL", "the message is compressed", { fault: "compressed" }],
    ["LIMIT_EXCEEDED", "the answer is too long", { fault: "long" }],
    ["SERVICE_UNAVAILABLE", "the connection breaks off", { fault: "cut" }],
  ] as const)("throws %s where %s", async (code, _, settings) => {
    await using agent = await startSpiffeAgent(settings);
    const error = await tokenOf({ SPIFFE_ENDPOINT_SOCKET: agent.socket }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code });
    expect(String(error)).not.toContain("\u001b");
  });

  test("throws SERVICE_UNAVAILABLE for a file that is no socket", async () => {
    const file = join(folder, "no.sock");
    writeFileSync(file, "");
    await expect(tokenOf({ SPIFFE_ENDPOINT_SOCKET: file })).rejects.toMatchObject({
      code: "SERVICE_UNAVAILABLE",
    });
  });

  test("ends when its asker has gone", async () => {
    await using agent = await startSpiffeAgent({ fault: "hang" });
    const options = { disableAmbientProviders: false };
    const context = { env: { SPIFFE_ENDPOINT_SOCKET: agent.socket } };
    const source = await openTestIdentity("http://127.0.0.1:1", options, context);
    const asker = new AbortController();
    const token = source.token(asker.signal);
    asker.abort();
    await expect(token).rejects.toMatchObject({ code: "CANCELLED" });
    await source[Symbol.asyncDispose](); // waits for the call, which has ended too
  });
});

function credentials(type: string): object {
  if (type === "authorized_user") {
    return { type, client_id: "c", client_secret: "s", refresh_token: "1//refresh" };
  }
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    type,
    client_email: "machine@project.iam.gserviceaccount.com",
    private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
    token_uri: "https://oauth2.googleapis.com/token",
  };
}
