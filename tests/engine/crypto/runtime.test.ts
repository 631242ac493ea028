import { expect, test } from "bun:test";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..", "..", "..");
const CHILD = join(import.meta.dir, "runtime_child.ts");
const DIGESTS = ["sha224", "sha256", "sha384", "sha512"];

const expected = [
  ...["ecdsa-p256", "ecdsa-p384", "ecdsa-p521"].flatMap((type) =>
    DIGESTS.map((digest) => `${type} ${digest} ecdsa-${digest} SIGNATURE_INVALID`),
  ),
  ...DIGESTS.map((digest) => {
    const scheme = digest === "sha512" ? "ed25519ph" : "ed25519";
    return `ed25519 ${digest} ${scheme} SIGNATURE_INVALID`;
  }),
  ...DIGESTS.map((digest) => `rsa-2048 ${digest} rsa-pkcs1-${digest} SIGNATURE_INVALID`),
  ...["P-256", "P-384", "P-521"].map((curve) => `${curve} hostile all judged`),
  "key file in a worker ecdsa-sha256",
];

test.each([
  ["Bun", [process.execPath]],
  ["Deno", [join(ROOT, "node_modules", ".bin", "deno"), "run", "-A"]],
])(
  "signMessage(), verifySignature() and generateKeyPair() answer the same under %s",
  async (_name, runtime) => {
    const child = Bun.spawn([...runtime, CHILD], { cwd: ROOT, stderr: "inherit" });
    expect((await child.stdout.text()).trim().split("\n")).toEqual(expected);
    expect(await child.exited).toBe(0);
  },
  60_000,
);
