import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cloudRegistry, DIGEST, readFrom } from "../../support/cloud_registry.ts";
import { startFarHosts } from "../../support/far_hosts.ts";

const TOKEN = "ghs_token-of-the-job";
const env = { GITHUB_TOKEN: TOKEN, GITHUB_ACTOR: "octocat" };
const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe("the log-in to ghcr.io", () => {
  const ghcr = () =>
    cloudRegistry("ghcr.io", "bearer", { pair: (pair) => pair === `octocat:${TOKEN}` });

  test("is by the token of the environment", async () => {
    const { host } = ghcr();
    await using far = await startFarHosts({ "ghcr.io": host });
    expect(await readFrom("ghcr.io", { ...far.env, ...env })).toBe(DIGEST);
  });

  test("does not happen where nobody asks for it", async () => {
    const { host, shown } = ghcr();
    await using far = await startFarHosts({ "ghcr.io": host });
    await expect(
      readFrom("ghcr.io", { ...far.env, ...env }, { isAsked: false }),
    ).rejects.toMatchObject({ code: "REGISTRY_AUTH" });
    expect(shown.every((authorization) => authorization === "")).toBe(true);
  });

  test("happens nowhere else: no other registry sees the token", async () => {
    for (const name of ["ghcr.io.evil.example", "xghcr.io", "evil.example", "my.ghcr.io"]) {
      const { host, shown } = cloudRegistry(name, "bearer", { pair: () => true });
      await using far = await startFarHosts({ [name]: host });
      await expect(readFrom(name, { ...far.env, ...env })).rejects.toMatchObject({
        code: "REGISTRY_AUTH",
      });
      expect(shown.every((authorization) => authorization === "")).toBe(true);
    }
  });

  test("comes after what docker keeps", async () => {
    const folder = mkdtempSync(join(tmpdir(), "docker-"));
    const auths = { "ghcr.io": { auth: base64("me:hunter2") } };
    writeFileSync(join(folder, "config.json"), JSON.stringify({ auths }));
    const { host, shown } = cloudRegistry("ghcr.io", "bearer", {
      pair: (pair) => pair === "me:hunter2",
    });
    await using far = await startFarHosts({ "ghcr.io": host });
    expect(await readFrom("ghcr.io", { ...far.env, ...env, DOCKER_CONFIG: folder })).toBe(DIGEST);
    expect(shown.join()).not.toContain(base64(`octocat:${TOKEN}`));
    rmSync(folder, { recursive: true });
  });

  // cosign's options/registry.go: the flag goes before user name and password, and these before a token.
  test("comes before a user name and a password, as in cosign", async () => {
    const { host } = ghcr();
    await using far = await startFarHosts({ "ghcr.io": host });
    const more = { username: "me", password: "hunter2" };
    expect(await readFrom("ghcr.io", { ...far.env, ...env }, { more })).toBe(DIGEST);
  });

  test("without a token is none: the registry is asked as anybody asks it", async () => {
    const { host, shown } = ghcr();
    await using far = await startFarHosts({ "ghcr.io": host });
    await expect(readFrom("ghcr.io", far.env)).rejects.toMatchObject({ code: "REGISTRY_AUTH" });
    expect(shown.every((authorization) => authorization === "")).toBe(true);
  });
});
