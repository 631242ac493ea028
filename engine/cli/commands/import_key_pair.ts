import { readFileBytes } from "../../io/files.ts";
import { confirm, readPassword } from "../../io/password.ts";
import { importKeyPair } from "../../keys/import.ts";
import { writeKeyPair } from "../../keys/write.ts";
import type { CommandFunction } from "../command.ts";
import type { IMPORT_KEY_PAIR_FLAGS } from "../flags/key_pair.ts";
import { DEFAULT_GENERATION, namedGeneration } from "../generation.ts";
import { allowedWeaknesses } from "../open_keys.ts";
import { usage } from "../parse.ts";

const MAX_KEY_BYTES = 262_144; // an RSA-4096 key has 5 KB; the rest is for text around it

/** `import-key-pair`: a PEM private key, encrypted and kept as cosign keeps its own. */
export const importKeyPairCommand: CommandFunction<typeof IMPORT_KEY_PAIR_FLAGS> = async ({
  flags,
  env,
  stderr,
}) => {
  if (!flags.key) throw usage("import-key-pair needs --key", "Name the PEM file: --key FILE");
  const allowed = allowedWeaknesses(flags);
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  const bytes = await readFileBytes(flags.key, MAX_KEY_BYTES, "KEY_NOT_FOUND");
  const pem = new TextDecoder().decode(bytes);
  bytes.fill(0);
  const password = await readPassword({ env, isNew: true });
  const pair = await importKeyPair(pem, flags.key, password, generation, allowed);
  const tell = (line: string): void => stderr.write(`${line}\n`);
  await writeKeyPair(flags["output-key-prefix"], pair, flags.yes ? { tell } : { tell, confirm });
  return 0;
};
