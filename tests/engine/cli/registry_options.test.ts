import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { REGISTRY_FLAGS } from "../../../engine/cli/flags/registry.ts";
import { parseFlags } from "../../../engine/cli/parse.ts";
import { registryOptions } from "../../../engine/cli/registry_options.ts";
import { CosignError } from "../../../engine/model/errors.ts";

const dir = mkdtempSync(join(tmpdir(), "registry-options-"));
afterAll(() => rmSync(dir, { recursive: true }));

const options = (...argv: string[]) =>
  registryOptions(
    { ...parseFlags(REGISTRY_FLAGS, argv, () => undefined).flags, verbose: false },
    "linux/x64",
  );

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof CosignError ? error.code : "none";
}

describe("registryOptions()", () => {
  test("asks for nothing special by default, and says who asks", async () => {
    expect(await options()).toEqual({
      allowHttp: false,
      allowInsecure: false,
      verbose: false,
      userAgent: expect.stringMatching(/^cosign-ts\/\d+\.\d+\.\d+ \(linux; x64\)$/),
    });
  });

  test("reads the files that flags name", async () => {
    const pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    const path = join(dir, "ca.pem");
    writeFileSync(path, pem);
    expect(
      await options(
        `--registry-cacert=${path}`,
        `--registry-client-cert=${path}`,
        `--registry-client-key=${path}`,
        "--registry-server-name=r.example",
        "--registry-token=t",
        "--registry-username=u",
        "--registry-password=p",
        "--allow-http-registry",
      ),
    ).toMatchObject({
      caPem: pem,
      clientCertificatePem: pem,
      clientKeyPem: pem,
      serverName: "r.example",
      token: "t",
      username: "u",
      password: "p",
      allowHttp: true,
    });
  });

  test("takes an empty text for none, as scripts with unset variables write it", async () => {
    const empty = Object.entries(REGISTRY_FLAGS).flatMap(([name, { type }]) =>
      type === "text" ? [`--${name}=`] : [],
    );
    expect(await options(...empty)).toEqual(await options());
  });

  test("refuses halves of pairs and files that are not there or no PEM", async () => {
    expect(await codeOf(options("--registry-username=u"))).toBe("USAGE");
    expect(await codeOf(options("--registry-password=p"))).toBe("USAGE");
    expect(await codeOf(options(`--registry-cacert=${join(dir, "absent")}`))).toBe("FILE_READ");
    const path = join(dir, "text");
    writeFileSync(path, "hello");
    expect(await codeOf(options(`--registry-cacert=${path}`))).toBe("FILE_READ");
    const pem = join(dir, "some.pem");
    writeFileSync(pem, "-----BEGIN X-----\n-----END X-----\n");
    expect(await codeOf(options(`--registry-client-cert=${pem}`))).toBe("USAGE");
  });
});
