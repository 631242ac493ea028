import { generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { KeyType } from "../../engine/model/key.ts";
import type { Counts, FixtureKey, KeyFixture, RunningBackend } from "./fixture.ts";

const examples = join(dirname(dirname(import.meta.dir)), "examples", "plugins");

/** What stands between the host and an example: it writes down each call, and makes trouble when it is told to. */
function wrapper(program: string): string {
  return `#!/bin/sh
# Written by tests/contract/_program.ts.
method=$(printf '%s' "$2" | sed -n 's/.*"methodName":"\\([A-Za-z]*\\)".*/\\1/p')
echo "attempt $method" >>"$CONTRACT_DIR/calls"
refuse() { printf '{"errorMessage":"%s","errorCode":"%s"}\\n' "$1" "$2"; exit 0; }
case $(cat "$CONTRACT_DIR/trouble") in
  throttle-once) : >"$CONTRACT_DIR/trouble"; refuse "too many requests" THROTTLED ;;
  throttle) refuse "too many requests" THROTTLED ;;
  silence) exec sleep 600 ;;
  deny) refuse "\${CONTRACT_TOKEN} lacks the permission keys.use" ACCESS_DENIED ;;
  disabled) refuse "the key is disabled" DISABLED ;;
  expired) refuse "the session has ended: log in again" UNAUTHENTICATED ;;
  exit) echo "sigstore-kms-contract: panic" >&2; exit 3 ;;
  lie) [ "$method" = signMessage ] && set -- "$1" "$(printf '%s' "$2" | sed "s,$CONTRACT_DIR/[a-z0-9-]*.pem,$CONTRACT_DIR/other.pem,")" ;;
esac
echo "done $method" >>"$CONTRACT_DIR/calls"
[ "$1 $CONTRACT_SERVED" = "serve-v1 yes" ] && { tee -a "$CONTRACT_DIR/served" | ${program} "$@"; exit; }
exec ${program} "$@"
`;
}

/** A fixture of one of the example plugins, declared in a file as a user declares it. */
export function programFixture(
  name: string,
  program: string,
  types: readonly KeyType[],
): KeyFixture {
  const scheme = `contract-${name}`;
  return {
    name: `the example plugin ${program}`,
    scheme,
    start: async () => startProgram(scheme, program, types),
  };
}

function startProgram(scheme: string, program: string, types: readonly KeyType[]): RunningBackend {
  const dir = mkdtempSync(join(tmpdir(), "contract-program-"));
  const at = (file: string): string => join(dir, file);
  const run = `${program.endsWith(".ts") ? `${process.execPath} ` : ""}${join(examples, program)}`;
  writeFileSync(at("program"), wrapper(run));
  chmodSync(at("program"), 0o755);
  writeFileSync(at("trouble"), "");
  writeFileSync(at("calls"), "");
  writeFileSync(at("served"), "");
  const common = { api: 1, source: "process", env: ["CONTRACT_*"] };
  const declare = (suffix: string, more: Readonly<Record<string, unknown>>) => ({
    name: `${scheme}${suffix}`,
    provides: { key: [`${scheme}${suffix}`] },
    command: [at("program")],
    ...common,
    ...more,
  });
  writeFileSync(
    at("plugins.json"),
    JSON.stringify([
      declare("", {}),
      declare("-missing", { command: [at("nowhere")] }),
      declare("-pinned", { sha256: "0".repeat(64) }),
    ]),
  );
  const keys = types.map((type): FixtureKey => {
    const path = at(`${type}.pem`);
    writeFileSync(path, makePem(type));
    const digest = type === "ed25519" ? {} : ({ digest: "sha256" } as const);
    return { uri: `${scheme}://${path}`, type, ...digest };
  });
  const [first] = keys;
  if (first === undefined) throw new Error("A fixture has keys");
  writeFileSync(at("other.pem"), makePem(first.type));
  const set = (trouble: string): (() => void) => {
    writeFileSync(at("trouble"), trouble);
    return () => writeFileSync(at("trouble"), "");
  };
  let seen = 0;
  const uri = first.uri;
  return {
    env: {
      CONTRACT_DIR: dir,
      CONTRACT_SERVED: program.endsWith(".ts") ? "yes" : "",
      CONTRACT_TOKEN: "t0ken-of-the-contract",
      COSIGN_PASSWORD: "unused",
    },
    argv: ["--plugins", at("plugins.json")],
    keys,
    newKey: {
      uri: `${scheme}://${at("new.pem")}`,
      type: program.endsWith(".ts") ? "rsa-2048" : "ecdsa-p256",
      digest: "sha256",
    },
    secrets: ["t0ken-of-the-contract"],
    faults: [
      {
        name: "there is no such key",
        uri: `${scheme}://${at("none.pem")}`,
        code: "KEY_NOT_FOUND",
        says: /there is no key .*none\.pem/,
      },
      {
        name: "a permission is missing",
        uri,
        command: "sign-blob",
        arrange: () => set("deny"),
        code: "KEY_DENIED",
        says: /lacks the permission keys\.use/,
      },
      {
        name: "the key is disabled",
        uri,
        arrange: () => set("disabled"),
        code: "KEY_DISABLED",
        says: /the key is disabled/,
      },
      {
        name: "the credentials have expired",
        uri,
        arrange: () => set("expired"),
        code: "KEY_SERVICE_AUTH",
        says: /log in again/,
      },
      {
        name: "the program fails",
        uri,
        arrange: () => set("exit"),
        code: "PLUGIN_FAILED",
        says: /answers no JSON: it is empty \(its program ended with code 3\)/,
      },
      {
        name: "the program is not there",
        uri: `${scheme}-missing://x`,
        code: "PLUGIN_FAILED",
        says: /no such file or directory/,
      },
      {
        name: "the program is another one than was declared",
        uri: `${scheme}-pinned://x`,
        code: "PLUGIN_FAILED",
        says: /has SHA-256 [0-9a-f]{64}, expected 0{64}/,
      },
    ],
    trouble: (what) => set(what ?? ""),
    takeCounts: (): Counts => {
      const lines = readFileSync(at("calls"), "utf8").split("\n").slice(0, -1);
      const fresh = lines.slice(seen);
      seen = lines.length;
      const count = (line: string) => fresh.filter((each) => each === line).length;
      const served =
        readFileSync(at("served"), "utf8").split('"methodName":"signMessage"').length - 1;
      writeFileSync(at("served"), "");
      return {
        publicKey: count("done publicKey"),
        sign: count("done signMessage") + served,
        attempts: fresh.filter((line) => line.startsWith("attempt")).length,
      };
    },
    close: async () => rmSync(dir, { recursive: true }),
  };
}

function makePem(type: KeyType): string {
  const pkcs8 = { privateKeyEncoding: { type: "pkcs8", format: "pem" } } as const;
  const spki = { publicKeyEncoding: { type: "spki", format: "pem" } } as const;
  const [, kind, size = ""] = /^(ecdsa|rsa|ed25519)(?:-p?(\d+))?$/.exec(type) ?? [];
  if (kind === "rsa") {
    return generateKeyPairSync("rsa", { modulusLength: Number(size), ...pkcs8, ...spki })
      .privateKey;
  }
  if (kind === "ed25519") return generateKeyPairSync("ed25519", { ...pkcs8, ...spki }).privateKey;
  return generateKeyPairSync("ec", { namedCurve: `P-${size}`, ...pkcs8, ...spki }).privateKey;
}
