import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
} from "bun:test";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createHostedKey,
  openHostedSigner,
  readHostedPublicKey,
} from "../../../engine/keys/hosted.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { builtinKey } from "../../support/builtin_key.ts";
import { setEnvironment } from "../../support/environment.ts";
import { type Moto, startMoto } from "../../support/moto.ts";
import { hasTool, requires } from "../../support/requires.ts";
import { makeCertificates, startTlsFront } from "../../support/tls_front.ts";

setDefaultTimeout(120_000); // moto loads slowly

const test = requires("moto");
const URI = "awskms:///alias/release";
const SIGN_ON = `[sso-session work]
sso_start_url = https://example.awsapps.com/start
sso_region = us-east-1
[profile sso]
sso_session = work
sso_account_id = 123456789012
sso_role_name = release
`;
const STATIC = { AccessKeyId: "AKIDFROMSERVICE", SecretAccessKey: "secret-of-a-service" };

let moto: Moto;
let folder: string;
let restore = (): void => {};
let warnings: string[] = [];

beforeAll(async () => {
  if (hasTool("moto")) moto = await startMoto();
});
afterAll(async () => {
  if (hasTool("moto")) await moto[Symbol.asyncDispose]();
});
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "aws-"));
  warnings = [];
  const variables = {
    AWS_ENDPOINT_URL: hasTool("moto") ? moto.url : "",
    AWS_REGION: "us-east-1",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_CONFIG_FILE: join(folder, "config"),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, "credentials"),
    HOME: folder,
  };
  const setup = {
    ...variables,
    AWS_CONFIG_FILE: "/nowhere", // the SDK remembers what it read
    AWS_SHARED_CREDENTIALS_FILE: "/nowhere",
    AWS_ACCESS_KEY_ID: "AKIDSETUP",
    AWS_SECRET_ACCESS_KEY: "setup",
  };
  const back = setEnvironment("AWS_", setup);
  if (hasTool("moto") && moto.count("CreateKey") === 0) await createHostedKey(await keyOf());
  back();
  restore = setEnvironment("AWS_", variables);
});
afterEach(() => {
  if (hasTool("moto")) moto.fault = undefined;
  restore();
  rmSync(folder, { recursive: true });
});

const keyOf = (uri = URI) =>
  builtinKey(uri, { env: { ...process.env }, warn: (line) => warnings.push(line) });
/** Whose access key the last request was signed with. */
const signedBy = async (): Promise<string | undefined> => {
  await readHostedPublicKey(await keyOf());
  const { headers } = moto.requests.at(-1) ?? {};
  return /Credential=(\w+)\//.exec(headers?.get("authorization") ?? "")?.[1];
};

describe("the credentials for AWS KMS", () => {
  test("of the environment, with a session token", async () => {
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: "AKIDENVIRONMENT",
      AWS_SECRET_ACCESS_KEY: "s",
      AWS_SESSION_TOKEN: "token-of-a-session",
    });
    expect(await signedBy()).toBe("AKIDENVIRONMENT");
    expect(moto.requests.at(-1)?.headers.get("x-amz-security-token")).toBe("token-of-a-session");
  });

  test("of a profile in the shared files, with its region", async () => {
    writeFileSync(
      join(folder, "credentials"),
      "[release]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = s\n",
    );
    writeFileSync(join(folder, "config"), "[profile release]\nregion = us-east-1\n");
    delete process.env["AWS_REGION"];
    process.env["AWS_PROFILE"] = "release";
    expect(await signedBy()).toBe("AKIDPROFILE");
  });

  test("of a program that a profile names", async () => {
    const program = join(folder, "program");
    writeFileSync(
      program,
      `#!/bin/sh\necho '${JSON.stringify({ Version: 1, ...STATIC, AccessKeyId: "AKIDPROGRAM" })}'\n`,
    );
    chmodSync(program, 0o755);
    writeFileSync(join(folder, "config"), `[profile p]\ncredential_process = ${program}\n`);
    process.env["AWS_PROFILE"] = "p";
    expect(await signedBy()).toBe("AKIDPROGRAM");
  });

  test("of a role that a web identity takes: STS is asked through our own transport", async () => {
    writeFileSync(join(folder, "token"), "header.payload.signature");
    Object.assign(process.env, {
      AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, "token"),
      AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/release",
    });
    const before = moto.count("AssumeRoleWithWebIdentity");
    let left = 2;
    moto.fault = (operation) =>
      operation === "AssumeRoleWithWebIdentity" && left-- > 0
        ? new Response("<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>", {
            status: 400,
          })
        : undefined;
    await using signer = await openHostedSigner(await keyOf());
    for (let i = 0; i < 3; i++) await signer.sign(utf8("a message"));
    expect(moto.count("AssumeRoleWithWebIdentity") - before).toBe(3); // two were throttled
    expect(moto.requests.at(-1)?.headers.get("x-amz-security-token")).toBeString();
  });

  test("of single sign-on, from the token that `aws sso login` left", async () => {
    const session = createHash("sha1").update("work").digest("hex");
    mkdirSync(join(folder, ".aws/sso/cache"), { recursive: true });
    const token = {
      accessToken: "sso-token",
      expiresAt: "2099-01-01T00:00:00Z",
      region: "us-east-1",
    };
    writeFileSync(join(folder, `.aws/sso/cache/${session}.json`), JSON.stringify(token));
    writeFileSync(join(folder, "config"), SIGN_ON);
    process.env["AWS_PROFILE"] = "sso";
    moto.fault = (operation) =>
      operation === ""
        ? Response.json({
            roleCredentials: {
              accessKeyId: "AKIDSSO",
              secretAccessKey: "s",
              sessionToken: "t",
              expiration: Date.parse("2099-01-01T00:00:00Z"),
            },
          })
        : undefined;
    expect(await signedBy()).toBe("AKIDSSO");
    const portal = moto.requests.findLast(({ operation }) => operation === "");
    expect(portal?.headers.get("x-amz-sso_bearer_token")).toBe("sso-token");
  });

  test("of a container, and of the machine", async () => {
    const seen: string[] = [];
    await using server = metadataServer(seen);
    process.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = `${server.url}/container`;
    process.env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "Bearer of-the-container";
    expect(await signedBy()).toBe("AKIDCONTAINER");
    expect(seen).toEqual(["GET /container Bearer of-the-container"]);
    delete process.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"];
    process.env["AWS_EC2_METADATA_DISABLED"] = "false";
    process.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = server.url;
    expect(await signedBy()).toBe("AKIDMACHINE");
  });

  test("of nowhere: the error says where they may be", async () => {
    await expect(readHostedPublicKey(await keyOf())).rejects.toMatchObject({
      code: "KEY_SERVICE_AUTH",
      message: expect.stringContaining("CredentialsProviderError"),
      hint: expect.stringContaining("~/.aws"),
    });
  });

  test("of a sign-on that has run out: the error says how to log in again", async () => {
    writeFileSync(join(folder, "config"), SIGN_ON);
    process.env["AWS_PROFILE"] = "sso";
    await expect(readHostedPublicKey(await keyOf())).rejects.toMatchObject({
      code: "KEY_SERVICE_AUTH",
      message: expect.stringContaining("aws sso login"),
    });
  });
});

