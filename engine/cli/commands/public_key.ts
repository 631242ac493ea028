import { writeOutputFile } from "../../io/output_file.ts";
import { encodePublicKey } from "../../keys/generate.ts";
import { derivePublicKey } from "../../keys/open.ts";
import type { CommandFunction } from "../command.ts";
import type { PUBLIC_KEY_FLAGS } from "../flags/key_pair.ts";
import { keyContext } from "../open_keys.ts";
import { usage } from "../parse.ts";
import { unavailable } from "../refuse_later.ts";

const PUBLIC_MODE = 0o644;

/** `public-key`: the public half of a key, as PEM. */
export const publicKeyCommand: CommandFunction<typeof PUBLIC_KEY_FLAGS> = async (call) => {
  const { flags, stdout, stderr } = call;
  if (Boolean(flags.key) === flags.sk) {
    throw usage("exactly one of: key reference (--key), or hardware token (--sk) must be provided");
  }
  if (!flags.key) throw unavailable("A hardware token (--sk)", "Name a key: --key cosign.key");
  const { signal } = new AbortController();
  const pem = encodePublicKey(await derivePublicKey(flags.key, keyContext(call, { signal })));
  if (flags.outfile) {
    writeOutputFile(flags.outfile, pem, PUBLIC_MODE);
    stderr.write(`Public key written to ${flags.outfile}\n`);
  } else stdout.write(pem);
  return 0;
};
