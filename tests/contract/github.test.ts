import { type GitHubServer, gitHubPlace, startGitHub } from "../support/github_server.ts";
import type { Counts, RunningBackend, Trouble } from "./fixture.ts";
import { testKeyBackend } from "./keys.ts";

const TOKEN = "github_pat_token-of-the-contract";
const PASSWORD = "password-of-the-contract";

testKeyBackend({ name: "GitHub", scheme: "github", isHosted: false, start: async () => start() });

function start(): RunningBackend {
  const github = startGitHub();
  github.tokens.add(TOKEN);
  const place = gitHubPlace();
  github.places.set("repos/octo/app", place);
  const uri = "github://octo/app";
  const command = "generate-key-pair";
  const withAccess = (access: typeof place.access) => () => {
    place.access = access;
    return () => {
      place.access = "write";
    };
  };
  let seen = 0;
  return {
    env: { GITHUB_HOST: github.url, GITHUB_TOKEN: TOKEN, COSIGN_PASSWORD: PASSWORD },
    keys: [],
    newKey: { uri, type: "ecdsa-p256", digest: "sha256" },
    secrets: [TOKEN, PASSWORD],
    faults: [
      {
        name: "there is no token",
        uri,
        command,
        env: { GITHUB_TOKEN: undefined },
        code: "KEY_SERVICE_AUTH",
        says: /could not find "GITHUB_TOKEN" env variable/,
      },
      {
        name: "the server is none",
        uri,
        command,
        env: { GITHUB_HOST: "https://me:hunter2@github.example" },
        code: "USAGE",
        says: /GITHUB_HOST is no plain URL/,
      },
      {
        name: "the token is revoked",
        uri,
        command,
        arrange: () => {
          github.tokens.delete(TOKEN);
          return () => void github.tokens.add(TOKEN);
        },
        code: "KEY_SERVICE_AUTH",
        says: /Bad credentials/,
      },
      {
        name: "the token may write no secrets",
        uri,
        command,
        arrange: withAccess("read"),
        code: "KEY_DENIED",
        says: /needs the permission secrets=write/,
      },
      {
        name: "the token does not see the repository",
        uri,
        command,
        arrange: withAccess("none"),
        code: "KEY_NOT_FOUND",
        says: /GITHUB_HOST names one/,
      },
      {
        name: "the URI is none",
        uri: "github://octo/app/main",
        command,
        code: "USAGE",
        says: /use github:\/\/<owner> or github:\/\/<owner>\/<repo> format/,
      },
    ],
    takeCounts: (): Counts => {
      const fresh = github.requests.slice(seen);
      seen = github.requests.length;
      return { publicKey: 0, sign: 0, attempts: fresh.length };
    },
    trouble: (what) => {
      github.fault = faultOf(what, github);
    },
    close: () => github[Symbol.asyncDispose](),
  };
}

/** GitHub says 403 of those who ask too often. */
function faultOf(what: Trouble | undefined, github: GitHubServer) {
  const busy = (): Response =>
    Response.json(
      { message: "You have exceeded a secondary rate limit" },
      { status: 403, headers: { "retry-after": "1" } },
    );
  const once = (): Response => {
    github.fault = undefined;
    return busy();
  };
  const silence = (): Promise<Response> => new Promise(() => {});
  return what === undefined
    ? undefined
    : { "throttle-once": once, throttle: busy, silence, lie: undefined }[what];
}
