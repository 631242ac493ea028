import { extname } from "node:path";
import { imagesOfKubernetesManifest } from "../../formats/kubernetes_manifest.ts";
import { readFileBytes } from "../../io/files.ts";
import { parseUtf8 } from "../../model/bytes.ts";
import { CosignError, describeError } from "../../model/errors.ts";
import type { CommandFunction } from "../command.ts";
import type { MANIFEST_VERIFY_FLAGS } from "../flags/verify.ts";
import { usage } from "../parse.ts";
import { verifyExtracted } from "../verify_extracted.ts";

/** What a cluster itself takes of one object is 3 MB; a file may list many. */
const MAX_MANIFEST_BYTES = 16 * 1024 * 1024;

/** `manifest verify`: the images of all workloads in a YAML file. */
export const manifestVerifyCommand: CommandFunction<typeof MANIFEST_VERIFY_FLAGS> = async (
  call,
) => {
  const [path = ""] = call.args;
  if (!/^\.ya?ml$/i.test(extname(path.trim()))) {
    throw usage(
      "check if extension is valid: only [.yaml .yml] manifests are supported at this time",
    );
  }
  const bytes = await readFileBytes(path, MAX_MANIFEST_BYTES).catch((error: unknown) => {
    if (!(error instanceof CosignError)) throw error;
    throw new CosignError(error.code, `could not read manifest: ${error.message}`, {
      cause: error,
    });
  });
  return await verifyExtracted(call, extract(bytes, path), "manifest");
};

function extract(bytes: Uint8Array, path: string): readonly string[] {
  try {
    return imagesOfKubernetesManifest(parseUtf8(bytes));
  } catch (cause) {
    throw new CosignError(
      "FILE_READ",
      `unable to extract the container image references in the manifest "${path}": ${describeError(cause)}`,
      { cause },
    );
  }
}
