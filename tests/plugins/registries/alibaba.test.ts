import { describe, expect, test } from "bun:test";
import { createHash, createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { signRequest } from "../../../plugins/registry-alibaba/signature.ts";
import { cloudRegistry, DIGEST, readFrom } from "../../support/cloud_registry.ts";
import { type FarHost, startFarHosts } from "../../support/far_hosts.ts";

const KEYS = {
  ALIBABA_CLOUD_ACCESS_KEY_ID: "LTAI5tExample",
  ALIBABA_CLOUD_ACCESS_KEY_SECRET: "secret-of-the-account",
};
const PAIR = "cr_temp_user:token-of-the-registry";
const API = "cr.cn-hangzhou.aliyuncs.com";
const EXPIRES_AT_MS = 4_102_444_800_000; // 2100
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

// "V3 request body and signature", section "Fixed parameter values", of Alibaba Cloud's OpenAPI documents.
test("signRequest() signs as the example that Alibaba Cloud publishes", () => {
  const { authorization } = signRequest(
    {
      method: "POST",
      host: "ecs.cn-shanghai.aliyuncs.com",
      path: "/",
      query: {
        ImageId: "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
        RegionId: "cn-shanghai",
      },
      action: "RunInstances",
      version: "2014-05-26",
    },
    { id: "YourAccessKeyId", secret: "YourAccessKeySecret" },
    "2023-10-26T10:22:32Z",
    "3156853299f313e23d1673dc12e1703d",
  );
  expect(authorization).toBe(
    "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
  );
});

/** The API of Container Registry: checks signatures by what came over the wire. */
function api(secret: string, securityToken?: string) {
  const asked: string[] = [];
  const nonces = new Set<string>();
  const host: FarHost = async (request) => {
    const { method, headers } = request;
    const url = new URL(request.url);
    const [, names = "", signature] =
      /^ACS3-HMAC-SHA256 Credential=[^,]+,SignedHeaders=([^,]+),Signature=([0-9a-f]{64})$/.exec(
        headers.get("authorization") ?? "",
      ) ?? [];
    const canonical = [
      method,
      url.pathname,
      url.search.slice(1).split("&").sort().join("&"),
      ...names.split(";").map((name) => `${name}:${headers.get(name)?.trim()}`),
      "",
      names,
      sha256(await request.text()),
    ].join("\n");
    const wanted = createHmac("sha256", secret)
      .update(`ACS3-HMAC-SHA256\n${sha256(canonical)}`)
      .digest("hex");
    const nonce = headers.get("x-acs-signature-nonce") ?? "";
    const ageMs = Math.abs(Date.now() - Date.parse(headers.get("x-acs-date") ?? ""));
    if (signature !== wanted || nonces.has(nonce) || !(ageMs < 900_000)) {
      return Response.json({ Code: "SignatureDoesNotMatch", Message: canonical }, { status: 400 });
    }
    if ((headers.get("x-acs-security-token") ?? undefined) !== securityToken) {
      return Response.json({ Code: "InvalidSecurityToken.MismatchWithAccessKey" }, { status: 403 });
    }
    nonces.add(nonce);
    const action = headers.get("x-acs-action");
    asked.push(`${method} ${url.pathname}${url.search} ${headers.get("x-acs-version")} ${action}`);
    const [tempUserName, authorizationToken] = PAIR.split(":");
    if (url.pathname === "/tokens") {
      const data = { tempUserName, authorizationToken, expireDate: EXPIRES_AT_MS };
      return Response.json({ data, requestId: "1" });
    }
    if (action === "ListInstance") {
      const Instances = ["team-eu", "team"].map((name) => ({
        InstanceId: `cri-${name}`,
        InstanceName: name,
      }));
      return Response.json({ IsSuccess: true, Code: "success", Instances });
    }
    return Response.json({
      IsSuccess: true,
      Code: "success",
      TempUsername: tempUserName,
      AuthorizationToken: authorizationToken,
      ExpireTime: EXPIRES_AT_MS,
    });
  };
  return { host, asked };
}

const registry = (name: string) => cloudRegistry(name, "bearer", { pair: (pair) => pair === PAIR });

describe("the log-in to the Container Registry of Alibaba Cloud", () => {
  const cases = [
    ["registry.cn-hangzhou.aliyuncs.com", ["GET /tokens 2016-06-07 GetAuthorizationToken"]],
    ["registry-vpc.cn-hangzhou.aliyuncs.com", ["GET /tokens 2016-06-07 GetAuthorizationToken"]],
    [
      "team-registry.cn-hangzhou.cr.aliyuncs.com",
      [
        "POST /?InstanceName=team 2018-12-01 ListInstance",
        "POST /?InstanceId=cri-team 2018-12-01 GetAuthorizationToken",
      ],
    ],
  ] as const;
  for (const [name, requests] of cases) {
    test(`asks for a token of ${name}`, async () => {
      const { host, asked } = api(KEYS.ALIBABA_CLOUD_ACCESS_KEY_SECRET);
      await using far = await startFarHosts({ [name]: registry(name).host, [API]: host });
      expect(await readFrom(name, { ...far.env, ...KEYS })).toBe(DIGEST);
      expect(asked).toEqual([...requests]);
    });
  }

  test("assumes the role of a pod", async () => {
    const folder = mkdtempSync(join(tmpdir(), "alibaba-"));
    writeFileSync(join(folder, "token"), "eyJ.pod");
    const name = "registry.cn-hangzhou.aliyuncs.com";
    const { host } = api("secret-of-the-role", "token-of-the-role");
    const sts: FarHost = async (request) => {
      const form = new URLSearchParams(await request.text());
      return form.get("Action") === "AssumeRoleWithOIDC" && form.get("OIDCToken") === "eyJ.pod"
        ? Response.json({
            Credentials: {
              AccessKeyId: "STS.1",
              AccessKeySecret: "secret-of-the-role",
              SecurityToken: "token-of-the-role",
            },
          })
        : Response.json({ Code: "AuthenticationFail.OIDCToken.Invalid" }, { status: 400 });
    };
    await using far = await startFarHosts({
      [name]: registry(name).host,
      [API]: host,
      "sts.cn-hangzhou.aliyuncs.com": sts,
    });
    const env = {
      ALIBABA_CLOUD_ROLE_ARN: "acs:ram::1:role/pod",
      ALIBABA_CLOUD_OIDC_PROVIDER_ARN: "acs:ram::1:oidc-provider/ack",
      ALIBABA_CLOUD_OIDC_TOKEN_FILE: join(folder, "token"),
    };
    expect(await readFrom(name, { ...far.env, ...env })).toBe(DIGEST);
    rmSync(folder, { recursive: true });
  });

  test("happens nowhere else", async () => {
    for (const name of [
      "registry.cn-hangzhou.aliyuncs.com.evil.example",
      "evil.cn-hangzhou.aliyuncs.com",
      "bucket.oss-cn-hangzhou.aliyuncs.com",
      "registry.cn-hangzhou.cr.aliyuncs.com",
    ]) {
      const { host, asked } = api(KEYS.ALIBABA_CLOUD_ACCESS_KEY_SECRET);
      const { host: evil, shown } = registry(name);
      await using far = await startFarHosts({ [name]: evil, [API]: host });
      await expect(readFrom(name, { ...far.env, ...KEYS })).rejects.toMatchObject({
        code: "REGISTRY_AUTH",
      });
      expect([name, asked, shown.filter((each) => each !== "")]).toEqual([name, [], []]);
    }
  });

  test("that is refused says why, and shows no secret", async () => {
    const name = "registry.cn-hangzhou.aliyuncs.com";
    const { host } = api("another secret");
    await using far = await startFarHosts({ [name]: registry(name).host, [API]: host });
    const error = await readFrom(name, { ...far.env, ...KEYS }).catch((thrown) => thrown);
    expect(error).toMatchObject({
      code: "CREDENTIALS_INVALID",
      message: expect.stringContaining("SignatureDoesNotMatch"),
    });
    expect(String(error)).not.toContain(KEYS.ALIBABA_CLOUD_ACCESS_KEY_SECRET);
  });
});
