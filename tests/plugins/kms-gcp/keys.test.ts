import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createHostedKey,
  openHostedSigner,
  readHostedPublicKey,
} from "../../../engine/keys/hosted.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { crc32c } from "../../../plugins/kms-gcp/crc32c.ts";
import { builtinKey } from "../../support/builtin_key.ts";
import { setEnvironment } from "../../support/environment.ts";
import { type GcpServer, newGcpVersion, startGcp } from "../../support/gcp_kms_server.ts";

const MESSAGE = utf8("a message");
const P256 = "EC_SIGN_P256_SHA256";
const RING = "projects/p/locations/europe-west3/keyRings/r";
const KEY = `${RING}/cryptoKeys/release`;
const URI = `gcpkms://${KEY}`;

let gcp: GcpServer;
let folder: string;
let restore = (): void => {};
let warnings: string[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gcp-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});
beforeEach(async () => {
  gcp = await startGcp();
  gcp.keyRings.add(RING);
  gcp.keys.set(KEY, { purpose: "ASYMMETRIC_SIGN", versions: [newGcpVersion(P256)] });
  warnings = [];
  writeFileSync(join(folder, "account.json"), JSON.stringify(gcp.serviceAccount));
  restore = setEnvironment("GOOGLE_", {
    GOOGLE_APPLICATION_CREDENTIALS: join(folder, "account.json"),
    METADATA_SERVER_DETECTION: "none",
  });
});
afterEach(async () => {
  restore();
  await gcp[Symbol.asyncDispose]();
});

const keyOf = (uri = URI) =>
  builtinKey(uri, { env: { ...gcp.env }, warn: (line) => warnings.push(line) });
const read = async (uri?: string) => await readHostedPublicKey(await keyOf(uri));
const asked = (): readonly string[] => gcp.requests.map(({ method }) => method);

describe("keys of Google Cloud KMS", () => {
  test("a version that is named is one request; without it there is one for the list", async () => {
    await read(`${URI}/versions/1`);
    expect(asked()).toEqual(["token", "getPublicKey"]);
    await using signer = await openHostedSigner(await keyOf());
    for (let i = 0; i < 3; i++) await signer.sign(MESSAGE);
    expect(asked().slice(2)).toEqual([
      ...["token", "list", "getPublicKey"],
      ...["asymmetricSign", "asymmetricSign", "asymmetricSign"],
    ]);
  });

  test("without a version it is the latest that is enabled, by number and over all pages", async () => {
    const versions = Array.from({ length: 120 }, () => newGcpVersion(P256));
    gcp.keys.set(KEY, { purpose: "ASYMMETRIC_SIGN", versions });
    for (const version of versions.slice(110)) version.state = "DESTROYED";
    const [latest, named] = [await read(), await read(`${URI}/cryptoKeyVersions/110`)];
    expect(latest.spki).toEqual(named.spki);
    expect(gcp.count("list")).toBe(2);
  });

  test("a new key gets its key ring, and is waited for", async () => {
    gcp.pendingReads = 2;
    const uri = "gcpkms://projects/p/locations/global/keyRings/fresh/cryptoKeys/new";
    const key = await createHostedKey(await keyOf(uri), "rsa-2048");
    expect(key.type).toBe("rsa-2048");
    expect(asked()).toEqual([
      ...["token", "get", "get", "create", "create"],
      ...["getPublicKey", "getPublicKey", "getPublicKey"],
    ]);
    expect(gcp.keys.get(uri.slice("gcpkms://".length))?.versions[0]?.algorithm).toBe(
      "RSA_SIGN_PKCS1_2048_SHA256",
    );
  });

  test("a key that is there is left as it is; P-521 is not to be had", async () => {
    const before = await read();
    expect((await createHostedKey(await keyOf())).spki).toEqual(before.spki);
    expect(warnings).toEqual([`Key "${URI}" exists already: it is left as it is`]);
    await expect(createHostedKey(await keyOf(), "rsa-2048")).rejects.toMatchObject({
      code: "KEY_EXISTS",
    });
    await expect(createHostedKey(await keyOf(`${URI}2`), "ecdsa-p521")).rejects.toMatchObject({
      code: "KEY_UNSUPPORTED",
    });
    expect(gcp.count("create")).toBe(0);
  });

  test("creations are not repeated, whatever the trouble", async () => {
    gcp.fault = (method) => (method === "create" ? Response.json({}, { status: 503 }) : undefined);
    await expect(createHostedKey(await keyOf(`${URI}2`))).rejects.toMatchObject({
      code: "KEY_SERVICE_UNAVAILABLE",
    });
    expect(gcp.count("create")).toBe(1);
  });

  test("URIs are those that cosign takes", async () => {
    for (const end of ["", "/versions/1", "/cryptoKeyVersions/1"]) {
      expect((await read(`${URI}${end}`)).type).toBe("ecdsa-p256");
    }
    for (const uri of [
      "gcpkms://p/europe-west3/r/release",
      "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/",
      `${URI}/`,
      `${URI}/versions/`,
      `${URI}/primary/1`,
      `${URI}/versions/1/2`,
      `${URI}?alt=media`,
      "gcpkms://projects/../locations/l/keyRings/r/cryptoKeys/k",
    ]) {
      await expect(read(uri)).rejects.toMatchObject({
        code: "USAGE",
        message: expect.stringContaining("kms specification should be in the format gcpkms://"),
      });
    }
  });
});

describe("what is changed on the way to and from Cloud KMS", () => {
  const change = (method: string, name: string, value: unknown): void => {
    gcp.change = (asked, answer) => {
      if (asked === method) answer[name] = value;
    };
  };

  test("a public key", async () => {
    const other = await read();
    gcp.keys.set(KEY, { purpose: "ASYMMETRIC_SIGN", versions: [newGcpVersion(P256)] });
    change("getPublicKey", "pem", other.key.export({ format: "pem", type: "spki" }).toString());
    await expect(read()).rejects.toMatchObject({
      code: "KEY_SERVICE_PROTOCOL",
      message: expect.stringContaining("checksum"),
    });
  });

  test("a signature, or the digest that it is of", async () => {
    await using signer = await openHostedSigner(await keyOf());
    for (const [name, value] of [
      ["signature", "MAYCAQECAQE="],
      ["signature", "no base64!"],
      ["signature", undefined],
      ["signatureCrc32c", "1"],
      ["signatureCrc32c", undefined],
      ["verifiedDigestCrc32c", false],
      ["verifiedDigestCrc32c", undefined],
      ["name", `${KEY}/cryptoKeyVersions/2`],
    ] as const) {
      change("asymmetricSign", name, value);
      await expect(signer.sign(MESSAGE)).rejects.toMatchObject({ code: "KEY_SERVICE_PROTOCOL" });
    }
  });

  test("a list of versions of another key", async () => {
    for (const list of [
      [{ name: "projects/evil/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/9" }],
      [{ name: `${KEY}/cryptoKeyVersions/1/../../other` }],
      [{}],
      "none",
    ]) {
      change("list", "cryptoKeyVersions", list);
      await expect(read()).rejects.toMatchObject({ code: "KEY_SERVICE_PROTOCOL" });
    }
  });

  test("everything", async () => {
    gcp.fault = (method) => (method === "list" ? new Response("<html>Log in</html>") : undefined);
    await expect(read()).rejects.toMatchObject({ code: "KEY_SERVICE_PROTOCOL" });
  });

  test("crc32c() computes what RFC 3720 §B.4 has", () => {
    expect(crc32c(utf8("123456789"))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index))).toBe(0x46dd794e);
  });
});
