import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Sigstore, startSigstore } from "../../../support/sigstore_server.ts";
import { readVectorText, unpackVectors } from "../../../support/vectors.ts";
import { cli } from "../_cli.ts";

setDefaultTimeout(60_000);
const dir = mkdtempSync(join(tmpdir(), "bundles-"));
const file = (name: string) => join(dir, name);
const read = (name: string) => JSON.parse(readFileSync(file(name), "utf8"));
const codeOf = ({ stderr }: { stderr: string }) => /^code: (\w+)$/m.exec(stderr)?.[1];
const NO_TUF = { TUF_ROOT: file("tuf"), COSIGN_PASSWORD: "" };
let sigstore: Sigstore;

beforeAll(async () => {
  unpackVectors("files/", dir);
  sigstore = await startSigstore();
  const made = await cli(["generate-key-pair", "--output-key-prefix", file("own")], NO_TUF);
  expect(made.code).toBe(0);
});
afterEach(() => sigstore.heal());
afterAll(async () => {
  await sigstore.close();
  rmSync(dir, { recursive: true });
});

const create = (...flags: string[]) =>
  cli(["bundle", "create", "--artifact", file("blob.txt"), ...flags], NO_TUF);
const verifyByKey = (bundle: string, key: string, ...flags: string[]) =>
  cli(["verify-blob", "--key", file(key), "--bundle", file(bundle), ...flags, file("blob.txt")]);
const KEYED = ["--insecure-ignore-tlog"];

/** Signs by the services of the test, in the old format, with a certificate. */
async function signKeyless(bundle: string): Promise<void> {
  const line = [
    ...["sign-blob", "--yes", "--new-bundle-format=false", "--use-signing-config=false"],
    ...["--fulcio-url", sigstore.fulcioUrl, "--rekor-url", sigstore.rekorUrl],
    ...["--trusted-root", sigstore.trustedRootPath, "--identity-token", sigstore.oidcToken()],
    ...["--bundle", file(bundle), file("blob.txt")],
  ];
  expect(await cli(line, NO_TUF)).toMatchObject({ code: 0 });
}
const verifyKeyless = (bundle: string) =>
  cli([
    ...["verify-blob", "--bundle", file(bundle), "--trusted-root", sigstore.trustedRootPath],
    ...["--certificate-identity", "mail@example.com"],
    ...["--certificate-oidc-issuer", sigstore.issuerUrl, file("blob.txt")],
  ]);

