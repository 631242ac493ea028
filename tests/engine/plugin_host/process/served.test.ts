import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { verifySignature } from "../../../../engine/crypto/signature.ts";
import { type HostedSigner, openHostedSigner } from "../../../../engine/keys/hosted.ts";
import { utf8 } from "../../../../engine/model/bytes.ts";
import type { CosignError } from "../../../../engine/model/errors.ts";
import { pluginCaller } from "../../../../engine/plugin_host/plugin_call.ts";
import { processProvider } from "../../../../engine/plugin_host/process/provider.ts";
import { pluginWorld } from "../../../support/plugin_world.ts";

setDefaultTimeout(60_000); // a busy machine starts processes slowly
const dir = mkdtempSync(join(tmpdir(), "plugin-served-"));
afterAll(() => rmSync(dir, { recursive: true }));
const root = join(import.meta.dir, "../../../..");
const example = join(root, "examples/plugins/sigstore-kms-typescript.ts");
const key = join(dir, "key.pem");
writeFileSync(
  key,
  generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({
    format: "pem",
    type: "pkcs8",
  }),
);
let programs = 0;

/**
 * Writes a program that passes every call on to the example, and notes what it was started with.
 *
 * @param onServe What it does, in JavaScript, when it is asked to stay: `example` is a child that does.
 */
function program(onServe: string): { readonly path: string; readonly starts: () => string[] } {
  programs += 1;
  const [path, log] = [join(dir, `program-${programs}.ts`), join(dir, `log-${programs}`)];
  writeFileSync(log, "");
  writeFileSync(
    path,
    `import { spawn, spawnSync } from "node:child_process";
import { appendFileSync } from "node:fs";
const [version, json] = process.argv.slice(2);
appendFileSync(${JSON.stringify(log)}, version + "\\n");
const command = [${JSON.stringify(example)}, ...process.argv.slice(2)];
if (version !== "serve-v1") {
  process.exitCode = spawnSync(process.execPath, command, { stdio: "inherit" }).status ?? 1;
} else {
  const serve = () => spawn(process.execPath, command, { stdio: "inherit" });
  ${onServe}
}
`,
  );
  return { path, starts: () => readFileSync(log, "utf8").trimEnd().split("\n") };
}

async function open(path: string, timeoutMs = 10_000): Promise<HostedSigner> {
  const command = [process.execPath, path];
  const provider = processProvider({ plugin: "acme", command, timeoutMs });
  const backend = { plugin: "acme", provider, env: [] };
  const world = pluginWorld({ env: { PATH: process.env["PATH"] ?? "" } });
  const caller = pluginCaller(backend, world);
  return await openHostedSigner({
    uri: `acme://${key}`,
    backend,
    caller,
    signal: new AbortController().signal,
  });
}

async function failure(promise: Promise<unknown>): Promise<CosignError> {
  return await promise.then(
    () => {
      throw new Error("It did not fail");
    },
    (error) => error,
  );
}

async function signMany(signer: HostedSigner, count: number): Promise<void> {
  const messages = Array.from({ length: count }, (_, i) => utf8(`message ${i}`));
  const signatures = await Promise.all(messages.map((message) => signer.sign(message)));
  for (const [i, signature] of signatures.entries()) {
    verifySignature(signer.publicKey, messages[i] ?? new Uint8Array(), signature);
  }
}

