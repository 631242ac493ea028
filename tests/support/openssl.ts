import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What OpenSSL is asked: is this a signature of that message by this key? */
export interface OpensslQuestion {
  /** SubjectPublicKeyInfo: PEM. */
  readonly publicPem: string;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  /** Nothing for Ed25519, which signs the message itself. */
  readonly digest: "sha256" | "sha384" | "sha512" | undefined;
}

/** Lets OpenSSL check a signature, by its own arithmetic. Throws what it says when it does not hold. */
export function verifyByOpenssl({ publicPem, message, signature, digest }: OpensslQuestion): void {
  const dir = mkdtempSync(join(tmpdir(), "openssl-"));
  const [key, signed, by] = ["key", "message", "signature"].map((name) => join(dir, name));
  if (key === undefined || signed === undefined || by === undefined) throw new TypeError();
  try {
    writeFileSync(key, publicPem);
    writeFileSync(signed, message);
    writeFileSync(by, signature);
    const argv =
      digest === undefined
        ? ["pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin", "-in", signed, "-sigfile", by]
        : ["dgst", `-${digest}`, "-verify", key, "-signature", by, signed];
    const { status, stdout, stderr } = spawnSync("openssl", argv, { encoding: "utf8" });
    if (status !== 0) throw new Error(`OpenSSL: ${stdout}${stderr}`);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** What DSSE signs of a payload (its protocol, version 1), written here from the standard. */
export function paeOf(payloadType: string, payload: Uint8Array): Uint8Array {
  const head = `DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `;
  return Uint8Array.from([...new TextEncoder().encode(head), ...payload]);
}
