import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readHostedPublicKey, readStoredPair, storeKeyPair } from "../../../engine/keys/hosted.ts";
import { builtinKey } from "../../support/builtin_key.ts";
import { type GitLabServer, gitLabVariable, startGitLab } from "../../support/gitlab_server.ts";
import { storedPair } from "../../support/key_pairs.ts";

const TOKEN = "glpat-1";
let gitlab: GitLabServer;
let told: string[];

beforeEach(() => {
  gitlab = startGitLab();
  gitlab.tokens.set(TOKEN, ["api"]);
  told = [];
});
afterEach(async () => {
  await gitlab[Symbol.asyncDispose]();
});

const keyAt = (uri: string, host = gitlab.url) =>
  builtinKey(uri, {
    env: { GITLAB_HOST: host, GITLAB_TOKEN: TOKEN },
    tell: (line) => told.push(line),
  });

describe("key pairs in variables of GitLab", () => {
  // cosign's pkg/cosign/git/gitlab: the names, their order, no protection, no masks.
  test("are three variables as cosign writes them, and are read again", async () => {
    gitlab.projects.set("team/app", { variables: [], role: "maintainer" });
    const pair = await storedPair("ecdsa-p256", "hunter2");
    await storeKeyPair(await keyAt("gitlab://team/app"), pair);
    expect(gitlab.projects.get("team/app")?.variables).toEqual([
      gitLabVariable("COSIGN_PASSWORD", "hunter2"),
      gitLabVariable("COSIGN_PRIVATE_KEY", pair.privatePem),
      gitLabVariable("COSIGN_PUBLIC_KEY", pair.publicPem),
    ]);
    expect(told).toEqual([
      'Password written to "COSIGN_PASSWORD" variable',
      'Private key written to "COSIGN_PRIVATE_KEY" variable',
      'Public key written to "COSIGN_PUBLIC_KEY" variable',
    ]);
    const { privatePem, password } = pair;
    expect(await readStoredPair(await keyAt("gitlab://team/app"))).toEqual({
      privatePem,
      password,
    });
  });

  test("go into a group where there is no project of that name", async () => {
    gitlab.groups.set("team/sub", { variables: [], role: "maintainer" });
    await storeKeyPair(await keyAt("gitlab://team/sub"), await storedPair("ecdsa-p256", "x"));
    expect(gitlab.groups.get("team/sub")?.variables).toHaveLength(3);
  });

  test("are not written beside one that is there already", async () => {
    const variables = [gitLabVariable("COSIGN_PUBLIC_KEY", "old")];
    gitlab.projects.set("team/app", { variables, role: "maintainer" });
    const pair = await storedPair("ecdsa-p256", "hunter2");
    await expect(
      keyAt("gitlab://team/app").then((key) => storeKeyPair(key, pair)),
    ).rejects.toMatchObject({ code: "KEY_EXISTS" });
    expect(variables).toEqual([gitLabVariable("COSIGN_PUBLIC_KEY", "old")]);
  });

  test("are those for all environments, where there are several", async () => {
    const { publicPem } = await storedPair("ecdsa-p256", "hunter2");
    const variables = [
      gitLabVariable("COSIGN_PUBLIC_KEY", "another", { environment_scope: "production" }),
      gitLabVariable("COSIGN_PUBLIC_KEY", publicPem),
    ];
    gitlab.projects.set("team/app", { variables, role: "maintainer" });
    const key = await readHostedPublicKey(await keyAt("gitlab://team/app"));
    expect(key.type).toBe("ecdsa-p256");
  });

  test("are found on a server under a path, and by its API's URL", async () => {
    const { publicPem } = await storedPair("ecdsa-p256", "hunter2");
    const variables = [gitLabVariable("COSIGN_PUBLIC_KEY", publicPem)];
    gitlab.projects.set("team/app", { variables, role: "maintainer" });
    for (const host of [`${gitlab.url}/`, `${gitlab.url}/api/v4/`]) {
      await readHostedPublicKey(await keyAt("gitlab://team/app", host));
      expect(gitlab.requests.at(-1)?.path).toBe(
        "/api/v4/projects/team%2Fapp/variables/COSIGN_PUBLIC_KEY",
      );
    }
  });

  test("have names that cannot lead elsewhere", async () => {
    for (const uri of [
      "gitlab://a/../b",
      "gitlab:///a",
      "gitlab://a/",
      "gitlab://a?b",
      "gitlab://a#b",
    ]) {
      await expect(keyAt(uri).then(readHostedPublicKey)).rejects.toMatchObject({ code: "USAGE" });
    }
    expect(gitlab.requests).toEqual([]);
  });

  test("are no answer of something else", async () => {
    gitlab.fault = () => new Response("<html>Sign in</html>");
    await expect(keyAt("gitlab://team/app").then(readHostedPublicKey)).rejects.toMatchObject({
      code: "KEY_SERVICE_PROTOCOL",
      message: expect.stringContaining("is no GitLab"),
    });
  });
});