describe("bundle create", () => {
  test("writes of a signature and a key what cosign 3.1.2 writes, under the name that the format demands", async () => {
    const made = await create(
      ...["--signature", file("blob.txt.key-v3.v3.sig"), "--key", file("key-v3.pub")],
      "--ignore-tlog",
    );
    expect(JSON.parse(made.stdout)).toEqual({
      mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json", // cosign: …bundle+json;version=0.3
      verificationMaterial: {
        publicKey: { hint: "X36SkpGPmWZD3GT+e45r02lBO/6ibNi6k5/AuygpUQQ=" },
      },
      messageSignature: {
        messageDigest: {
          algorithm: "SHA2_256",
          digest: "X1rHTsYX9fl01orCAGFJ7FmVKA11cGkquzqVzpVMQBQ=",
        },
        signature: readVectorText("files/blob.txt.key-v3.v3.sig").trim(),
      },
    });
  });

  test("makes bundles that verify of the old ones that every generation wrote, of blobs and attestations", async () => {
    for (const [old, key] of [
      ["blob.txt.key-v2.v2.old.bundle.json", "key-v2.pub"],
      ["blob.txt.key-v3.v3.old.bundle.json", "key-v3.pub"],
      ["blob.txt.import-p384-v3.v3.old.bundle.json", "import-p384-v3.pub"],
      ["blob.txt.import-rsa2048-v2.v2.old.bundle.json", "import-rsa2048-v2.pub"],
    ] as const) {
      const out = ["--ignore-tlog", "--out", file("new.json")];
      const made = await create("--bundle", file(old), "--key", file(key), ...out);
      expect([old, made]).toEqual([old, { code: 0, stdout: "", stderr: "" }]);
      expect([old, await verifyByKey("new.json", key, ...KEYED)]).toMatchObject([old, { code: 0 }]);
    }
    expect(statSync(file("new.json")).mode & 0o777).toBe(0o600);
    const attestations = [
      ["--bundle", file("attest-blob.v3.old.bundle.json")],
      ["--attestation", file("attest-blob.v3.old.sig")],
    ];
    for (const from of attestations) {
      const made = await create(...from, "--key", file("key-v3.pub"), "--ignore-tlog");
      expect(made.code).toBe(0);
      writeFileSync(file("attestation.json"), made.stdout);
      const line = [
        "verify-blob-attestation",
        "--key",
        file("key-v3.pub"),
        "--type",
        "slsaprovenance",
      ];
      const more = ["--bundle", file("attestation.json"), ...KEYED, file("blob.txt")];
      expect(await cli([...line, ...more])).toMatchObject({ code: 0 });
    }
  });

  test("finds the entry in the log, with its proof: of a key, and of a certificate in an old bundle", async () => {
    const signature = file("own.sig");
    const signed = await cli(
      [
        ...["sign-blob", "--key", file("own.key"), "--yes", "--new-bundle-format=false"],
        ...["--use-signing-config=false", "--rekor-url", sigstore.rekorUrl],
        ...["--output-signature", signature, file("blob.txt")],
      ],
      { ...NO_TUF, SIGSTORE_REKOR_PUBLIC_KEY: rekorKey() },
    );
    expect(signed).toMatchObject({ code: 0 });
    const log = ["--rekor-url", sigstore.rekorUrl];
    const out = ["--out", file("logged.json")];
    const byKey = ["--signature", signature, "--key", file("own.pub")];
    expect(await create(...byKey, ...log, ...out)).toMatchObject({ code: 0, stdout: "" });
    expect(read("logged.json").verificationMaterial.tlogEntries).toMatchObject([
      {
        kindVersion: { kind: "hashedrekord", version: "0.0.1" },
        inclusionPromise: {},
        inclusionProof: { checkpoint: {} },
      },
    ]);
    const trusted = ["--trusted-root", sigstore.trustedRootPath];
    expect(await verifyByKey("logged.json", "own.pub", ...trusted)).toMatchObject({ code: 0 });

    await signKeyless("old.json");
    expect(await create("--bundle", file("old.json"), ...log, ...out)).toMatchObject({ code: 0 });
    expect(read("logged.json").verificationMaterial.certificate).toBeDefined();
    expect(await verifyKeyless("logged.json")).toMatchObject({ code: 0 });
    const ignored = await create("--bundle", file("old.json"), "--ignore-tlog");
    expect(ignored.stderr).toContain(
      "cannot ignore transparency log when the provided bundle contains a Signed Entry Timestamp",
    );
  });

  test("says that the log has no entry, and does not take its silence for that", async () => {
    const parts = ["--signature", file("blob.txt.key-v3.v3.sig"), "--key", file("key-v3.pub")];
    const none = await create(...parts, "--rekor-url", sigstore.rekorUrl);
    expect(codeOf(none)).toBe("LOG_ENTRY_MISSING");
    expect(none.stderr).toContain("unable to find tlog entry");
    const away = await create(...parts, "--rekor-url", "http://127.0.0.1:9");
    expect(codeOf(away)).toBe("SERVICE_UNAVAILABLE");
  });

  test("refuses parts that do not belong together, which cosign makes a bundle of", async () => {
    const signature = ["--signature", file("blob.txt.key-v3.v3.sig"), "--ignore-tlog"];
    expect(codeOf(await create(...signature, "--key", file("key-v2.pub")))).toBe(
      "SIGNATURE_INVALID",
    );
    const attestation = ["--attestation", file("attest-blob.v3.old.sig"), "--ignore-tlog"];
    expect(codeOf(await create(...attestation, "--key", file("key-v2.pub")))).toBe(
      "SIGNATURE_INVALID",
    );
  });

  test("says in cosign's words what is missing", async () => {
    for (const [argv, words] of [
      [[], "must supply --artifact"],
      [
        ["--artifact", "x", "--key", "k"],
        "must at least supply signature via --bundle or --signature",
      ],
      [
        ["--artifact", "x", "--bundle", "b", "--signature", "s"],
        "if any flags in the group [bundle signature] are set none of the others can be",
      ],
    ] as const) {
      const answer = await cli(["bundle", "create", ...argv]);
      expect(codeOf(answer)).toBe("USAGE");
      expect(answer.stderr).toContain(words);
    }
    const nobody = await create("--signature", file("blob.txt.key-v3.v3.sig"), "--ignore-tlog");
    expect(codeOf(nobody)).toBe("USAGE");
  });
});

