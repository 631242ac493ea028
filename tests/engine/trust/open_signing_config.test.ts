import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSigningConfig } from "../../../engine/trust/open_signing_config.ts";
import { readVectorText } from "../../support/vectors.ts";

const context = { env: {}, signal: new AbortController().signal };

describe("openSigningConfig()", () => {
  test("reads a file, a variable and a URL, and opens nothing where nothing is asked for", async () => {
    const text = readVectorText("trust/signing-config.json", "keyless");
    const folder = mkdtempSync(join(tmpdir(), "signing-config-"));
    const file = join(folder, "config.json");
    writeFileSync(file, text);
    using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response(text) });
    const open = (signingConfig: string) =>
      openSigningConfig(
        { signingConfig, useSigningConfig: true },
        { ...context, env: { CONFIG: text } },
      );
    try {
      const config = await open(file);
      expect(config?.logs.map(({ url }) => url)).toEqual(["http://127.0.0.1:5817"]);
      expect(await open("env://CONFIG")).toEqual(config);
      expect(await open(`http://127.0.0.1:${server.port}/config.json`)).toEqual(config);
      expect(await openSigningConfig({ useSigningConfig: false }, context)).toBeUndefined();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("names the file that is none, and how to make one", async () => {
    const opening = openSigningConfig(
      { signingConfig: "env://CONFIG", useSigningConfig: false },
      { ...context, env: { CONFIG: '{"mediaType":"application/json"}' } },
    );
    await expect(opening).rejects.toMatchObject({
      code: "SIGNING_CONFIG_INVALID",
      message: expect.stringContaining('Cannot read signing config "env://CONFIG"'),
      hint: expect.stringContaining("signing-config create"),
    });
  });
});
