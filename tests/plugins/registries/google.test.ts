import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalShared } from "../../../engine/io/shared.ts";
import {
  type CloudRegistry,
  cloudRegistry,
  DIGEST,
  readFrom,
} from "../../support/cloud_registry.ts";
import { setEnvironment } from "../../support/environment.ts";
import { type GcpServer, startGcp } from "../../support/gcp_kms_server.ts";

const NAMES = ["gcr.io", "eu.gcr.io", "europe-docker.pkg.dev"] as const;
const EVIL = "gcr.io.evil.example";
let gcp: GcpServer;
let folder: string;
let restore: () => void;
let registries: Map<string, CloudRegistry>;

beforeEach(async () => {
  gcp = await startGcp([...NAMES, EVIL]);
  folder = mkdtempSync(join(tmpdir(), "google-registries-"));
  restore = setEnvironment("GOOGLE_", { METADATA_SERVER_DETECTION: "none", HOME: folder });
  delete process.env["CLOUDSDK_CONFIG"];
  registries = new Map(
    [...NAMES, EVIL].map((name) => [
      name,
      cloudRegistry(name, "bearer", { pair: (pair) => /^oauth2accesstoken:ya29\./.test(pair) }),
    ]),
  );
  for (const [name, { host }] of registries) gcp.others.set(name, host);
});
afterEach(async () => {
  restore();
  rmSync(folder, { recursive: true });
  await gcp[Symbol.asyncDispose]();
});

const useServiceAccount = (): void => {
  const path = join(folder, "account.json");
  writeFileSync(path, JSON.stringify(gcp.serviceAccount));
  process.env["GOOGLE_APPLICATION_CREDENTIALS"] = path;
};

describe("the log-in to Google's registries", () => {
  test("is by an access token of the Application Default Credentials", async () => {
    useServiceAccount();
    for (const name of NAMES) expect(await readFrom(name, gcp.env)).toBe(DIGEST);
    expect(gcp.count("token")).toBe(NAMES.length);
  });

  test("happens once for all who share answers, repositories and threads", async () => {
    useServiceAccount();
    const shared = new LocalShared();
    const reads = Array.from({ length: 5 }, () => readFrom("gcr.io", gcp.env, { shared }));
    expect(new Set(await Promise.all(reads))).toEqual(new Set([DIGEST]));
    expect(gcp.count("token")).toBe(1);
  });

  test("happens nowhere else", async () => {
    useServiceAccount();
    await expect(readFrom(EVIL, gcp.env)).rejects.toMatchObject({ code: "REGISTRY_AUTH" });
    expect(gcp.count("token")).toBe(0);
    expect(registries.get(EVIL)?.shown.every((authorization) => authorization === "")).toBe(true);
  });

  test("is none where there are no credentials", async () => {
    await expect(readFrom("gcr.io", gcp.env)).rejects.toMatchObject({ code: "REGISTRY_AUTH" });
    expect(registries.get("gcr.io")?.shown.every((shown) => shown === "")).toBe(true);
  });

  test("that is refused is told of, and not the registry's fault", async () => {
    useServiceAccount();
    gcp.fault = (method) =>
      method === "token"
        ? Response.json(
            { error: "invalid_grant", error_description: "Account not found" },
            { status: 400 },
          )
        : undefined;
    await expect(readFrom("gcr.io", gcp.env)).rejects.toMatchObject({
      code: "CREDENTIALS_INVALID",
      message: expect.stringContaining('Cannot log in to "gcr.io"'),
    });
  });
});
