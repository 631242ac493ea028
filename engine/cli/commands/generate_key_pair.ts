import { writeWholeFile } from "../../io/files.ts";
import { confirm, readPassword } from "../../io/password.ts";
import { encodePublicKey, generateKeyPair } from "../../keys/generate.ts";
import { keyScheme } from "../../keys/key_text.ts";
import { hostedKey } from "../../keys/open.ts";
import { writeKeyPair } from "../../keys/write.ts";
import { utf8 } from "../../model/bytes.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import type { GENERATE_KEY_PAIR_FLAGS } from "../flags/key_pair.ts";
import { DEFAULT_GENERATION, namedGeneration } from "../generation.ts";
import { keyContext } from "../open_keys.ts";
import { usage } from "../parse.ts";

type Call = Invocation<typeof GENERATE_KEY_PAIR_FLAGS>;

const PREFIX_HINT = "Files are named by --output-key-prefix";
const PUBLIC_MODE = 0o600; // as cosign writes it here

/** `generate-key-pair`: a P-256 key pair in two files, in a service that keeps keys, or in a store of secrets. */
export const generateKeyPairCommand: CommandFunction<typeof GENERATE_KEY_PAIR_FLAGS> = async (
  call,
) => {
  const { flags, args, env, stderr } = call;
  const [place] = args;
  if (place !== undefined && flags.kms)
    throw usage("--kms and an argument both say where the keys go");
  const tell = (line: string): void => stderr.write(`${line}\n`);
  const uri = place ?? (flags.kms || undefined);
  if (uri !== undefined) {
    const publicPem = await generateElsewhere(uri, call);
    const path = `${flags["output-key-prefix"]}.pub`;
    await writeWholeFile(path, utf8(publicPem), { mode: PUBLIC_MODE, replace: true });
    tell(`Public key written to ${path}`);
    return 0;
  }
  const password = await readPassword({ env, isNew: true });
  const pair = await generateKeyPair("ecdsa-p256", password, generationOf(call));
  await writeKeyPair(flags["output-key-prefix"], pair, { tell, confirm });
  return 0;
};

/** Makes a key pair where a URI says. @returns the PEM of its public key. */
async function generateElsewhere(uri: string, call: Call): Promise<string> {
  if (keyScheme(uri) === undefined) {
    throw usage(
      `could not parse scheme, use <scheme>://<ref> format: ${JSON.stringify(uri)}`,
      PREFIX_HINT,
    );
  }
  const { signal } = new AbortController();
  const sound = { ...call, flags: { ...call.flags, "allow-weak-key": [] } };
  const context = keyContext(sound, { signal, isNew: true });
  const key = await hostedKey(uri, context);
  const { createHostedKey, storeKeyPair } = await import("../../keys/hosted.ts");
  if (key.backend.provider.store === undefined) {
    return encodePublicKey(await createHostedKey(key));
  }
  const password = await context.password();
  const pair = await generateKeyPair("ecdsa-p256", password, generationOf(call));
  await storeKeyPair(key, { ...pair, password: new TextDecoder().decode(password) });
  return pair.publicPem;
}

function generationOf({ flags }: Call): 1 | 2 | 3 {
  return namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
}
