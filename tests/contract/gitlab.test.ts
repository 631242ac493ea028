import { type GitLabPlace, gitLabVariable, startGitLab } from "../support/gitlab_server.ts";
import { storedPair } from "../support/key_pairs.ts";
import type { Counts, FixtureKey, RunningBackend, Trouble } from "./fixture.ts";
import { testKeyBackend } from "./keys.ts";

const TOKEN = "glpat-token-of-the-contract";
const PASSWORD = "password-of-the-contract";
const KEYS = [
  ["team/app", "ecdsa-p256"],
  ["team/sub/app", "ecdsa-p384"],
  ["4711", "rsa-2048"],
  ["team", "ed25519"],
] as const;
const uriOf = (name: string): string => `gitlab://${name}`;

testKeyBackend({ name: "GitLab", scheme: "gitlab", isHosted: false, start: startBackend });

async function startBackend(): Promise<RunningBackend> {
  const gitlab = startGitLab();
  gitlab.tokens.set(TOKEN, ["api"]);
  const place = (): GitLabPlace => ({ variables: [], role: "maintainer" });
  for (const [name, type] of KEYS) {
    const { privatePem, publicPem, password } = await storedPair(type, PASSWORD);
    const places = name === "team" ? gitlab.groups : gitlab.projects;
    const variables = [
      gitLabVariable("COSIGN_PASSWORD", password),
      gitLabVariable("COSIGN_PRIVATE_KEY", privatePem),
      gitLabVariable("COSIGN_PUBLIC_KEY", publicPem),
    ];
    places.set(name, { variables, role: "maintainer" });
  }
  gitlab.projects.set("team/new", place());
  gitlab.projects.set("team/empty", place());
  gitlab.projects.set("team/mine", { ...place(), role: "developer" });
  const hidden = gitLabVariable("COSIGN_PUBLIC_KEY", null, { masked: true, hidden: true });
  gitlab.projects.set("team/hidden", { variables: [hidden], role: "maintainer" });
  const uri = uriOf(KEYS[0][0]);
  let seen = 0;
  return {
    env: { GITLAB_HOST: gitlab.url, GITLAB_TOKEN: TOKEN, COSIGN_PASSWORD: PASSWORD },
    keys: KEYS.map(
      ([name, type]): FixtureKey => ({
        uri: uriOf(name),
        type,
        ...(type === "ed25519" ? {} : { digest: "sha256" }),
      }),
    ),
    newKey: { uri: uriOf("team/new"), type: "ecdsa-p256", digest: "sha256" },
    unreachable: { uri, env: { GITLAB_HOST: "http://127.0.0.1:1" } },
    secrets: [TOKEN, PASSWORD],
    faults: [
      {
        name: "there is no token",
        uri,
        env: { GITLAB_TOKEN: undefined },
        code: "KEY_SERVICE_AUTH",
        says: /could not find "GITLAB_TOKEN"/,
      },
      {
        name: "the server is none",
        uri,
        env: { GITLAB_HOST: "https://me:hunter2@gitlab.example" },
        code: "USAGE",
        says: /GITLAB_HOST is no plain URL/,
      },
      {
        name: "the token is revoked",
        uri,
        arrange: () => {
          gitlab.tokens.delete(TOKEN);
          return () => void gitlab.tokens.set(TOKEN, ["api"]);
        },
        code: "KEY_SERVICE_AUTH",
        says: /may have expired, be revoked/,
      },
      {
        name: "the token may read only",
        uri: uriOf("team/empty"),
        command: "generate-key-pair",
        arrange: () => {
          gitlab.tokens.set(TOKEN, ["read_api"]);
          return () => void gitlab.tokens.set(TOKEN, ["api"]);
        },
        code: "KEY_DENIED",
        says: /needs the scope api/,
      },
      {
        name: "the user is no maintainer",
        uri: uriOf("team/mine"),
        code: "KEY_DENIED",
        says: /the role Maintainer of the project/,
      },
      {
        name: "there is no such project",
        uri: uriOf("team/none"),
        code: "KEY_NOT_FOUND",
        says: /self-hosted gitlab please set GITLAB_HOST/,
      },
      {
        name: "there is no key",
        uri: uriOf("team/empty"),
        command: "sign-blob",
        code: "KEY_NOT_FOUND",
        says: /no variable "COSIGN_PRIVATE_KEY"/,
      },
      {
        name: "the variable is hidden",
        uri: uriOf("team/hidden"),
        code: "KEY_DENIED",
        says: /hidden, and never shown again/,
      },
      {
        name: "there is a key pair already",
        uri,
        command: "generate-key-pair",
        code: "KEY_EXISTS",
        says: /"COSIGN_PASSWORD" exists already, and is left as it is/,
      },
      {
        name: "the URI is none",
        uri: "gitlab://",
        code: "USAGE",
        says: /gitlab:\/\/OWNER\/PROJECT/,
      },
    ],
    takeCounts: (): Counts => {
      const fresh = gitlab.requests.slice(seen);
      seen = gitlab.requests.length;
      const read = fresh.filter(
        ({ method, path, status }) =>
          method === "GET" && status === 200 && path.endsWith("/COSIGN_PUBLIC_KEY"),
      );
      return { publicKey: read.length, sign: 0, attempts: fresh.length };
    },
    trouble: (what) => {
      gitlab.fault = faultOf(what, () => {
        gitlab.fault = undefined;
      });
    },
    close: () => gitlab[Symbol.asyncDispose](),
  };
}

/** As GitLab's limits of rates turn requests away: in plain text. */
function faultOf(what: Trouble | undefined, end: () => void) {
  const busy = (): Response =>
    new Response("Retry later\n", { status: 429, headers: { "retry-after": "1" } });
  const once = (): Response => {
    end();
    return busy();
  };
  const silence = (): Promise<Response> => new Promise(() => {});
  return what === undefined
    ? undefined
    : { "throttle-once": once, throttle: busy, silence, lie: undefined }[what];
}
