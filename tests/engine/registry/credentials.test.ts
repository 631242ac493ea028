import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalShared } from "../../../engine/io/shared.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import {
  type Credentials,
  parseCredentialFile,
  readCredentialFiles,
} from "../../../engine/registry/credential_files.ts";
import { findCredentials } from "../../../engine/registry/credentials.ts";

const auth = (pair: string): { auth: string } => ({ auth: Buffer.from(pair).toString("base64") });
const basic = (username: string, password: string): Credentials => ({
  kind: "basic",
  username,
  password,
});
const invalid = expect.objectContaining({ code: "CREDENTIALS_INVALID" });

function parse(content: unknown) {
  return parseCredentialFile(utf8(JSON.stringify(content)), "config.json");
}

describe("parseCredentialFile()", () => {
  test("parseCredentialFile() reads the pair, whose password may have colons", () => {
    const file = parse({ auths: { "r.example": auth("me:pass:word") } });
    expect(file.credentialsFor("r.example", "a/b")).toEqual(basic("me", "pass:word"));
  });

  test("parseCredentialFile() reads user name and password, identity tokens and registry tokens", () => {
    const file = parse({
      auths: {
        "a.example": { username: "me", password: "secret" },
        "b.example": { ...auth("me:secret"), identitytoken: "refresh" },
        "c.example": auth("<token>:refresh"),
        "d.example": { registrytoken: "bearer" },
      },
    });
    expect(file.credentialsFor("a.example", "x")).toEqual(basic("me", "secret"));
    expect(file.credentialsFor("b.example", "x")).toEqual({ kind: "identity", token: "refresh" });
    expect(file.credentialsFor("c.example", "x")).toEqual({ kind: "identity", token: "refresh" });
    expect(file.credentialsFor("d.example", "x")).toEqual({ kind: "bearer", token: "bearer" });
  });

  test("parseCredentialFile() takes the spellings of one host", () => {
    for (const key of [
      "r.example",
      "https://r.example",
      "https://r.example/v1/",
      "http://r.example/v2/",
    ]) {
      const file = parse({ auths: { [key]: auth("me:secret") } });
      expect(file.credentialsFor("r.example", "a/b")).toEqual(basic("me", "secret"));
    }
  });

  /** sigstore-js 85c58380: credentials were chosen by a part of the name. */
  test.each([
    ["registry.example.com.evil.io", "registry.example.com"],
    ["registry.example.com", "registry.example.com.evil.io"],
    ["registry.example.com", "example.com"],
    ["example.com", "registry.example.com"],
    ["r.example:5000", "r.example"],
    ["r.example", "r.example:5000"],
    ["https://evil.io/registry.example.com", "registry.example.com"],
    ["index.docker.io.evil.io", "index.docker.io"],
  ])("parseCredentialFile() does not give those of %s to %s", (key, registry) => {
    const file = parse({ auths: { [key]: auth("me:secret") }, credHelpers: { [key]: "helper" } });
    expect(file.credentialsFor(registry, "a/b")).toBeUndefined();
    expect(file.helperFor(registry)).toBeUndefined();
  });

  test.each([
    "https://index.docker.io/v1/",
    "index.docker.io",
    "docker.io",
    "registry-1.docker.io",
  ])("parseCredentialFile() takes %s for Docker Hub", (key) => {
    const file = parse({ auths: { [key]: auth("me:secret") } });
    expect(file.credentialsFor("index.docker.io", "library/alpine")).toEqual(basic("me", "secret"));
  });

  test("parseCredentialFile() prefers podman's longer keys", () => {
    const file = parse({
      auths: {
        "r.example": auth("host:1"),
        "r.example/team": auth("team:2"),
        "r.example/team/app": auth("app:3"),
      },
    });
    expect(file.credentialsFor("r.example", "team/app")).toEqual(basic("app", "3"));
    expect(file.credentialsFor("r.example", "team/app/sub")).toEqual(basic("app", "3"));
    expect(file.credentialsFor("r.example", "team/other")).toEqual(basic("team", "2"));
    expect(file.credentialsFor("r.example", "teamwork/x")).toEqual(basic("host", "1"));
  });

  test("parseCredentialFile() passes over empty entries, as docker leaves them beside a store", () => {
    const file = parse({ auths: { "r.example": {} }, credsStore: "desktop" });
    expect(file.credentialsFor("r.example", "a")).toBeUndefined();
    expect(file.helperFor("r.example")).toBe("desktop");
  });

  test("parseCredentialFile() takes the helper of a registry before the one of all", () => {
    const file = parse({ credHelpers: { "r.example": "own" }, credsStore: "all" });
    expect(file.helperFor("r.example")).toBe("own");
    expect(file.helperFor("other.example")).toBe("all");
    const without = parse({ credHelpers: { "r.example": "" }, credsStore: "all" });
    expect(without.helperFor("r.example")).toBeUndefined();
  });

  test.each(["", "{", "[]", "null", '{"auths":[]}', '{"credHelpers":"x"}', '{"credsStore":5}'])(
    "parseCredentialFile() refuses %j and names the file",
    (text) => {
      expect(() => parseCredentialFile(utf8(text), "/home/me/config.json")).toThrow(
        expect.objectContaining({
          code: "CREDENTIALS_INVALID",
          message: expect.stringContaining("/home/me/config.json"),
        }),
      );
    },
  );

  test.each([
    { auth: "***" },
    { auth: Buffer.from("nocolon").toString("base64") },
    { auth: 5 },
    { identitytoken: {} },
    "text",
  ])("parseCredentialFile() refuses the entry %j when it is needed", (entry) => {
    const file = parse({ auths: { "r.example": entry, "other.example": auth("me:secret") } });
    expect(() => file.credentialsFor("r.example", "a")).toThrow(invalid);
    expect(file.credentialsFor("other.example", "a")).toEqual(basic("me", "secret"));
  });

  test("parseCredentialFile() finds nothing under names of Object.prototype", () => {
    const file = parse({ auths: {} });
    expect(file.credentialsFor("constructor", "a")).toBeUndefined();
    expect(file.helperFor("__proto__")).toBeUndefined();
  });
});

