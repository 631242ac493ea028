import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { saveLogin } from "../../../engine/registry/login.ts";
import { cli } from "../cli/_cli.ts";

const root = mkdtempSync(join(tmpdir(), "login-"));
afterAll(() => rmSync(root, { recursive: true }));
const LOGIN = { username: "me", password: "p:w" };
const AUTH = Buffer.from("me:p:w").toString("base64");

function folder(name: string, config?: unknown): string {
  const dir = join(root, name);
  mkdirSync(dir);
  if (config !== undefined) writeFileSync(join(dir, "config.json"), JSON.stringify(config));
  return dir;
}
const configOf = (dir: string) => JSON.parse(readFileSync(join(dir, "config.json"), "utf8"));

describe("saveLogin()", () => {
  test("makes docker's file where there is none, for nobody else to read", async () => {
    const dir = join(root, "new", "deep");
    const path = await saveLogin("ghcr.io", LOGIN, { DOCKER_CONFIG: dir });
    expect(path).toBe(join(dir, "config.json"));
    expect(configOf(dir)).toEqual({ auths: { "ghcr.io": { auth: AUTH } } });
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("keeps everything else that stands in it, and writes through a link", async () => {
    const dir = folder("kept", { auths: { other: { auth: "eDp5" } }, proxies: { x: 1 } });
    const linked = join(root, "linked");
    mkdirSync(linked);
    symlinkSync(join(dir, "config.json"), join(linked, "config.json"));
    await saveLogin("localhost:5000", LOGIN, { DOCKER_CONFIG: linked });
    expect(configOf(dir)).toEqual({
      auths: { other: { auth: "eDp5" }, "localhost:5000": { auth: AUTH } },
      proxies: { x: 1 },
    });
  });

  test("names Docker Hub as docker does, and finds HOME where DOCKER_CONFIG is not set", async () => {
    const home = folder("home");
    await saveLogin("index.docker.io", LOGIN, { HOME: home });
    expect(configOf(join(home, ".docker")).auths).toEqual({
      "https://index.docker.io/v1/": { auth: AUTH },
    });
  });

  test("hands the password to the credential helper, and writes none of it", async () => {
    const dir = folder("helper", { credsStore: "test" });
    const helper = join(dir, "docker-credential-test");
    writeFileSync(helper, `#!/bin/sh\necho "$1" > "${dir}/said"; cat >> "${dir}/said"\n`);
    chmodSync(helper, 0o755);
    const env = { DOCKER_CONFIG: dir, PATH: `${dir}:${process.env["PATH"]}` };
    await saveLogin("ghcr.io", LOGIN, env);
    const [word = "", json = ""] = readFileSync(join(dir, "said"), "utf8").split("\n");
    expect([word, JSON.parse(json)]).toEqual([
      "store",
      { ServerURL: "ghcr.io", Username: "me", Secret: "p:w" },
    ]);
    expect(configOf(dir)).toEqual({ credsStore: "test", auths: { "ghcr.io": {} } });
  });

  test("leaves a file alone that it cannot read, and one whose helper fails", async () => {
    const broken = folder("broken");
    writeFileSync(join(broken, "config.json"), "{");
    await expect(saveLogin("a.io", LOGIN, { DOCKER_CONFIG: broken })).rejects.toMatchObject({
      code: "CREDENTIALS_INVALID",
    });
    expect(readFileSync(join(broken, "config.json"), "utf8")).toBe("{");
    const failing = folder("failing", { credHelpers: { "a.io": "../evil" } });
    await expect(saveLogin("a.io", LOGIN, { DOCKER_CONFIG: failing })).rejects.toMatchObject({
      code: "CREDENTIALS_INVALID",
    });
    expect(configOf(failing)).toEqual({ credHelpers: { "a.io": "../evil" } });
  });
});

describe("login", () => {
  test("keeps a user name and a password, and says where", async () => {
    const dir = folder("cli");
    const argv = ["login", "https://ghcr.io/", "-u", "me", "-p", "p:w"];
    expect(await cli(argv, { DOCKER_CONFIG: dir })).toEqual({
      code: 0,
      stdout: "",
      stderr: `logged in via ${join(dir, "config.json")}\n`,
    });
    expect(configOf(dir).auths).toEqual({ "ghcr.io": { auth: AUTH } });
  });

  test("needs both, one registry, and one password only", async () => {
    for (const [argv, text] of [
      [["ghcr.io", "-u", "me"], "username and password required"],
      [["ghcr.io", "-p", "x"], "username and password required"],
      [["ghcr.io", "-p", "x", "--password-stdin"], "--password-stdin"],
      [[], "accepts 1 arg(s), received 0"],
    ] as const) {
      const { code, stderr } = await cli(["login", ...argv], { DOCKER_CONFIG: root });
      expect([code, stderr]).toEqual([2, expect.stringContaining(text)]);
    }
  });
});