describe("the endpoint of AWS KMS", () => {
  requires("moto", "openssl")("in the URI is reached by https", async () => {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: "AKIDX", AWS_SECRET_ACCESS_KEY: "s" });
    delete process.env["AWS_ENDPOINT_URL"];
    const files = makeCertificates(folder);
    const front = startTlsFront(new URL(moto.url).host, files);
    try {
      const uri = `awskms://${front.host}/alias/release`;
      await expect(readHostedPublicKey(await keyOf(uri))).rejects.toMatchObject({
        code: "KEY_SERVICE_UNAVAILABLE",
        message: expect.stringContaining("certificate"),
      });
      process.env["SSL_CERT_FILE"] = files.ca;
      expect((await readHostedPublicKey(await keyOf(uri))).type).toBe("ecdsa-p256");
      delete process.env["SSL_CERT_FILE"];
      process.env["AWS_TLS_INSECURE_SKIP_VERIFY"] = "1";
      expect((await readHostedPublicKey(await keyOf(uri))).type).toBe("ecdsa-p256");
      expect(warnings).toEqual([
        "AWS_TLS_INSECURE_SKIP_VERIFY: the server's certificate is not checked",
      ]);
    } finally {
      delete process.env["SSL_CERT_FILE"];
      await front.close();
    }
  });
});

describe("authority over a key of AWS KMS", () => {
  test("moto checks each request's signature and what the user may do", async () => {
    await moto.call("iam", "CreateUser", { UserName: "builder" });
    const key = await moto.call("iam", "CreateAccessKey", { UserName: "builder" });
    const secret = /<SecretAccessKey>([^<]+)</.exec(key)?.[1] ?? "";
    const allow = async (action: string): Promise<void> => {
      const Statement = [{ Effect: "Allow", Action: action.split(" "), Resource: "*" }];
      await moto.call("iam", "PutUserPolicy", {
        UserName: "builder",
        PolicyName: "kms",
        PolicyDocument: JSON.stringify({ Version: "2012-10-17", Statement }),
      });
    };
    await allow("kms:GetPublicKey kms:Sign iam:PutUserPolicy");
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: /<AccessKeyId>([^<]+)</.exec(key)?.[1],
      AWS_SECRET_ACCESS_KEY: secret,
    });
    await moto.demandAuthority();
    await using signer = await openHostedSigner(await keyOf());
    expect(await signer.sign(utf8("a message"))).toBeInstanceOf(Uint8Array);
    await expect(createHostedKey(await keyOf("awskms:///alias/new"))).rejects.toMatchObject({
      code: "KEY_DENIED",
      hint: expect.stringContaining("kms:CreateKey"),
    });
    process.env["AWS_SECRET_ACCESS_KEY"] = `${secret}x`;
    await expect(readHostedPublicKey(await keyOf())).rejects.toMatchObject({
      code: "KEY_SERVICE_AUTH",
      message: expect.not.stringContaining(secret),
    });
    process.env["AWS_ACCESS_KEY_ID"] = "AKIDUNKNOWN";
    await expect(readHostedPublicKey(await keyOf())).rejects.toMatchObject({
      code: "KEY_SERVICE_AUTH",
    });
  });
});

/** Where containers and machines find their credentials. */
function metadataServer(seen: string[]): {
  readonly url: string;
  [Symbol.asyncDispose](): Promise<void>;
} {
  const credentials = { ...STATIC, Token: "t", Expiration: "2099-01-01T00:00:00Z" };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/container") {
        seen.push(`${request.method} ${pathname} ${request.headers.get("authorization")}`);
        return Response.json({ ...credentials, AccessKeyId: "AKIDCONTAINER" });
      }
      if (pathname === "/latest/api/token" && request.method === "PUT")
        return new Response("imds-token");
      if (request.headers.get("x-aws-ec2-metadata-token") !== "imds-token") {
        return new Response(null, { status: 401 });
      }
      const path = pathname.replace("/latest/meta-data/iam/security-credentials/", "");
      if (path === "") return new Response("role");
      return path === "role"
        ? Response.json({ ...credentials, AccessKeyId: "AKIDMACHINE", Code: "Success" })
        : new Response(null, { status: 404 });
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, [Symbol.asyncDispose]: () => server.stop(true) };
}