describe("a program that stays", () => {
  test("is one process for all signatures but the first", async () => {
    const { path, starts } = program("serve();");
    await using signer = await open(path);
    await signer.sign(utf8("first"));
    await signMany(signer, 40);
    expect(starts()).toEqual(["v1", "v1", "serve-v1"]); // the public key, the first signature, the rest
  });

  test("is not asked to when there is one signature", async () => {
    const { path, starts } = program("serve();");
    await using signer = await open(path);
    await signer.sign(utf8("only"));
    expect(starts()).toEqual(["v1", "v1"]);
  });

  test("ends when the session does", async () => {
    const ended = join(dir, "ended");
    const { path } = program(
      `serve().on("exit", () => appendFileSync(${JSON.stringify(ended)}, "ended"));`,
    );
    const signer = await open(path);
    await signMany(signer, 3);
    await signer[Symbol.asyncDispose]();
    expect(readFileSync(ended, "utf8")).toBe("ended");
  });

  test.each([
    ["does not know the word", "console.error('unknown version'); process.exitCode = 2;"],
    ["says something else", "console.log('hello'); setInterval(() => {}, 1000);"],
    ["greets in another version", `console.log('{"protocolVersion":"serve-v2"}');`],
    ["says nothing", "setInterval(() => {}, 1000);"],
    ["writes a line without end", "process.stdout.write('x'.repeat(1_000_000));"],
  ])("is called anew for each signature when it %s", async (_, onServe) => {
    const { path, starts } = program(onServe);
    await using signer = await open(path);
    await signMany(signer, 4);
    await signMany(signer, 2);
    const all = starts();
    expect(all.filter((start) => start === "serve-v1")).toHaveLength(1);
    expect(all.filter((start) => start === "v1")).toHaveLength(7);
  });

  const GREETING = `console.log('{"protocolVersion":"serve-v1"}');`;
  const onLine = (work: string) =>
    `${GREETING} require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => { const { id } = JSON.parse(line); ${work} });`;

  test.each([
    ["dies halfway", onLine("process.exit(9)"), /while it worked, it ended with code 9/],
    ["is killed", onLine("process.kill(process.pid, 'SIGKILL')"), /it was ended by SIGKILL/],
    ["answers what is no JSON", onLine("console.log('hello')"), /what nobody understands/],
    ["answers another call", onLine("console.log(JSON.stringify({ id: id + 7 }))"), /unknown id/],
    ["does not answer", onLine("void id"), /no answer within 1500 ms/],
    ["answers nothing", onLine("console.log(JSON.stringify({ id }))"), /"signMessage" is missing/],
    [
      "answers without end",
      onLine("process.stdout.write('y'.repeat(200_000))"),
      /a line has more than 65536/,
    ],
  ])("fails the signature when it %s", async (_, onServe, message) => {
    const { path } = program(onServe);
    await using signer = await open(path, 1500);
    await signer.sign(utf8("first"));
    const error = await failure(signer.sign(utf8("second")));
    expect(error).toMatchObject({ code: "PLUGIN_FAILED", message: expect.stringMatching(message) });
  });

  test("refuses a signature that is by another key", async () => {
    const wrong = JSON.stringify({ signMessage: { signature: "AAAA" } }).slice(1);
    const { path } = program(onLine(`console.log('{"id":' + id + ',${wrong}')`));
    await using signer = await open(path);
    await signer.sign(utf8("first"));
    expect((await failure(signer.sign(utf8("second")))).code).toBe("KEY_SIGN_FAILED");
  });

  test("is started again after it died, and given up after the third time", async () => {
    const { path, starts } = program(onLine("process.exit(9)"));
    await using signer = await open(path);
    await signer.sign(utf8("first"));
    for (let i = 0; i < 3; i++) {
      expect((await failure(signer.sign(utf8("next")))).code).toBe("PLUGIN_FAILED");
    }
    await signer.sign(utf8("last")); // with a process of its own
    expect(starts().filter((start) => start === "serve-v1")).toHaveLength(3);
  });
});

test("the example in TypeScript serves under Deno and Node as it does under Bun", async () => {
  const bin = join(root, "node_modules/.bin");
  const script = join(dir, "example.mjs"); // for a Node that does not read TypeScript yet
  const transpiler = new Bun.Transpiler({ loader: "ts" });
  writeFileSync(script, transpiler.transformSync(readFileSync(example, "utf8")));
  const initOptions = { keyResourceID: key, hashFunc: 5 };
  const line = JSON.stringify({ id: 5, initOptions, methodName: "publicKey", publicKey: {} });
  const answers = await Promise.all(
    [
      [process.execPath, example],
      [join(bin, "deno"), "run", "--quiet", "-A", example],
      ["node", script],
    ].map(async (command) => {
      const child = Bun.spawn([...command, "serve-v1"], { stdin: "pipe", stdout: "pipe" });
      child.stdin.write(`${line}\n`);
      await child.stdin.end();
      return await new Response(child.stdout).text();
    }),
  );
  const [greeting, answer] = answers[0]?.trimEnd().split("\n") ?? [];
  expect(JSON.parse(greeting ?? "")).toEqual({ protocolVersion: "serve-v1" });
  expect(JSON.parse(answer ?? "")).toMatchObject({ id: 5, publicKey: {} });
  expect(answers.slice(1)).toEqual([answers[0] ?? "", answers[0] ?? ""]);
});
