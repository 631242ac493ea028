import { sha256 } from "../../crypto/hash.ts";
import { askAlgorithms, openHostedSigner, readHostedPublicKey } from "../../keys/hosted.ts";
import { keyScheme } from "../../keys/key_text.ts";
import { hostedKey } from "../../keys/open.ts";
import { utf8 } from "../../model/bytes.ts";
import { CosignError, reportError } from "../../model/errors.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import type { PLUGINS_CHECK_FLAGS } from "../flags/plugins.ts";
import { keyContext } from "../open_keys.ts";
import { usage } from "../parse.ts";
import { printableLine } from "../printable.ts";

type Call = Invocation<typeof PLUGINS_CHECK_FLAGS>;

/**
 * `plugins check`: whether plugins of keys answer: their code loads, their programs say what they can; with
 * `--key` a public key, with `--sign` a signature.
 */
export const pluginsCheckCommand: CommandFunction<typeof PLUGINS_CHECK_FLAGS> = async (call) => {
  const { flags, args } = call;
  if (flags.sign && !flags.key) throw usage("--sign needs a key", "Name it with --key");
  const schemes = flags.key ? [schemeOf(flags.key)] : args.length > 0 ? args : await known(call);
  if (flags.key && args.length > 0) throw usage("--key and an argument both say what is checked");
  let failures = 0;
  for (const scheme of schemes) {
    const uri = flags.key || `${scheme}://`;
    try {
      tell(call, scheme, "answers", await check(uri, call));
    } catch (error) {
      failures += 1;
      const { code, message, hint } = reportError(error);
      tell(call, scheme, "fails", `${code}: ${message}`);
      if (hint !== undefined) call.stderr.write(`hint: ${printableLine(hint)}\n`);
    }
  }
  if (failures === 0) return 0;
  throw new CosignError(
    "PLUGIN_FAILED",
    `${failures} of ${schemes.length} plugins that were asked did not answer`,
  );
};

/** Every scheme of a plugin that this version has, or that is on the PATH. */
async function known({ plugins }: Call): Promise<readonly string[]> {
  const table = await plugins();
  return [...table.entries, ...table.programs()]
    .filter(
      ({ provides, available, source }) => provides === "key" && available && source !== "engine",
    )
    .map(({ name }) => name);
}

function schemeOf(uri: string): string {
  const scheme = keyScheme(uri);
  if (scheme !== undefined) return scheme;
  throw usage(`${JSON.stringify(uri)} is a file, which no plugin has`, "Name a key as acme://NAME");
}

async function check(uri: string, call: Call): Promise<string> {
  const { signal } = new AbortController();
  const flags = { ...call.flags, "allow-weak-key": [] };
  const key = await hostedKey(uri, keyContext({ ...call, flags }, { signal }));
  if (!call.flags.key) {
    const { provider } = key.backend;
    const algorithms = await askAlgorithms(key);
    if (algorithms !== undefined) return `makes keys of type ${algorithms.join(", ")}`;
    const can = [
      ...(provider.create !== undefined || provider.store !== undefined ? ["makes keys"] : []),
      ...(provider.publicKey === undefined ? [] : ["shows public keys"]),
      ...(provider.open !== undefined || provider.readPair !== undefined ? ["signs"] : []),
    ];
    return can.join(", ");
  }
  if (!call.flags.sign) {
    const { type, spki } = await readHostedPublicKey(key);
    return `has a key of type ${type}, SHA-256 ${sha256(spki).toHex()}`;
  }
  await using signer = await openHostedSigner(key);
  await signer.sign(utf8(`cosign-ts plugins check ${new Date().toISOString()}\n`), signal);
  return `signs with a key of type ${signer.publicKey.type}, over ${signer.digest}`;
}

function tell({ stdout }: Call, scheme: string, state: string, detail: string): void {
  stdout.write(`${printableLine(`${scheme}  ${state}  ${detail}`)}\n`);
}
