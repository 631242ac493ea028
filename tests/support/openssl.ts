import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodePem } from "../../engine/crypto/pem.ts";
import type { PublicKey } from "../../engine/model/key.ts";

/** What OpenSSL says of a signature over a message: by its own arithmetic, nothing of ours. */
export function opensslVerifies(
  { spki, type }: Pick<PublicKey, "spki" | "type">,
  message: Uint8Array,
  signature: Uint8Array,
  digest = "sha256",
): boolean {
  const folder = mkdtempSync(join(tmpdir(), "openssl-"));
  try {
    writeFileSync(join(folder, "key.pem"), encodePem("PUBLIC KEY", spki));
    writeFileSync(join(folder, "message"), message);
    writeFileSync(join(folder, "signature"), signature);
    const how = type === "ed25519" ? ["-rawin"] : ["-rawin", "-digest", digest];
    const files = ["-inkey", "key.pem", "-in", "message", "-sigfile", "signature"];
    const args = ["pkeyutl", "-verify", "-pubin", ...how, ...files];
    const { stdout } = spawnSync("openssl", args, { cwd: folder, encoding: "utf8" });
    return stdout.includes("Signature Verified Successfully");
  } finally {
    rmSync(folder, { recursive: true });
  }
}
