import { confirm, readPassword } from "../../io/password.ts";
import { generateKeyPair } from "../../keys/generate.ts";
import { keyScheme } from "../../keys/key_text.ts";
import { writeKeyPair } from "../../keys/write.ts";
import type { CommandFunction } from "../command.ts";
import type { GENERATE_KEY_PAIR_FLAGS } from "../flags/key_pair.ts";
import { DEFAULT_GENERATION, namedGeneration } from "../generation.ts";
import { usage } from "../parse.ts";
import { unavailable } from "../refuse_later.ts";

/** `generate-key-pair`: a P-256 key pair in two files, as cosign makes it. */
export const generateKeyPairCommand: CommandFunction<typeof GENERATE_KEY_PAIR_FLAGS> = async ({
  flags,
  args,
  env,
  stderr,
  plugins,
}) => {
  const [place] = args;
  if (place !== undefined && flags.kms)
    throw usage("--kms and an argument both say where the keys go");
  const uri = place ?? (flags.kms || undefined);
  if (uri !== undefined) {
    const scheme = keyScheme(uri);
    if (scheme === undefined) {
      throw usage(
        `Cannot make a key pair in ${JSON.stringify(uri)}: that is no key URI`,
        PREFIX_HINT,
      );
    }
    await (await plugins()).keyProvider(scheme);
    throw unavailable(`Making a key pair in "${scheme}"`, PREFIX_HINT);
  }
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  const password = await readPassword({ env, isNew: true });
  const pair = await generateKeyPair("ecdsa-p256", password, generation);
  const tell = (line: string): void => stderr.write(`${line}\n`);
  await writeKeyPair(flags["output-key-prefix"], pair, { tell, confirm });
  return 0;
};

const PREFIX_HINT = "Files are named by --output-key-prefix";
