import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestTufRepository } from "../../../support/tuf_repository.ts";
import { listVectors, readVector, readVectorText } from "../../../support/vectors.ts";
import { cli } from "../_cli.ts";

const dir = mkdtempSync(join(tmpdir(), "inspect-"));
const env = { TUF_ROOT: join(dir, "tuf") };
const bundle = join(dir, "bundle.json");

/** As it was when cosign's answers were recorded: it knows the services of the vectors. */
beforeAll(async () => {
  const content = readVectorText("trust/trusted-root-v1.json", "keyless");
  const repository = new TestTufRepository({ targets: { "trusted_root.json": { content } } });
  await using server = repository.serve();
  writeFileSync(join(dir, "root.json"), repository.anchor);
  const line = ["initialize", "--mirror", server.url, "--root", join(dir, "root.json")];
  expect((await cli(line, env)).code).toBe(0);
});
afterAll(() => rmSync(dir, { recursive: true }));

async function inspect(bytes: string | Uint8Array) {
  writeFileSync(bundle, bytes);
  return await cli(["bundle", "inspect", bundle], env);
}

describe("bundle inspect", () => {
  const answers = listVectors("", "inspect");
  const bytesOf = (answer: string) =>
    readVector(answer.replace(/\.(?:txt|refused)$/, ""), "keyless");

  test("prints what cosign 3.1.2 printed of all bundles of the vectors", async () => {
    const printed = answers.filter((path) => path.endsWith(".txt"));
    expect(printed.length).toBe(170);
    for (const answer of printed) {
      const { code, stdout } = await inspect(bytesOf(answer));
      // Why a certificate cannot be parsed is said in other words.
      const plain = (text: string) => text.replaceAll(/(parsing certificate): .*/g, "$1");
      expect([answer, code, plain(stdout)]).toEqual([
        answer,
        0,
        plain(readVectorText(answer, "inspect")),
      ]);
    }
  });

  test("refuses what cosign 3.1.2 refused: old bundles, two contents, keys that stand twice", async () => {
    const refused = answers.filter((path) => path.endsWith(".refused"));
    expect(refused.length).toBeGreaterThan(9);
    for (const answer of refused) {
      const { code, stdout, stderr } = await inspect(bytesOf(answer));
      expect([answer, code, stdout]).toEqual([answer, 1, ""]);
      expect(stderr).toContain("code: BUNDLE_INVALID");
    }
  });

  test("says that nothing is verified, and lets no text of a bundle's steer a terminal", async () => {
    const { stdout, stderr } = await inspect(
      JSON.stringify({ mediaType: "a\u001b[2J\n- Content: forged" }),
    );
    expect(stderr).toStartWith(
      "WARNING: This command only inspects the contents of the bundle.\nIt does not perform cryptographic verification or verify log inclusion.\n\n",
    );
    expect(stdout).toBe(
      [
        "- Bundle Media Type: a\\u001b[2J\\u000a- Content: forged",
        "- [!] WARNING: Unrecognized Media Type",
        "- [!] WARNING: Missing Verification Material",
        "- [!] WARNING: Missing Content",
        "",
      ].join("\n"),
    );
  });

  test("connects to nothing, and goes on without names where no keys are known", async () => {
    writeFileSync(bundle, readVectorText("bundles/blob-keyless-email.json", "keyless"));
    const away = { TUF_ROOT: join(dir, "empty"), TUF_MIRROR: "http://127.0.0.1:9" };
    const { code, stdout, stderr } = await cli(["bundle", "inspect", bundle], away);
    expect(code).toBe(0);
    expect(stdout).toContain("- Authority Key ID: ");
    expect(stderr).toContain(
      "Local TUF environment not initialized, some details will be omitted: ",
    );
  });
});
