import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createSign, generateKeyPairSync } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHostedSigner, readHostedPublicKey } from "../../../../engine/keys/hosted.ts";
import { utf8 } from "../../../../engine/model/bytes.ts";
import type { CosignError } from "../../../../engine/model/errors.ts";
import { pluginCaller } from "../../../../engine/plugin_host/plugin_call.ts";
import {
  type ProcessPlugin,
  processProvider,
} from "../../../../engine/plugin_host/process/provider.ts";
import { pluginWorld } from "../../../support/plugin_world.ts";

setDefaultTimeout(60_000); // a busy machine starts processes slowly
const dir = mkdtempSync(join(tmpdir(), "plugin-process-"));
afterAll(() => rmSync(dir, { recursive: true }));
const PATH = process.env["PATH"] ?? "";
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const other = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pemOf = (key: typeof publicKey) => key.export({ format: "pem", type: "spki" }).toString();
const publicAnswer = JSON.stringify({
  publicKey: { publicKeyPEM: Buffer.from(pemOf(publicKey)).toString("base64") },
});
const MESSAGE = utf8("a message");
const signed = (key: typeof privateKey) =>
  createSign("sha256").update(MESSAGE).sign(key).toString("base64");
const signatureAnswer = JSON.stringify({ signMessage: { signature: signed(privateKey) } });
let programs = 0;

/** Writes a program: a shell script that answers `publicKey` rightly, and does `onSign` when it is to sign. */
function program(onSign: string, onPublicKey = `printf '%s' '${publicAnswer}'`): string {
  programs += 1;
  const path = join(dir, `program-${programs}`);
  const text = `#!/bin/sh\ncase $2 in\n*'"publicKey"'*) ${onPublicKey} ;;\n*) ${onSign} ;;\nesac\n`;
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}

interface Opening {
  readonly env?: Readonly<Record<string, string>>;
  readonly plugin?: Partial<ProcessPlugin>;
  readonly told?: string[];
}

function keyOf(path: string, { env = {}, plugin = {}, told = [] }: Opening = {}) {
  const provider = processProvider({ plugin: "acme", command: [path], ...plugin });
  const backend = { plugin: "acme", provider, env: ["ACME_*"] };
  const world = pluginWorld({ env: { PATH, ...env }, tell: (line) => told.push(line) });
  const caller = pluginCaller(backend, world);
  const uri = "acme://a/key";
  return { uri, backend, caller, signal: new AbortController().signal };
}

async function sign(path: string, opening: Opening = {}): Promise<Uint8Array> {
  await using signer = await openHostedSigner(keyOf(path, opening));
  return await signer.sign(MESSAGE);
}

async function failure(promise: Promise<unknown>): Promise<CosignError> {
  return await promise.then(
    () => {
      throw new Error("It did not fail");
    },
    (error) => error,
  );
}

