import { expect, test } from "bun:test";
import { Secrets } from "../../../engine/plugin_host/secrets.ts";

test("Secrets.addEnvironment() takes secrets by their names, and leaves names and places alone", () => {
  const secrets = new Secrets();
  const shown = {
    AZURE_TOKEN_CREDENTIALS: "EnvironmentCredential",
    GOOGLE_APPLICATION_CREDENTIALS: "/home/me/account.json",
    AWS_WEB_IDENTITY_TOKEN_FILE: "/var/run/token",
    AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
    VAULT_ADDR: "https://vault.example.com",
  };
  const hidden = {
    AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI",
    AZURE_CLIENT_SECRET: "client-secret",
    AZURE_CREDENTIALS: '{"clientSecret":"x"}',
    VAULT_TOKEN: "hvs.token",
    COSIGN_PKCS11_PIN: "123456",
  };
  secrets.addEnvironment({ ...shown, ...hidden });
  for (const value of Object.values(shown)) expect(secrets.strike(value)).toBe(value);
  for (const value of Object.values(hidden)) expect(secrets.strike(value)).toBe("REDACTED");
});
