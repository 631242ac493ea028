import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { parseEcrHost } from "../../../plugins/kms-aws/registries.ts";
import { cloudRegistry, DIGEST, readFrom } from "../../support/cloud_registry.ts";
import { setEnvironment } from "../../support/environment.ts";
import { type FarHost, startFarHosts } from "../../support/far_hosts.ts";
import { type Moto, startMoto } from "../../support/moto.ts";
import { requires } from "../../support/requires.ts";

setDefaultTimeout(60_000); // moto starts slowly on a busy machine

const HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const KEYS = {
  AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
  AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
};
const NOBODY = {
  AWS_EC2_METADATA_DISABLED: "true",
  AWS_CONFIG_FILE: "/nowhere",
  AWS_SHARED_CREDENTIALS_FILE: "/nowhere",
};
let restore: () => void;
beforeEach(() => {
  restore = setEnvironment("AWS_", { ...NOBODY, ...KEYS }); // the SDK reads it of the process
});
afterEach(() => restore());

/** The API as AWS's reference has it ("GetAuthorizationToken"); requests are signed for service and region. */
function ecrApi(service: string, region: string) {
  const asked: string[] = [];
  const host: FarHost = async (request) => {
    const body = await request.text();
    const { headers } = request;
    asked.push(`${headers.get("x-amz-target")} ${body}`);
    const scope = `/${region}/${service}/aws4_request, `;
    if (headers.get("authorization")?.includes(scope) !== true) {
      return Response.json({ __type: "InvalidSignatureException" }, { status: 400 });
    }
    const token = {
      authorizationToken: Buffer.from("AWS:eyJwYXlsb2Fk").toString("base64"),
      expiresAt: 4_102_444_800, // 2100
    };
    const authorizationData = service === "ecr" ? [token] : token;
    return Response.json({ authorizationData });
  };
  return { host, asked };
}

const registry = (name: string) =>
  cloudRegistry(name, "basic", { pair: (pair) => pair === "AWS:eyJwYXlsb2Fk" });

describe("the log-in to ECR", () => {
  test("asks for a token of the account, in the region of the registry", async () => {
    const { host, asked } = ecrApi("ecr", "eu-west-1");
    await using far = await startFarHosts({
      [HOST]: registry(HOST).host,
      "api.ecr.eu-west-1.amazonaws.com": host,
    });
    expect(await readFrom(HOST, { ...far.env, ...KEYS })).toBe(DIGEST);
    expect(asked).toEqual([
      'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken {"registryIds":["123456789012"]}',
    ]);
  });

  test("asks for a token of the public registry in us-east-1", async () => {
    const { host, asked } = ecrApi("ecr-public", "us-east-1");
    await using far = await startFarHosts({
      "public.ecr.aws": registry("public.ecr.aws").host,
      "api.ecr-public.us-east-1.amazonaws.com": host,
    });
    expect(await readFrom("public.ecr.aws", { ...far.env, ...KEYS })).toBe(DIGEST);
    expect(asked).toEqual(["SpencerFrontendService.GetAuthorizationToken {}"]);
  });

  test("is none without credentials", async () => {
    restore();
    restore = setEnvironment("AWS_", NOBODY);
    const { host, shown } = registry(HOST);
    await using far = await startFarHosts({ [HOST]: host });
    await expect(readFrom(HOST, far.env)).rejects.toMatchObject({ code: "REGISTRY_AUTH" });
    expect(shown.every((authorization) => authorization === "")).toBe(true);
  });

  test("happens nowhere else", async () => {
    for (const name of [
      `${HOST}.evil.example`,
      "evil.dkr.ecr.eu-west-1.amazonaws.com",
      `x${HOST}`,
    ]) {
      const { host, asked } = ecrApi("ecr", "eu-west-1");
      const { host: evil, shown } = registry(name);
      await using far = await startFarHosts({
        [name]: evil,
        "api.ecr.eu-west-1.amazonaws.com": host,
      });
      await expect(readFrom(name, { ...far.env, ...KEYS })).rejects.toMatchObject({
        code: "REGISTRY_AUTH",
      });
      expect([name, asked, shown.filter((each) => each !== "")]).toEqual([name, [], []]);
    }
  });

  test("that is denied names the permission", async () => {
    await using far = await startFarHosts({
      [HOST]: registry(HOST).host,
      "api.ecr.eu-west-1.amazonaws.com": () =>
        Response.json({ __type: "AccessDeniedException", message: "no" }, { status: 400 }),
    });
    await expect(readFrom(HOST, { ...far.env, ...KEYS })).rejects.toMatchObject({
      code: "CREDENTIALS_INVALID",
      message: expect.stringContaining(`Cannot log in to "${HOST}"`),
      hint: expect.stringContaining("ecr:GetAuthorizationToken"),
    });
  });

  requires("moto")("is understood by moto", async () => {
    const moto: Moto = await startMoto();
    process.env["AWS_ENDPOINT_URL"] = moto.url;
    const { host } = cloudRegistry(HOST, "basic", {
      pair: (pair) => pair === "AWS:123456789012-auth-token",
    });
    await using far = await startFarHosts({ [HOST]: host });
    expect(await readFrom(HOST, { ...far.env, ...KEYS, NO_PROXY: "127.0.0.1" })).toBe(DIGEST);
    expect(moto.count("GetAuthorizationToken")).toBeGreaterThan(0);
    await moto[Symbol.asyncDispose]();
  });
});

test("parseEcrHost() reads the names of ECR, and no others", () => {
  const account = "123456789012";
  expect(parseEcrHost(`${account}.dkr.ecr-fips.us-gov-west-1.amazonaws.com`)).toEqual({
    account,
    region: "us-gov-west-1",
    isFips: true,
  });
  expect(parseEcrHost(`${account}.dkr-ecr.eu-central-1.on.aws`)).toMatchObject({ isFips: false });
  for (const host of [`${HOST}:443`, `${HOST}.cnx`, "1.dkr.ecr.eu-west-1.amazonaws.com", "a.b"]) {
    expect(parseEcrHost(host)).toBeUndefined();
  }
});