describe("bundle upgrade", () => {
  test("makes of a bundle of 0.2 what cosign 3.1.2 makes of it, and nothing of one of 0.3", async () => {
    const before = readVectorText("bundles/mutated/v02-as-chain.json", "keyless");
    writeFileSync(file("before.json"), before);
    const { code, stdout, stderr } = await cli(["bundle", "upgrade", file("before.json")]);
    expect(code).toBe(0);
    expect(stderr).toBe(
      "Upgrading from v0.2 to v0.3...\nTruncating certificate chain to only the leaf certificate...\n  Certificate 0 Identity: alice@example.com\n",
    );
    // All that cosign changes, seen with cosign 3.1.2 itself when this was written.
    const { verificationMaterial, ...rest } = JSON.parse(before);
    const { x509CertificateChain, ...material } = verificationMaterial;
    expect(JSON.parse(stdout)).toEqual({
      ...rest,
      mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
      verificationMaterial: { ...material, certificate: x509CertificateChain.certificates[0] },
    });
    writeFileSync(file("after.json"), stdout);
    const again = await cli(["bundle", "upgrade", file("after.json"), "--out", file("out.json")]);
    expect(again.stderr).toBe(
      `Bundle is already at v0.3, no upgrade needed.\nSuccessfully upgraded bundle written to ${file("out.json")}\n`,
    );
    expect(readFileSync(file("out.json"), "utf8")).toBe(stdout);
  });

  /** A bundle of 0.1 as clients wrote it in 2023: a chain, and the log's promise alone. */
  async function oldBundle(change: (entry: Record<string, unknown>) => void = () => undefined) {
    await signKeyless("old.json");
    const log = ["--rekor-url", sigstore.rekorUrl, "--out", file("whole.json")];
    expect(await create("--bundle", file("old.json"), ...log)).toMatchObject({ code: 0 });
    const whole = read("whole.json");
    const { certificate, tlogEntries } = whole.verificationMaterial;
    const { inclusionProof, ...entry } = tlogEntries[0];
    change(entry);
    const old = {
      ...whole,
      mediaType: "application/vnd.dev.sigstore.bundle+json;version=0.1",
      verificationMaterial: {
        x509CertificateChain: { certificates: [certificate] },
        tlogEntries: [entry],
      },
    };
    writeFileSync(file("v01.json"), JSON.stringify(old));
    return { inclusionProof, entry };
  }
  const upgrade = (url = sigstore.rekorUrl) =>
    cli(["bundle", "upgrade", file("v01.json"), "--rekor-url", url, "--out", file("v03.json")]);

  test("fetches the proofs that are missing, and the bundle verifies", async () => {
    const { inclusionProof, entry } = await oldBundle();
    const { code, stderr } = await upgrade();
    expect(code).toBe(0);
    expect(stderr).toContain(
      `Fetching missing inclusion proof from Rekor for log index ${entry["logIndex"] ?? 0}...\n`,
    );
    const { checkpoint: _, ...proof } = inclusionProof; // which the log has signed anew
    expect(read("v03.json").verificationMaterial.tlogEntries).toMatchObject([
      { ...entry, inclusionProof: proof },
    ]);
    expect(await verifyKeyless("v03.json")).toMatchObject({ code: 0 });
  });

  test("takes no other entry for the missing one, where cosign takes whatever is there", async () => {
    await oldBundle((entry) => {
      entry["logIndex"] = `${Number(entry["logIndex"] ?? 0) - 1}`;
    });
    expect(codeOf(await upgrade())).toBe("LOG_ENTRY_MISMATCH");
    await oldBundle((entry) => {
      entry["logIndex"] = "1000000";
    });
    expect(codeOf(await upgrade())).toBe("LOG_ENTRY_MISSING");
    expect(codeOf(await upgrade("http://127.0.0.1:9"))).toBe("SERVICE_UNAVAILABLE");
  });
});

function rekorKey(): string {
  const { tlogs } = JSON.parse(sigstore.trustedRootJson);
  const pems = (tlogs as { publicKey: { rawBytes: string } }[]).map(
    ({ publicKey }) =>
      `-----BEGIN PUBLIC KEY-----\n${publicKey.rawBytes}\n-----END PUBLIC KEY-----\n`,
  );
  writeFileSync(file("rekor.pub"), pems.join(""));
  return file("rekor.pub");
}
