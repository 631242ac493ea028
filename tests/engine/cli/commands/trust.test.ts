import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseTrustedRoot } from "../../../../engine/formats/trusted_root_json.ts";
import { TestTufRepository } from "../../../support/tuf_repository.ts";
import { readCommands, readVectorText, unpackVectors } from "../../../support/vectors.ts";
import { cli } from "../_cli.ts";
import RECORDS from "./cosign_trust.json" with { type: "json" };

const dir = mkdtempSync(join(tmpdir(), "trust-commands-"));
const file = (name: string) => join(dir, name);
const TARGETS = {
  "trusted_root.json": { content: readVectorText("trust/trusted-root-v1.json", "keyless") },
  "signing_config.v0.2.json": { content: readVectorText("trust/signing-config.json", "keyless") },
};
const codeOf = ({ stderr }: { stderr: string }) => /^code: (\w+)$/m.exec(stderr)?.[1];

beforeAll(() => unpackVectors("trust/", dir, "keyless"));
afterAll(() => rmSync(dir, { recursive: true }));

/** The record's files are those of the vectors' folder. */
const placed = (text: string) =>
  text.replaceAll(/(?<![\w/-])[\w-]+\.(?:pem|pub|json)\b/g, (name) => file(name));

describe("trusted-root create and signing-config create", () => {
  test.each(RECORDS.map((record) => [record.argv.join(" "), record] as const))(
    "answer as cosign 3.1.2 did: %s",
    async (_line, record) => {
      const answer = await cli(record.argv.map(placed));
      if ("stdout" in record) {
        expect(answer.stderr.replaceAll(/^Flag --.*\n/gm, "")).toBe("");
        expect(JSON.parse(answer.stdout)).toEqual(record.stdout);
        return;
      }
      expect(answer.stdout).toBe("");
      const { error = "" } = record as { error?: string };
      // What Go says of a file, a number or a time, is said here in other words.
      const [words = "", detail] = placed(error).split(
        /(open |proto:|strconv\.|unknown Public key| as "2006)/,
      );
      if (detail === "open ") expect(codeOf(answer)).toBe("FILE_READ");
      else if (detail === "proto:") expect(codeOf(answer)).toBe("SIGNING_CONFIG_INVALID");
      else if (detail === "unknown Public key") expect(codeOf(answer)).toBe("KEY_INVALID");
      else {
        expect(codeOf(answer)).toBe("USAGE");
        expect(answer.stderr).toContain(words);
      }
    },
  );

  test("trusted-root create of nothing writes what cosign 2.6.4 wrote (record 036)", async () => {
    const record = readCommands().find(({ argv }) => argv[0] === "trusted-root");
    const name = record?.argv.at(-1) ?? "";
    const out = file(name);
    expect(record?.argv).toEqual(["trusted-root", "create", "--out", name]);
    expect(await cli(["--compat", "2", "trusted-root", "create", "--out", out])).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
    expect(readFileSync(out, "utf8")).toBe(readVectorText(`files/${name}`));
  });

  test("--out writes a file that only its owner reads, without a new line", async () => {
    const out = file("out.json");
    const made = await cli([
      "trusted-root",
      "create",
      "--rekor",
      `url=https://r.test,public-key=${file("rekor-v1.pub")},start-time=2024-01-01T00:00:00Z`,
      "--out",
      out,
    ]);
    expect(made).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect(statSync(out).mode & 0o777).toBe(0o600);
    const json = readFileSync(out);
    expect(json.at(-1)).toBe("}".charCodeAt(0));
    expect(parseTrustedRoot(json).logs[0]?.baseUrl).toBe("https://r.test");
  });

  test("a key that is not known is refused, where cosign passes over a slip of the pen", async () => {
    const slip = `url=https://r.test,public-key=${file("rekor-v1.pub")},start-time=2024-01-01T00:00:00Z,endtime=2025-01-01T00:00:00Z`;
    const answer = await cli(["trusted-root", "create", "--rekor", slip]);
    expect(answer.stderr).toContain("key 'endtime' is not known");
    expect(codeOf(answer)).toBe("USAGE");
  });

  test("--with-default-services begins with what the TUF repository says, without what is not wanted", async () => {
    const repository = new TestTufRepository({ targets: TARGETS });
    await using server = repository.serve();
    writeFileSync(file("first.json"), repository.anchor);
    const env = { TUF_MIRROR: server.url, TUF_ROOT_JSON: file("first.json"), HOME: file("home") };
    const line = ["trusted-root", "create", "--with-default-services"];
    const whole = await cli(line, env);
    const wanted = JSON.parse(TARGETS["trusted_root.json"].content);
    expect(JSON.parse(whole.stdout)).toEqual({
      ...wanted,
      tlogs: expect.arrayContaining(wanted.tlogs),
    });
    const flags = ["fulcio", "ctfe", "rekor", "tsa"].map((name) => `--no-default-${name}`);
    const none = await cli([...line, ...flags], env);
    expect(JSON.parse(none.stdout)).toEqual({ mediaType: wanted.mediaType });

    const config = await cli(["signing-config", "create", "--with-default-services"], env);
    expect(JSON.parse(config.stdout)).toEqual(
      JSON.parse(TARGETS["signing_config.v0.2.json"].content),
    );
    const second = await cli(["signing-config", "create", "--with-default-rekor-v2"], env);
    expect(codeOf(second)).toBe("SIGNING_CONFIG_INVALID");
  });
});

describe("initialize", () => {
  const checksum = (bytes: Uint8Array, algorithm: string) =>
    createHash(algorithm).update(bytes).digest("hex");

  test("keeps a repository in cosign's files and says nothing; later commands believe it", async () => {
    const repository = new TestTufRepository({ targets: TARGETS });
    repository.publishRoot({}, { timestamp: ["another"] });
    repository.publish();
    await using server = repository.serve();
    writeFileSync(file("first.json"), repository.anchor);
    const home = file("initialized");
    const root = ["--root", file("first.json")];
    const made = await cli(["initialize", "--mirror", server.url, ...root], { HOME: home });
    expect(made).toEqual({ code: 0, stdout: "", stderr: "" });
    const kept = join(home, ".sigstore", "root");
    // The names that cosign 3.1.2 gives them.
    const folder = `127.0.0.1-${new URL(server.url).port}`;
    expect(readFileSync(join(kept, "remote.json"), "utf8")).toBe(
      JSON.stringify({ mirror: server.url }),
    );
    expect(readdirSync(join(kept, folder), { recursive: true }).toSorted()).toEqual([
      "root.json",
      "root_history",
      "root_history/2.root.json",
      "snapshot.json",
      "targets",
      "targets.json",
      "targets/signing_config.v0.2.json",
      "targets/trusted_root.json",
      "timestamp.json",
    ]);
    expect(readFileSync(join(kept, folder, "root.json"))).toEqual(
      Buffer.from(repository.file("2.root.json")),
    );
    expect(statSync(join(kept, "remote.json")).mode & 0o777).toBe(0o600);
    expect(statSync(kept).mode & 0o777).toBe(0o700);

    const later = await cli(["trusted-root", "create", "--with-default-services"], { HOME: home });
    expect(JSON.parse(later.stdout).tlogs.length).toBe(2);
  });

  test("prints the status of a repository without a trusted root, as cosign 3.1.2 does", async () => {
    const name = (usage: string) => ({ sigstore: { usage, status: "Active" } });
    const text = (path: string) => readVectorText(`trust/${path}`, "keyless");
    const repository = new TestTufRepository({
      targets: {
        "fulcio.crt.pem": { content: text("fulcio-chain.pem"), custom: name("Fulcio") },
        "rekor.pub": { content: text("rekor-v1.pub"), custom: name("Rekor") },
        "ctfe.pub": { content: text("ctfe.pub"), custom: name("CTFE") },
      },
      expires: Object.fromEntries(
        ["root", "timestamp", "snapshot", "targets"].map((role) => [role, "2062-12-02T15:55:59Z"]),
      ),
    });
    await using server = repository.serve();
    writeFileSync(file("first.json"), repository.anchor);
    const place = file("status");
    const made = await cli(["initialize", "--mirror", server.url, "--root", file("first.json")], {
      TUF_ROOT: place,
    });
    const role = (path: string) => ({
      version: 1,
      len: repository.file(path).length,
      expiration: "02 Dec 62 15:55 UTC",
      error: "",
    });
    const status = {
      local: place,
      remote: server.url,
      metadata: {
        "root.json": role("1.root.json"),
        "snapshot.json": role("1.snapshot.json"),
        "targets.json": role("1.targets.json"),
        "timestamp.json": role("timestamp.json"),
      },
      targets: ["ctfe.pub", "fulcio.crt.pem", "rekor.pub"],
    };
    expect(made.stdout).toBe(`Root status: \n ${JSON.stringify(status, undefined, "\t")}\n`);
    expect(made.stderr).toContain(
      "WARNING: Could not fetch signing_config.json from the TUF mirror",
    );
    expect(made.stderr).toContain("WARNING: Could not fetch trusted_root.json from the TUF mirror");
    const made1 = await cli(
      ["initialize", "--compat", "1", "--mirror", server.url, "--root", file("first.json")],
      {
        TUF_ROOT: place,
      },
    );
    expect(made1).toEqual({ code: 0, stdout: made.stdout, stderr: "" });
    const root = await cli(["trusted-root", "create", "--with-default-services"], {
      TUF_ROOT: place,
    });
    const { tlogs, ctlogs, certificateAuthorities } = JSON.parse(root.stdout);
    const known = JSON.parse(TARGETS["trusted_root.json"].content);
    const keys = (logs: { publicKey: { rawBytes: string } }[]) =>
      logs.map(({ publicKey }) => publicKey.rawBytes);
    expect(keys(known.tlogs)).toContain(keys(tlogs)[0] ?? "");
    expect(keys(ctlogs)).toEqual(keys(known.ctlogs));
    expect(certificateAuthorities[0].certChain).toEqual(known.certificateAuthorities[0].certChain);
  });

  test("checks the digest of a root, and warns of one from a URL without", async () => {
    const repository = new TestTufRepository({ targets: TARGETS });
    await using server = repository.serve();
    const line = ["initialize", "--mirror", server.url, "--root", `${server.url}/1.root.json`];
    const env = { TUF_ROOT: file("checksums") };
    const sum = ["--root-checksum"];
    for (const right of [
      checksum(repository.anchor, "sha256"),
      `sha256:${checksum(repository.anchor, "sha256")}`,
      `sha512:${checksum(repository.anchor, "sha512")}`,
    ]) {
      expect(await cli([...line, ...sum, right], env)).toEqual({ code: 0, stdout: "", stderr: "" });
    }
    const without = await cli(line, env);
    expect(without.code).toBe(0);
    expect(without.stderr).toContain(
      "WARNING: Fetching initial root from URL without providing its checksum is deprecated",
    );
    rmSync(env.TUF_ROOT, { recursive: true });
    const wrong = await cli([...line, ...sum, "00"], env);
    expect(wrong.stderr).toContain(
      `incorrect checksum for file ${server.url}/1.root.json: expected 00 but got ${checksum(repository.anchor, "sha256")}`,
    );
    expect(codeOf(wrong)).toBe("DIGEST_MISMATCH");
    expect(existsSync(env.TUF_ROOT)).toBe(false);
    for (const bad of ["md5:00", "a:b:c"]) {
      expect(codeOf(await cli([...line, ...sum, bad], env))).toBe("USAGE");
    }
  });

  test("takes nothing away when the mirror is away, or lies, or is another's", async () => {
    const repository = new TestTufRepository({ targets: TARGETS });
    await using server = repository.serve();
    writeFileSync(file("first.json"), repository.anchor);
    const env = { TUF_ROOT: file("untouched") };
    const line = ["initialize", "--root", file("first.json"), "--mirror"];
    expect((await cli([...line, server.url], env)).code).toBe(0);
    const before = readFileSync(join(env.TUF_ROOT, "remote.json"), "utf8");
    const away = await cli([...line, "http://127.0.0.1:9"], env);
    expect([away.code, codeOf(away)]).toEqual([20, "TRUST_UNAVAILABLE"]);
    const strange = await cli(["initialize", "--mirror", server.url], env); // led back to Sigstore's root
    expect(["TRUST_INVALID", "TRUST_EXPIRED"]).toContain(codeOf(strange) ?? "");
    expect(readFileSync(join(env.TUF_ROOT, "remote.json"), "utf8")).toBe(before);
    const later = await cli(["trusted-root", "create", "--with-default-services"], env);
    expect(later.code).toBe(0);
  });

  test("refuses what contradicts itself, and a place where nothing can be kept", async () => {
    const home = { HOME: file("home") };
    for (const [argv, env] of [
      [["--staging", "--mirror", "https://a.test"], home],
      [["--root-checksum", "00"], home],
      [[], {}],
    ] as const) {
      expect(codeOf(await cli(["initialize", ...argv], env))).toBe("USAGE");
    }
    const repository = new TestTufRepository({ targets: TARGETS });
    await using server = repository.serve();
    writeFileSync(file("first.json"), repository.anchor);
    const line = ["initialize", "--mirror", server.url, "--root", file("first.json")];
    mkdirSync(file("taken"));
    writeFileSync(file("taken/root"), "a file where the directory should be");
    const taken = await cli(line, { TUF_ROOT: file("taken/root") });
    expect(codeOf(taken)).toBe("FILE_WRITE");
    expect((await cli(line, { SIGSTORE_NO_CACHE: "1" })).code).toBe(0);
  });
});
