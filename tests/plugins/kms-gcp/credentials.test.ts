import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHostedSigner, readHostedPublicKey } from "../../../engine/keys/hosted.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { builtinKey } from "../../support/builtin_key.ts";
import { setEnvironment } from "../../support/environment.ts";
import { type GcpServer, newGcpVersion, startGcp } from "../../support/gcp_kms_server.ts";

const KEY = "projects/p/locations/global/keyRings/r/cryptoKeys/release";
const URI = `gcpkms://${KEY}/versions/1`;

let gcp: GcpServer;
let folder: string;
let restore = (): void => {};

beforeEach(async () => {
  gcp = await startGcp(["sts.googleapis.com", "iamcredentials.googleapis.com"]);
  const versions = [newGcpVersion("EC_SIGN_P256_SHA256")];
  gcp.keys.set(KEY, { purpose: "ASYMMETRIC_SIGN", versions });
  folder = mkdtempSync(join(tmpdir(), "gcp-"));
  restore = setEnvironment("GOOGLE_", { METADATA_SERVER_DETECTION: "none", HOME: folder });
  delete process.env["CLOUDSDK_CONFIG"];
});
afterEach(async () => {
  restore();
  rmSync(folder, { recursive: true });
  await gcp[Symbol.asyncDispose]();
});

const keyOf = () => builtinKey(URI, { env: { ...process.env, ...gcp.env } });
const read = async () => await readHostedPublicKey(await keyOf());
const use = (credentials: unknown): void => {
  const path = join(folder, "credentials.json");
  writeFileSync(path, JSON.stringify(credentials));
  process.env["GOOGLE_APPLICATION_CREDENTIALS"] = path;
};

