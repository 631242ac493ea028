import { expect, setDefaultTimeout } from "bun:test";
import { join } from "node:path";
import { findPython } from "./python.ts";
import { requires } from "./requires.ts";
import { startVault } from "./vault_server.ts";

setDefaultTimeout(60_000); // Python starts slowly on a busy machine

requires("hvac")("startVault() is a Vault to HashiCorp's own client", async () => {
  await using vault = startVault();
  const python = findPython("hvac") ?? "python3";
  const script = join(import.meta.dir, "hvac_client.py");
  const child = Bun.spawn([python, script, vault.url, "root"], { stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(stderr).toBe("");
  const signed = (type: string) => [type, 1, "vault", "v1", true];
  expect(JSON.parse(stdout)).toEqual({
    "ecdsa-p256": signed("ecdsa-p256"),
    "ecdsa-p384": signed("ecdsa-p384"),
    "ecdsa-p521": signed("ecdsa-p521"),
    ed25519: signed("ed25519"),
    "rsa-2048": signed("rsa-2048"),
    "missing key": ["InvalidPath"],
    "missing key signs": ["InvalidRequest", "signing key not found"],
    "missing engine": [
      "InvalidPath",
      'no handler for route "nowhere/keys/k". route entry not found.',
    ],
    "unknown token": ["Forbidden", expect.stringContaining("permission denied")],
  });
});
