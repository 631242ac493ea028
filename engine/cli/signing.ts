import type { Generation } from "../model/exit_code.ts";
import type { World } from "./command.ts";
import { isExperimental } from "./generation.ts";
import { usage } from "./parse.ts";
import { printableText } from "./printable.ts";
import { unavailable } from "./refuse_later.ts";

const KEY_HINT = "Sign with a key: --key cosign.key; generate-key-pair makes one";

/**
 * The key to sign with, after cosign's own words about the other ways.
 *
 * @throws {CosignError} `USAGE`, `FEATURE_UNAVAILABLE`.
 */
export function signingKey(
  {
    flags,
    env,
  }: { readonly flags: { readonly key: string | undefined; readonly sk: boolean } } & Pick<
    World,
    "env"
  >,
  generation: Generation,
): string {
  const key = flags.key === "" ? undefined : flags.key;
  const keyless = generation > 1 || isExperimental(env);
  if ((key !== undefined && flags.sk) || (key === undefined && !flags.sk && !keyless)) {
    throw usage(
      "exactly one of: key reference (--key), or hardware token (--sk) must be provided",
      KEY_HINT,
    );
  }
  if (key !== undefined) return key;
  throw unavailable(
    flags.sk ? "Signing with a hardware token (--sk)" : "Keyless signing",
    KEY_HINT,
  );
}

/** What was said of the upload to the log; absent what was not. */
export function logUploadFlags(call: {
  readonly flags: { readonly "tlog-upload": boolean; readonly "no-tlog-upload": boolean };
  readonly given: ReadonlySet<string>;
}): { readonly tlogUpload?: boolean; readonly noTlogUpload?: boolean } {
  const { flags, given } = call;
  return {
    ...(given.has("tlog-upload") ? { tlogUpload: flags["tlog-upload"] } : {}),
    ...(given.has("no-tlog-upload") ? { noTlogUpload: flags["no-tlog-upload"] } : {}),
  };
}

/** cosign's warning of a reference without a digest. */
export function tagWarning(image: string): string {
  return `WARNING: Image reference ${printableText(image)} uses a tag, not a digest, to identify the image to sign.
    This can lead you to sign a different image than the intended one. Please use a
    digest (example.com/ubuntu@sha256:abc123...) rather than tag
    (example.com/ubuntu:latest) for the input to cosign. The ability to refer to
    images by tag will be removed in a future release.

`;
}
