import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../../engine/crypto/hash.ts";
import { type Bundle, parseBundle } from "../../engine/formats/bundle.ts";
import { parseCertificate } from "../../engine/formats/x509.ts";
import { parseUtf8 } from "../../engine/model/bytes.ts";
import { scrubbedEnvironment } from "../support/binary.ts";
import { type Sigstore, startSigstore } from "../support/sigstore_server.ts";
import { readVector, unpackVectors } from "../support/vectors.ts";

const LIMIT_MS = 120_000;
const ALICE = [
  "--certificate-identity",
  "alice@example.com",
  "--certificate-oidc-issuer",
  "http://127.0.0.1:5810/auth",
];
const ROOT = ["--trusted-root", "trust/trusted-root.json"];
const DIGEST = `sha256:${sha256(readVector("blobs/hello.txt", "keyless")).toHex()}`;
const SUBJECT = `sha256:${"5".repeat(64)}`;
const STATEMENT = JSON.stringify({
  _type: "https://in-toto.io/Statement/v1",
  subject: [{ name: "a.txt", digest: { sha256: "5".repeat(64) } }],
  predicateType: "https://slsa.dev/provenance/v1",
  predicate: {},
});
const folder = mkdtempSync(join(tmpdir(), "conformance-"));

beforeAll(() => {
  for (const prefix of ["trust/", "keys/", "blobs/", "bundles/"]) {
    unpackVectors(prefix, join(folder, prefix), "keyless");
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the program as the suite does: its whole path, in a folder of the suite's. */
async function run(words: readonly string[], program = join(import.meta.dir, "sigstore")) {
  const child = Bun.spawn([program, ...words], {
    cwd: folder,
    env: scrubbedEnvironment(folder),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const stderr = await new Response(child.stderr).text();
  return { code: await child.exited, stderr };
}

function bundle(name: string): readonly string[] {
  return ["verify-bundle", "--bundle", `bundles/${name}.json`];
}

test("the program is the only file here that can be executed", () => {
  const programs = readdirSync(import.meta.dir).filter(
    (name) => (statSync(join(import.meta.dir, name)).mode & 0o111) !== 0,
  );
  expect(programs).toEqual(["sigstore"]);
});

describe("sigstore verify-bundle", () => {
  test.each([
    [
      "a message's signature",
      [...bundle("blob-keyless-email"), ...ALICE, ...ROOT, "blobs/hello.txt"],
    ],
    ["a message by its digest", [...bundle("blob-keyless-email"), ...ALICE, ...ROOT, DIGEST]],
    ["an attestation", [...bundle("att-blob-keyless-slsa1"), ...ALICE, ...ROOT, "blobs/hello.txt"]],
    [
      "an attestation by the digest",
      [...bundle("att-blob-keyless-slsa1"), ...ALICE, ...ROOT, DIGEST],
    ],
    [
      "a signature by a key",
      [...bundle("blob-key-p256"), "--key", "keys/cosign.pub", ...ROOT, DIGEST],
    ],
  ])(
    "takes %s",
    async (_, words) => {
      expect(await run(words)).toMatchObject({ code: 0 });
    },
    LIMIT_MS,
  );

  test.each([
    ["another artifact", [...bundle("blob-keyless-email"), ...ALICE, ...ROOT, "blobs/other.txt"]],
    [
      "another digest",
      [...bundle("blob-keyless-email"), ...ALICE, ...ROOT, DIGEST.replace(/.$/, "x")],
    ],
    ["another identity", [...bundle("blob-keyless-other-identity"), ...ALICE, ...ROOT, DIGEST]],
    ["another key", [...bundle("blob-key-p256"), "--key", "keys/rsa2048.pub", ...ROOT, DIGEST]],
    [
      "an attestation about another file",
      [...bundle("att-blob-keyless-slsa1"), ...ALICE, ...ROOT, "blobs/other.txt"],
    ],
    ["no identity", [...bundle("blob-keyless-email"), ...ROOT, DIGEST]],
  ])(
    "refuses %s",
    async (_, words) => {
      const { code, stderr } = await run(words);
      expect(code).not.toBe(0);
      expect(stderr).toContain("code: ");
    },
    LIMIT_MS,
  );

  test(
    "is found through a link, and tells of what it does not know",
    async () => {
      const link = join(folder, "client");
      symlinkSync(join(import.meta.dir, "sigstore"), link);
      const words = [...bundle("blob-keyless-email"), ...ALICE, ...ROOT, DIGEST];
      expect(await run(words, link)).toMatchObject({ code: 0 });
      expect(await run(["sign"])).toEqual({
        code: 2,
        stderr: "sigstore: expected sign-bundle or verify-bundle, got sign\n",
      });
    },
    LIMIT_MS,
  );
});

describe("sigstore sign-bundle", () => {
  let services: Sigstore;
  beforeAll(async () => {
    services = await startSigstore();
    writeFileSync(join(folder, "a.txt"), "a file");
    writeFileSync(join(folder, "statement.json"), STATEMENT);
  });
  afterAll(() => services.close());

  const sign = (...words: readonly string[]) =>
    run([
      "sign-bundle",
      ...(words[0] === "--in-toto" ? ["--in-toto"] : []),
      ...["--identity-token", services.oidcToken(), "--bundle", "signed.json"],
      ...[
        "--trusted-root",
        services.trustedRootPath,
        "--signing-config",
        services.signingConfigPath,
      ],
      words.at(-1) ?? "",
    ]);
  const verify = (artifact: string) =>
    run([
      ...["verify-bundle", "--bundle", "signed.json"],
      ...["--certificate-identity", "mail@example.com"],
      ...["--certificate-oidc-issuer", services.issuerUrl],
      ...["--trusted-root", services.trustedRootPath, artifact],
    ]);
  const bundleOf = (): Bundle => parseBundle(readFileSync(join(folder, "signed.json")));

  test(
    "writes a bundle of a file with an entry in Rekor v2 and without a root certificate, which it verifies",
    async () => {
      expect(await sign("a.txt")).toMatchObject({ code: 0 });
      const { content, certificates, logEntries, timestamps, version } = bundleOf();
      expect([content.kind, version, certificates.length, timestamps.length]).toEqual([
        "message-signature",
        "0.3",
        1,
        1,
      ]);
      expect(logEntries[0]?.kindVersion).toEqual({ kind: "hashedrekord", version: "0.0.2" });
      expect(parseCertificate(certificates[0] ?? new Uint8Array()).isCa).toBe(false);
      expect(await verify("a.txt")).toMatchObject({ code: 0 });
      expect((await verify("statement.json")).code).not.toBe(0);
    },
    LIMIT_MS,
  );

  test(
    "writes a bundle of a statement as it is, with --in-toto",
    async () => {
      expect(await sign("--in-toto", "statement.json")).toMatchObject({ code: 0 });
      const { content } = bundleOf();
      expect(content.kind === "dsse" && parseUtf8(content.envelope.payload)).toBe(STATEMENT);
      expect(await verify(SUBJECT)).toMatchObject({ code: 0 });
      expect((await verify(DIGEST)).code).not.toBe(0);
    },
    LIMIT_MS,
  );

  test(
    "signs nothing with a token that is none",
    async () => {
      const words = ["sign-bundle", "--identity-token", "a.b.c", "--bundle", "none.json"];
      const trust = [
        "--trusted-root",
        services.trustedRootPath,
        "--signing-config",
        services.signingConfigPath,
      ];
      const { code, stderr } = await run([...words, ...trust, "a.txt"]);
      expect(code).not.toBe(0);
      expect(stderr).toContain("code: IDENTITY_TOKEN_INVALID");
      expect(existsSync(join(folder, "none.json"))).toBe(false);
    },
    LIMIT_MS,
  );
});
