import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import nacl from "tweetnacl";
import { storeKeyPair } from "../../../engine/keys/hosted.ts";
import { sealBox } from "../../../plugins/github/sealed_box.ts";
import { builtinKey } from "../../support/builtin_key.ts";
import {
  type GitHubPlace,
  type GitHubServer,
  gitHubPlace,
  startGitHub,
} from "../../support/github_server.ts";
import { storedPair } from "../../support/key_pairs.ts";
import { findPython } from "../../support/python.ts";
import { requires } from "../../support/requires.ts";

setDefaultTimeout(60_000); // Python starts slowly on a busy machine

const TOKEN = "github_pat_1";
let github: GitHubServer;
let told: string[];

beforeEach(() => {
  github = startGitHub();
  github.tokens.add(TOKEN);
  told = [];
});
afterEach(async () => {
  await github[Symbol.asyncDispose]();
});

const keyAt = (uri: string, host = github.url) =>
  builtinKey(uri, {
    env: { GITHUB_HOST: host, GITHUB_TOKEN: TOKEN },
    tell: (line) => told.push(line),
    warn: (line) => told.push(`warning: ${line}`),
  });

/** What libsodium finds in sealed boxes. */
function openBySodium(boxes: readonly (readonly [Uint8Array, Uint8Array])[]): readonly string[] {
  const input = JSON.stringify(boxes.map((box) => box.map((bytes) => bytes.toBase64())));
  const script = join(import.meta.dir, "../../support/open_sealed_boxes.py");
  const { stdout, stderr } = spawnSync(findPython("nacl") ?? "python3", [script], {
    input,
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

describe("key pairs in secrets of GitHub Actions", () => {
  const cases = [
    ["github://octo/app.js", "repos/octo/app.js", undefined],
    ["github://octo", "orgs/octo", "private"],
  ] as const;
  for (const [uri, at, visibility] of cases) {
    requires("nacl")(`${uri}: libsodium opens the three that are written`, async () => {
      const place = gitHubPlace();
      github.places.set(at, place);
      const pair = await storedPair("ecdsa-p256", "hunter2 with ünïcode");
      await storeKeyPair(await keyAt(uri), pair);
      expect([...place.secrets.keys()]).toEqual([
        "COSIGN_PASSWORD",
        "COSIGN_PRIVATE_KEY",
        "COSIGN_PUBLIC_KEY",
      ]);
      const secrets = [...place.secrets.values()];
      expect(
        openBySodium(secrets.map(({ sealed }) => [place.keys.secretKey, sealed] as const)),
      ).toEqual([pair.password, pair.privatePem, pair.publicPem]);
      for (const secret of secrets) expect(secret.visibility).toBe(visibility);
      expect(told).toEqual([
        "Password written to COSIGN_PASSWORD github actions secret",
        "Private key written to COSIGN_PRIVATE_KEY github actions secret",
        "Public key written to COSIGN_PUBLIC_KEY github actions secret",
      ]);
    });
  }

  test("what is replaced is warned of", async () => {
    github.places.set("repos/octo/app", gitHubPlace());
    const pair = await storedPair("ecdsa-p256", "hunter2");
    await storeKeyPair(await keyAt("github://octo/app"), pair);
    told = [];
    await storeKeyPair(await keyAt("github://octo/app"), pair);
    expect(told.filter((line) => line.startsWith("warning"))).toHaveLength(3);
  });

  test("a server's URL may be its API's, or a name", async () => {
    github.places.set("repos/octo/app", gitHubPlace());
    const pair = await storedPair("ecdsa-p256", "hunter2");
    await storeKeyPair(await keyAt("github://octo/app", `${github.url}/api/v3/`), pair);
    expect(github.requests[0]?.path).toBe("/api/v3/repos/octo/app/actions/secrets/public-key");
    for (const host of ["ftp://github.example", "https://h/?x", "https://h/#x", "a b"]) {
      await expect(
        keyAt("github://octo/app", host).then((key) => storeKeyPair(key, pair)),
      ).rejects.toMatchObject({ code: "USAGE" });
    }
  });

  test("names that lead elsewhere are refused before anything is asked", async () => {
    const pair = await storedPair("ecdsa-p256", "hunter2");
    for (const uri of [
      "github://",
      "github://o/..",
      "github://o/a%2Fb",
      "github://o/a?b",
      "github://../x",
    ]) {
      await expect(keyAt(uri).then((key) => storeKeyPair(key, pair))).rejects.toMatchObject({
        code: "USAGE",
      });
    }
    expect(github.requests).toEqual([]);
  });

  test("a server that answers no key gets no secret", async () => {
    const place: GitHubPlace = gitHubPlace();
    github.places.set("repos/octo/app", place);
    github.fault = () => Response.json({ key_id: "1", key: "AAAA" });
    const pair = await storedPair("ecdsa-p256", "hunter2");
    await expect(
      keyAt("github://octo/app").then((key) => storeKeyPair(key, pair)),
    ).rejects.toMatchObject({ code: "KEY_SERVICE_PROTOCOL" });
    expect(github.requests).toHaveLength(1);
  });
});

requires("nacl")(
  "sealBox() seals what libsodium opens, of every length, never the same twice",
  () => {
    const { publicKey, secretKey } = nacl.box.keyPair();
    const texts = ["", "a", "b".repeat(63), "c".repeat(64), "d".repeat(10_000)];
    const seal = (text: string) => sealBox(new TextEncoder().encode(text), publicKey);
    expect(openBySodium(texts.map((text) => [secretKey, seal(text)] as const))).toEqual(texts);
    expect(seal("a")).not.toEqual(seal("a"));
  },
);