describe("the credentials for Google Cloud KMS", () => {
  test("of a service account: one token for a run, asked for by an assertion", async () => {
    use(gcp.serviceAccount);
    await using signer = await openHostedSigner(await keyOf());
    await Promise.all(Array.from({ length: 5 }, () => signer.sign(utf8("a message"))));
    expect(gcp.count("token")).toBe(1);
    expect(gcp.count("asymmetricSign")).toBe(5);
  });

  test("of a user, as gcloud left them, with the project that pays", async () => {
    const form: string[] = [];
    gcp.fault = async (method, request) => {
      if (method !== "token") return undefined;
      form.push(await request.text());
      return Response.json({
        access_token: gcp.newToken(),
        expires_in: 3599,
        token_type: "Bearer",
      });
    };
    mkdirSync(join(folder, ".config/gcloud"), { recursive: true });
    writeFileSync(
      join(folder, ".config/gcloud/application_default_credentials.json"),
      JSON.stringify({
        type: "authorized_user",
        client_id: "client",
        client_secret: "client-secret",
        refresh_token: "refresh-token",
        quota_project_id: "who-pays",
      }),
    );
    expect((await read()).type).toBe("ecdsa-p256");
    expect(form).toEqual([expect.stringContaining("refresh_token=refresh-token")]);
    expect(gcp.requests.at(-1)?.headers.get("x-goog-user-project")).toBe("who-pays");
  });

  test("of a workload elsewhere: its token is exchanged, and an account impersonated", async () => {
    writeFileSync(join(folder, "subject"), "token-of-the-workload");
    const seen: string[] = [];
    gcp.others.set("sts.googleapis.com", async (request) => {
      const form = new URLSearchParams(await request.text());
      seen.push(`${new URL(request.url).pathname} ${form.get("subject_token")}`);
      return Response.json({
        access_token: "federated",
        issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
        token_type: "Bearer",
        expires_in: 3600,
      });
    });
    gcp.others.set("iamcredentials.googleapis.com", (request) => {
      seen.push(`${new URL(request.url).pathname} ${request.headers.get("authorization")}`);
      return Response.json({ accessToken: gcp.newToken(), expireTime: "2099-01-01T00:00:00Z" });
    });
    const account = "projects/-/serviceAccounts/signer@p.iam.gserviceaccount.com";
    use({
      type: "external_account",
      audience:
        "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b",
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      token_url: "https://sts.googleapis.com/v1/token",
      service_account_impersonation_url: `https://iamcredentials.googleapis.com/v1/${account}:generateAccessToken`,
      credential_source: { file: join(folder, "subject") },
    });
    expect((await read()).type).toBe("ecdsa-p256");
    expect(seen).toEqual([
      "/v1/token token-of-the-workload",
      `/v1/${account}:generateAccessToken Bearer federated`,
    ]);
  });

  test("of an account that another one impersonates", async () => {
    const account = "projects/-/serviceAccounts/signer@p.iam.gserviceaccount.com";
    gcp.others.set("iamcredentials.googleapis.com", async (request) => {
      const isKnown = request.headers.get("authorization")?.startsWith("Bearer ya29.") === true;
      return isKnown && new URL(request.url).pathname === `/v1/${account}:generateAccessToken`
        ? Response.json({ accessToken: gcp.newToken(), expireTime: "2099-01-01T00:00:00Z" })
        : new Response(null, { status: 401 });
    });
    use({
      type: "impersonated_service_account",
      service_account_impersonation_url: `https://iamcredentials.googleapis.com/v1/${account}:generateAccessToken`,
      source_credentials: gcp.serviceAccount,
    });
    expect((await read()).type).toBe("ecdsa-p256");
    expect(gcp.asked).toContain("iamcredentials.googleapis.com");
  });

  test("of the machine, from its metadata server", async () => {
    const seen: string[] = [];
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) => {
        const { pathname } = new URL(request.url);
        seen.push(pathname);
        if (request.headers.get("metadata-flavor") !== "Google") {
          return new Response(null, { status: 403 });
        }
        const headers = { "metadata-flavor": "Google" };
        if (!pathname.endsWith("/token")) {
          return new Response(pathname.endsWith("universe-domain") ? "googleapis.com" : "x", {
            headers,
          });
        }
        const token = { access_token: gcp.newToken(), expires_in: 3599, token_type: "Bearer" };
        return Response.json(token, { headers });
      },
    });
    Object.assign(process.env, {
      GCE_METADATA_HOST: `127.0.0.1:${server.port}`,
      METADATA_SERVER_DETECTION: "assume-present",
    });
    try {
      expect((await read()).type).toBe("ecdsa-p256");
      expect(seen).toContain("/computeMetadata/v1/instance/service-accounts/default/token");
    } finally {
      delete process.env["GCE_METADATA_HOST"];
      await server.stop(true);
    }
  });

  test("that are garbled, or of nowhere: the error says where they may be", async () => {
    const path = join(folder, "credentials.json");
    writeFileSync(path, "no JSON");
    process.env["GOOGLE_APPLICATION_CREDENTIALS"] = path;
    await expect(read()).rejects.toMatchObject({ code: "KEY_SERVICE_AUTH" });
    use({ ...gcp.serviceAccount, private_key: "no key" });
    await expect(read()).rejects.toMatchObject({ code: "KEY_SERVICE_AUTH" });
    delete process.env["GOOGLE_APPLICATION_CREDENTIALS"];
    await expect(read()).rejects.toMatchObject({
      code: "KEY_SERVICE_AUTH",
      hint: expect.stringContaining("GOOGLE_APPLICATION_CREDENTIALS"),
    });
    expect(gcp.requests).toEqual([]);
  });

  test("are asked for again where the trouble may pass, by us only", async () => {
    use(gcp.serviceAccount);
    let left = 2;
    gcp.fault = (method) =>
      method === "token" && left-- > 0 ? new Response(null, { status: 503 }) : undefined;
    expect((await read()).type).toBe("ecdsa-p256");
    left = 1000;
    const before = gcp.count("token");
    await expect(read()).rejects.toMatchObject({ code: "KEY_SERVICE_UNAVAILABLE" });
    expect(gcp.count("token") - before).toBe(6);
  });

  test("another endpoint of Cloud KMS is the one that gcloud was told", async () => {
    use(gcp.serviceAccount);
    process.env["CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS"] = "https://kms.example.com/";
    try {
      await expect(read()).rejects.toMatchObject({ code: "KEY_SERVICE_UNAVAILABLE" });
      expect(gcp.asked.at(-1)).toBe("kms.example.com");
    } finally {
      delete process.env["CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS"];
    }
  });
});
