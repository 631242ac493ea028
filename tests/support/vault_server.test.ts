import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import answers from "./openbao_answers.json" with { type: "json" };
import { findPython } from "./python.ts";
import { requires } from "./requires.ts";
import { askVault, QUESTIONS } from "./vault_questions.ts";
import { newVaultKey, startVault } from "./vault_server.ts";

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

describe("startVault() answers as OpenBao did", () => {
  const recorded: ReadonlyMap<string, unknown> = new Map(Object.entries(answers));

  for (const question of QUESTIONS) {
    test(question.name, async () => {
      await using vault = startVault();
      vault.namespaces.add("team");
      vault.engines.add("team/transit");
      vault.tokens.set("reader", {
        allows: (path, capability) => path.startsWith("transit/keys/") && capability === "read",
      });
      vault.tokens.set("team", { namespace: "team" });
      for (const [name, type] of [
        ["p256", "ecdsa-p256"],
        ["ed25519", "ed25519"],
        ["rsa", "rsa-2048"],
        ["aes", "aes256-gcm96"],
        ["rotated", "ecdsa-p256"],
      ] as const) {
        vault.keys.set(`/transit/${name}`, newVaultKey(type));
      }
      vault.keys.set("/transit/derived", { ...newVaultKey("ed25519"), derived: true });
      vault.keys.set("/transit/deleted", { ...newVaultKey("ecdsa-p256"), deleted: true });
      vault.rotate("/transit/rotated");
      vault.keys.set("team/transit/p256", newVaultKey("ecdsa-p256"));
      const rotated = vault.keys.get("/transit/rotated");
      if (rotated !== undefined) rotated.minEncryptionVersion = 2;
      if (question.name === "a key that is there") {
        vault.keys.set("/transit/new", newVaultKey("ecdsa-p384"));
      }
      const answer = await askVault(vault.url, {}, question);
      expect<unknown>(JSON.parse(JSON.stringify(answer))).toEqual(recorded.get(question.name));
    });
  }
});