describe("processProvider()", () => {
  test("gives the call as an argument and the message on standard input, as the Go client does", async () => {
    const [args, input] = [join(dir, "args"), join(dir, "input")];
    const dump = `for each in "$@"; do printf '%s\\n' "$each"; done >${args}; cat >${input}`;
    await sign(program(`${dump}; printf '%s' '${signatureAnswer}'`));
    const [version, json, ...more] = readFileSync(args, "utf8").trimEnd().split("\n");
    expect([version, more]).toEqual(["v1", []]);
    const { ctxDeadline, ...options } = JSON.parse(json ?? "").initOptions;
    expect(new Date(ctxDeadline).getTime()).toBeGreaterThan(Date.now());
    // Field names and order of common/interface.go; keyResourceID without the scheme (client.go).
    expect(options).toEqual({
      protocolVersion: "v1",
      keyResourceID: "a/key",
      hashFunc: 5,
      rpcOptions: { ctxDeadline, keyVersion: "", remoteVerification: false },
    });
    expect(JSON.parse(json ?? "")).toMatchObject({
      methodName: "signMessage",
      signMessage: {
        signOptions: {
          rpcOptions: { keyVersion: "", remoteVerification: false },
          messageOptions: { digest: null },
        },
      },
    });
    expect(readFileSync(input)).toEqual(Buffer.from(MESSAGE));
  });

  test("gives a digest in the call, with nothing on standard input", async () => {
    const [args, input] = [join(dir, "digest-args"), join(dir, "digest-input")];
    const path = program(
      `printf '%s' "$2" >${args}; cat >${input}; printf '%s' '${signatureAnswer}'`,
    );
    await using signer = await openHostedSigner(keyOf(path));
    const digest = new Uint8Array(new Bun.CryptoHasher("sha256").update(MESSAGE).digest());
    await signer.signDigest?.(digest);
    const call = JSON.parse(readFileSync(args, "utf8"));
    expect(call.signMessage.signOptions.messageOptions).toEqual({
      digest: Buffer.from(digest).toString("base64"),
      hashFunc: 5,
    });
    expect(readFileSync(input).length).toBe(0);
  });

  test("runs the program in an empty folder, with the variables that it may see", async () => {
    const [folder, variables] = [join(dir, "folder"), join(dir, "variables")];
    const path = program(
      `pwd >${folder}; ls -A >>${folder}; env >${variables}; printf '%s' '${signatureAnswer}'`,
    );
    const env = {
      HOME: "/home/somebody",
      ACME_TOKEN: "visible",
      OTHER_TOKEN: "hidden",
      COSIGN_PASSWORD: "hidden",
      BUN_OPTIONS: "hidden",
      LD_PRELOAD: "hidden",
    };
    await sign(path, { env });
    const [where = "", ...files] = readFileSync(folder, "utf8").trimEnd().split("\n");
    expect([files, existsSync(where)]).toEqual([[], false]);
    expect(where).not.toBe(process.cwd());
    const seen = readFileSync(variables, "utf8");
    expect(seen).toContain("ACME_TOKEN=visible\n");
    expect(seen).toContain("HOME=/home/somebody\n");
    expect(seen).not.toContain("hidden");
  });

  test("hands on what the program says on standard error, in lines that cannot pose as ours", async () => {
    const told: string[] = [];
    const talk = `printf 'touch the token\\nand wait' >&2`;
    await sign(program(`${talk}; printf '%s' '${signatureAnswer}'`), { told });
    expect(told).toEqual(["acme: touch the token", "acme: and wait"]);
    const flood: string[] = [];
    await sign(program(`seq 1 5000 >&2; printf '%s' '${signatureAnswer}'`), { told: flood });
    expect(flood.length).toBe(101);
  });

  test("passes over the exit code: what is written counts", async () => {
    await sign(program(`printf '%s' '${signatureAnswer}'; exit 7`));
    const says = `printf '%s' '{"errorMessage":"no such key","errorCode":"NOT_FOUND"}'`;
    const error = await failure(sign(program(`${says}; exit 1`)));
    expect(error).toMatchObject({
      code: "KEY_NOT_FOUND",
      message: 'Plugin "acme" refuses: no such key',
    });
  });

  test.each([
    ["is silent", "exec sleep 600", /no answer within 1000 ms/],
    ["is slow", `sleep 30; printf '%s' '${signatureAnswer}'`, /no answer within 1000 ms/],
    ["does not want to end", "trap '' TERM; while :; do sleep 1; done", /no answer within 1000 ms/],
    ["writes for ever", "exec yes", /wrote more than 1048576 bytes/],
    ["complains for ever", "exec yes >&2", /wrote more than 1048576 bytes/],
    ["writes nothing", "true", /it is empty/],
    ["writes what is no JSON", "echo hello", /answers no JSON/],
    [
      "writes two objects",
      `echo '${signatureAnswer}'; echo '${signatureAnswer}'`,
      /answers no JSON/,
    ],
    ["writes half an answer", `printf '%.40s' '${signatureAnswer}'`, /answers no JSON/],
    ["dies halfway", `printf '%.40s' '${signatureAnswer}'; kill -9 $$`, /its program was killed/],
    ["answers a list", "echo '[]'", /"signMessage" is missing/],
    ["answers null", "echo null", /"signMessage" is missing/],
    ["answers something else", `echo '${publicAnswer}'`, /"signMessage" is missing/],
    [
      "answers a number",
      `echo '{"signMessage":{"signature":7}}'`,
      /"signMessage.signature" is not/,
    ],
    ["answers no base64", `echo '{"signMessage":{"signature":"*"}}'`, /"signMessage.signature" is/],
    ["fails without words", "exit 3", /it is empty \(its program ended with code 3\)/],
  ])("says so when the program %s", async (_, onSign, message) => {
    const plugin = { timeoutMs: 1000 };
    const error = await failure(sign(program(onSign), { plugin }));
    expect(error).toMatchObject({ code: "PLUGIN_FAILED", message: expect.stringMatching(message) });
  });

  test.each([
    ["is by another key", signed(other.privateKey)],
    ["is no signature", Buffer.from("garbage").toString("base64")],
    ["is empty", ""],
    ["is of another message", createSign("sha256").update("x").sign(privateKey).toString("base64")],
  ])("refuses a signature that %s", async (_, signature) => {
    const answer = JSON.stringify({ signMessage: { signature } });
    const error = await failure(sign(program(`echo '${answer}'`)));
    expect(error).toMatchObject({
      code: "KEY_SIGN_FAILED",
      message: expect.stringContaining("no signature by the public key that it names"),
    });
  });

  test.each([
    ["an encrypted private key", "-----BEGIN ENCRYPTED PRIVATE KEY-----", "KEY_INVALID"],
    ["nothing", "", "KEY_INVALID"],
    [
      "a weak one",
      generateKeyPairSync("rsa", { modulusLength: 1024 })
        .publicKey.export({ format: "pem", type: "spki" })
        .toString(),
      "KEY_WEAK",
    ],
  ])("refuses %s as a public key", async (_, pem, code) => {
    const publicKeyPEM = Buffer.from(pem).toString("base64");
    const answer = JSON.stringify({ publicKey: { publicKeyPEM } });
    const path = program("true", `echo '${answer}'`);
    expect(await failure(readHostedPublicKey(keyOf(path)))).toMatchObject({ code });
  });

  test("gives up when the user does", async () => {
    const controller = new AbortController();
    const path = program("exec sleep 600");
    await using signer = await openHostedSigner(keyOf(path));
    const signing = failure(signer.sign(MESSAGE, controller.signal));
    setTimeout(() => controller.abort(), 50);
    expect((await signing).code).toBe("CANCELLED");
  });

  test("looks for a name on the PATH, and not in folders that are relative", async () => {
    const bin = join(dir, "bin");
    mkdirSync(bin);
    const path = program(`printf '%s' '${signatureAnswer}'`);
    writeFileSync(join(bin, "sigstore-kms-acme"), readFileSync(path));
    chmodSync(join(bin, "sigstore-kms-acme"), 0o755);
    const plugin = { command: ["sigstore-kms-acme"] };
    await sign("", { plugin, env: { PATH: `${bin}:${PATH}` } });
    const error = await failure(sign("", { plugin, env: { PATH: `.:./bin:${PATH}` } }));
    expect(error.message).toContain('"sigstore-kms-acme" is in no folder of the PATH');
  });

  test("runs what is declared, and not what replaced it", async () => {
    const path = program(`printf '%s' '${signatureAnswer}'`);
    const sha256 = new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");
    await sign(path, { plugin: { sha256 } });
    const wrong = await failure(sign(path, { plugin: { sha256: "0".repeat(64) } }));
    expect(wrong).toMatchObject({
      code: "PLUGIN_FAILED",
      message: expect.stringContaining(`has SHA-256 ${sha256}, expected ${"0".repeat(64)}`),
    });
    await using signer = await openHostedSigner(keyOf(path, { plugin: { sha256 } }));
    writeFileSync(path, `${readFileSync(path, "utf8")}\n# changed`);
    const changed = await failure(signer.sign(MESSAGE));
    expect(changed.message).toContain("has changed since it was found");
  });

  test("comes back when the program asks for it, and not for ever", async () => {
    const flag = join(dir, "throttled");
    const busy = `printf '%s' '{"errorMessage":"busy","errorCode":"THROTTLED","retryAfterSeconds":0.01}'`;
    const once = `[ -e ${flag} ] && printf '%s' '${signatureAnswer}' || { touch ${flag}; ${busy}; }`;
    await sign(program(once));
    const error = await failure(sign(program(busy)));
    expect(error).toMatchObject({ code: "KEY_SERVICE_RATE_LIMITED" });
  });

  test("shows no variable that is called like a secret", async () => {
    const says = `printf '{"errorMessage":"bad token %s"}' "$ACME_TOKEN"`;
    const error = await failure(sign(program(says), { env: { ACME_TOKEN: "hunter2-hunter2" } }));
    expect(error.message).toBe('Plugin "acme" refuses: bad token REDACTED');
  });
});
