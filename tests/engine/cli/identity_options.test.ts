import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FULCIO_FLAGS, OIDC_FLAGS } from "../../../engine/cli/flags/keyless.ts";
import { identityOptions } from "../../../engine/cli/identity_options.ts";
import { parseFlags } from "../../../engine/cli/parse.ts";

const folder = mkdtempSync(join(tmpdir(), "identity-options-"));
afterAll(() => rmSync(folder, { recursive: true }));

const read = (argv: readonly string[], issuer?: string) =>
  identityOptions(
    parseFlags({ ...FULCIO_FLAGS, ...OIDC_FLAGS }, argv, () => undefined).flags,
    issuer,
  );

describe("identityOptions()", () => {
  test("has cosign's defaults, also for flags that are empty", async () => {
    const defaults = {
      issuer: "https://oauth2.sigstore.dev/auth",
      clientId: "sigstore",
      disableAmbientProviders: false,
    };
    expect(await read([])).toEqual(defaults);
    const names = ["oidc-issuer", "oidc-client-id", "oidc-client-secret-file", "oidc-redirect-url"];
    names.push("oidc-provider", "identity-token", "fulcio-auth-flow", "oidc-client-secret");
    expect(await read(names.map((name) => `--${name}=`))).toEqual(defaults);
  });

  test("has what the flags say", async () => {
    const secret = join(folder, "secret");
    writeFileSync(secret, "  s3cret\n");
    expect(
      await read([
        "--oidc-issuer=https://issuer.example",
        "--oidc-client-id=me",
        `--oidc-client-secret-file=${secret}`,
        "--oidc-redirect-url=http://localhost:8000/cb",
        "--oidc-provider=spiffe",
        "--oidc-disable-ambient-providers",
        "--identity-token=-",
        "--fulcio-auth-flow=client_credentials",
      ]),
    ).toEqual({
      issuer: "https://issuer.example",
      clientId: "me",
      clientSecret: "s3cret",
      redirectUrl: "http://localhost:8000/cb",
      provider: "spiffe",
      disableAmbientProviders: true,
      identityToken: "-",
      flow: "client_credentials",
    });
    expect((await read(["--oidc-client-secret=s"])).clientSecret).toBe("s");
  });

  test("takes the issuer of a signing config where the flag is not given", async () => {
    const config = "https://config.example";
    expect((await read([], config)).issuer).toBe(config);
    expect((await read(["--oidc-issuer=https://flag.example"], config)).issuer).toBe(
      "https://flag.example",
    );
  });

  test("throws in cosign's words", async () => {
    const binary = join(folder, "binary");
    writeFileSync(binary, Uint8Array.of(0xff, 0xfe));
    await expect(read(["--fulcio-auth-flow=magic"])).rejects.toMatchObject({
      code: "USAGE",
      message: "unsupported oauth flow: magic",
    });
    await expect(read([`--oidc-client-secret-file=${binary}`])).rejects.toMatchObject({
      code: "FILE_READ",
      message: `OIDC client secret in file ${binary} not valid utf8`,
    });
    await expect(read([`--oidc-client-secret-file=${folder}/absent`])).rejects.toMatchObject({
      code: "FILE_READ",
    });
    await expect(
      read(["--oidc-client-secret=a", `--oidc-client-secret-file=${binary}`]),
    ).rejects.toMatchObject({ code: "USAGE" });
  });
});
