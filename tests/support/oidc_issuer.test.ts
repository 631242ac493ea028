import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { createPublicKey } from "node:crypto";
import { CodeChallengeMethod, OAuth2Client } from "google-auth-library";
import { startIssuer } from "./oidc_issuer.ts";

const REDIRECT = "http://localhost:1/auth/callback";
const issuer = startIssuer([{ id: "sigstore" }, { id: "web", secret: "s3cret" }]);
afterEach(() => issuer.reset());
afterAll(() => issuer.close());

/** Google's own client, sent to our issuer. */
function googleClient(clientId: string, clientSecret?: string): OAuth2Client {
  return new OAuth2Client({
    clientId,
    ...(clientSecret === undefined ? {} : { clientSecret }),
    redirectUri: REDIRECT,
    endpoints: {
      oauth2AuthBaseUrl: `${issuer.url}/authorize`,
      oauth2TokenUrl: `${issuer.url}/token`,
    },
  });
}

async function authorize(client: OAuth2Client, state = "s".repeat(43)) {
  const { codeVerifier, codeChallenge } = await client.generateCodeVerifierAsync();
  const url = client.generateAuthUrl({
    scope: ["openid", "email"],
    state,
    code_challenge_method: CodeChallengeMethod.S256,
    ...(codeChallenge === undefined ? {} : { code_challenge: codeChallenge }),
  });
  const answer = await fetch(url, { redirect: "manual" });
  const back = new URL(answer.headers.get("location") ?? "");
  return { back, code: back.searchParams.get("code") ?? "", codeVerifier };
}

describe("the test issuer", () => {
  test.each([
    ["a public client", "sigstore", undefined],
    ["a client with a secret", "web", "s3cret"],
  ])("lets Google's client library log in as %s, with PKCE, and renew", async (_, id, secret) => {
    issuer.settings.refreshTokens = true;
    const client = googleClient(id, secret);
    const { back, code, codeVerifier } = await authorize(client);
    expect(`${back.origin}${back.pathname}`).toBe(REDIRECT);
    expect(back.searchParams.get("state")).toBe("s".repeat(43));
    const { tokens } = await client.getToken({ code, codeVerifier });
    const keySet: unknown = await (await fetch(`${issuer.url}/keys`)).json();
    const pem = createPublicKey({ key: Object(keySet).keys[0], format: "jwk" })
      .export({ type: "spki", format: "pem" })
      .toString();
    const verified = await client.verifySignedJwtWithCertsAsync(
      tokens.id_token ?? "",
      { ES256: pem },
      id,
      [issuer.url],
    );
    expect(verified.getPayload()?.email).toBe("mail@example.com");
    client.setCredentials(tokens);
    const renewed = await client.refreshAccessToken();
    expect(renewed.credentials.id_token).toBeString();
    client.setCredentials(tokens); // the refresh token was good for one use
    await expect(client.refreshAccessToken()).rejects.toThrow("invalid_grant");
  });

  test("takes a code once, for its own verifier, client and redirect URI", async () => {
    const client = googleClient("sigstore");
    const attempt = async (change: object): Promise<unknown> => {
      const { code, codeVerifier } = await authorize(client);
      const form = { code, code_verifier: codeVerifier ?? "", redirect_uri: REDIRECT };
      const all = { grant_type: "authorization_code", client_id: "sigstore", ...form, ...change };
      const body = new URLSearchParams(all);
      const first = await fetch(`${issuer.url}/token`, { method: "POST", body });
      const again = await fetch(`${issuer.url}/token`, { method: "POST", body });
      return [first.status, again.status];
    };
    expect(await attempt({})).toEqual([200, 400]);
    expect(await attempt({ code_verifier: "x".repeat(43) })).toEqual([400, 400]);
    expect(await attempt({ redirect_uri: `${REDIRECT}/` })).toEqual([400, 400]);
    expect(await attempt({ client_id: "web", client_secret: "s3cret" })).toEqual([400, 400]);
    expect(await attempt({ client_id: "web", client_secret: "wrong" })).toEqual([401, 401]);
  });
});