describe("readCredentialFiles()", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "credentials-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const write = (path: string, content: unknown): string => {
    const whole = join(folder, path);
    mkdirSync(join(whole, ".."), { recursive: true });
    writeFileSync(whole, JSON.stringify(content));
    return whole;
  };

  test("readCredentialFiles() reads all places in their order, and those only that are there", () => {
    const authFile = write("auth-file.json", {});
    const docker = write("docker/config.json", {});
    const home = write("home/.docker/config.json", {});
    const podman = write("run/containers/auth.json", {});
    const env = {
      REGISTRY_AUTH_FILE: authFile,
      DOCKER_CONFIG: join(folder, "docker"),
      HOME: join(folder, "home"),
      XDG_RUNTIME_DIR: join(folder, "run"),
    };
    const paths = (of: Record<string, string>) => readCredentialFiles(of).map(({ path }) => path);
    expect(paths(env)).toEqual([authFile, docker, podman]);
    expect(paths({ HOME: env.HOME })).toEqual([home]);
    expect(paths({ HOME: join(folder, "nobody") })).toEqual([]);
  });

  test("readCredentialFiles() refuses a malformed file although others are good", () => {
    const path = join(folder, "broken.json");
    writeFileSync(path, "{");
    expect(() => readCredentialFiles({ HOME: folder, REGISTRY_AUTH_FILE: path })).toThrow(invalid);
  });

  test("readCredentialFiles() refuses what is no file", () => {
    expect(() => readCredentialFiles({ HOME: folder, REGISTRY_AUTH_FILE: folder })).toThrow(
      invalid,
    );
  });
});

describe("findCredentials() with helpers", () => {
  let folder = "";
  let env: Record<string, string>;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "helpers-"));
    env = { PATH: `${folder}:${process.env["PATH"] ?? ""}`, COSIGN_PASSWORD: "key password" };
    const helper = (name: string, script: string): void => {
      const path = join(folder, `docker-credential-${name}`);
      writeFileSync(path, `#!/bin/sh\n${script}\n`);
      chmodSync(path, 0o755);
    };
    helper(
      "good",
      `read url; echo "$1 $url" >> ${folder}/calls; echo '{"ServerURL":"x","Username":"me","Secret":"from helper"}'`,
    );
    helper("identity", `echo '{"Username":"<token>","Secret":"refresh"}'`);
    helper("none", "echo 'credentials not found in native keychain'; exit 1");
    helper("broken", "echo 'the keychain is locked'; exit 1");
    helper("garbage", "echo hello");
    helper("loud", "head -c 10000000 /dev/zero");
    helper("leak", `printf '{"Username":"me","Secret":"%s"}' "$COSIGN_PASSWORD"`);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const find = (content: unknown, registry = "r.example", shared = new LocalShared()) =>
    findCredentials([parse(content)], registry, "a/b", { shared, env });

  test("findCredentials() asks a helper once per run, by the name of the registry", async () => {
    const shared = new LocalShared();
    const content = { credHelpers: { "r.example": "good" } };
    const wanted = basic("me", "from helper");
    expect(await find(content, "r.example", shared)).toEqual(wanted);
    expect(await find(content, "r.example", shared)).toEqual(wanted);
    expect(readFileSync(join(folder, "calls"), "utf8")).toBe("get r.example\n");
  });

  test("findCredentials() asks a helper for Docker Hub by the name that docker uses", async () => {
    rmSync(join(folder, "calls"), { force: true });
    await find({ credsStore: "good" }, "index.docker.io");
    expect(readFileSync(join(folder, "calls"), "utf8")).toBe("get https://index.docker.io/v1/\n");
  });

  test("findCredentials() takes the user name <token> for an identity token", async () => {
    expect(await find({ credsStore: "identity" })).toEqual({ kind: "identity", token: "refresh" });
  });

  test("findCredentials() goes on to the file when the helper has none", async () => {
    const auths = { "r.example": auth("me:in file") };
    expect(await find({ credsStore: "none", auths })).toEqual(basic("me", "in file"));
    expect(await find({ credsStore: "none" })).toBeUndefined();
  });

  test.each(["broken", "garbage", "loud", "absent", "../evil", "a b"])(
    "findCredentials() refuses the helper %j",
    async (name) => {
      const finding = find({ credHelpers: { "r.example": name } });
      await expect(finding).rejects.toMatchObject({ code: "CREDENTIALS_INVALID" });
    },
  );

  test("findCredentials() keeps our passwords from helpers", async () => {
    expect(await find({ credsStore: "leak" })).toEqual(basic("me", ""));
  });

  test("findCredentials() asks the files in their order", async () => {
    const files = [parse({}), parse({ auths: { "r.example": auth("second:2") } })];
    const services = { shared: new LocalShared(), env };
    expect(await findCredentials(files, "r.example", "a", services)).toEqual(basic("second", "2"));
  });
});
