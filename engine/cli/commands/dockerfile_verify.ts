import { imagesOfDockerfile } from "../../formats/dockerfile.ts";
import { readFileBytes } from "../../io/files.ts";
import { parseUtf8 } from "../../model/bytes.ts";
import { CosignError, describeError } from "../../model/errors.ts";
import type { CommandFunction } from "../command.ts";
import type { DOCKERFILE_VERIFY_FLAGS } from "../flags/verify.ts";
import { splitAtEquals, usage } from "../parse.ts";
import { printableLine } from "../printable.ts";
import { verifyExtracted } from "../verify_extracted.ts";

/** BuildKit itself takes no longer ones. */
const MAX_DOCKERFILE_BYTES = 1024 * 1024;

/** `dockerfile verify`: every image that a build of the Dockerfile takes something from. */
export const dockerfileVerifyCommand: CommandFunction<typeof DOCKERFILE_VERIFY_FLAGS> = async (
  call,
) => {
  const { flags, args, env, stderr } = call;
  const [path = ""] = args;
  const bytes = await readFileBytes(path, MAX_DOCKERFILE_BYTES).catch((error: unknown) => {
    if (!(error instanceof CosignError)) throw error;
    throw new CosignError(error.code, `could not open Dockerfile: ${error.message}`, {
      cause: error,
    });
  });
  const found = read(bytes, { env, buildArgs: buildArguments(flags["build-arg"], env) });
  for (const note of found.notes) stderr.write(`${printableLine(note)}\n`);
  const base = found.base === undefined ? [] : [found.base];
  return await verifyExtracted(call, flags["base-image-only"] ? base : found.images, "Dockerfile");
};

function read(
  bytes: Uint8Array,
  values: Parameters<typeof imagesOfDockerfile>[1],
): ReturnType<typeof imagesOfDockerfile> {
  try {
    return imagesOfDockerfile(parseUtf8(bytes), values);
  } catch (cause) {
    throw new CosignError(
      "FILE_READ",
      `failed extracting images from Dockerfile: ${describeError(cause)}`,
      { cause },
    );
  }
}

/** `NAME` alone takes its value from the environment, as for `docker build`. */
function buildArguments(
  texts: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const text of texts) {
    const { name, value = env[name] } = splitAtEquals(text);
    if (name === "") throw usage(`invalid argument ${JSON.stringify(text)} for "--build-arg" flag`);
    if (value !== undefined) values.set(name, value);
  }
  return values;
}
