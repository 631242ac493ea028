import type { TrustedRoot } from "../../formats/trusted_root.ts";
import { readShort } from "../../io/blob.ts";
import { CosignError, describeError, hasCode } from "../../model/errors.ts";
import { openSigstore } from "../../trust/open.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { startDeadline } from "../deadline.ts";
import { inspectBundle } from "../inspect_bundle.ts";
import { formatNodes, type InspectNode } from "../inspect_node.ts";
import { printableText } from "../printable.ts";

type Call = Invocation<Record<never, never>>;

const MAX_BUNDLE_BYTES = 32 * 1024 * 1024;
const WARNING = `WARNING: This command only inspects the contents of the bundle.
It does not perform cryptographic verification or verify log inclusion.

`;

/** `bundle inspect`: shows what stands in a bundle, without believing any of it. */
export const bundleInspectCommand: CommandFunction<Record<never, never>> = async (call) => {
  const { flags, args, env, stdout, stderr } = call;
  const [path = ""] = args;
  stderr.write(WARNING);
  using deadline = startDeadline(flags.timeout, "Cannot inspect the bundle");
  const root = await knownNames(call, deadline.signal);
  const bytes = await readShort(path, MAX_BUNDLE_BYTES, { env, signal: deadline.signal });
  stdout.write(formatNodes(inspected(bytes, path, root)));
  return 0;
};

/** Only the names of logs and authorities are asked of it: nothing is fetched for that. */
async function knownNames(
  { env, stderr }: Call,
  signal: AbortSignal,
): Promise<TrustedRoot | undefined> {
  try {
    return await openSigstore({ env, signal, offline: true });
  } catch (error) {
    if (!hasCode(error, "TRUST_UNAVAILABLE", "TRUST_EXPIRED", "TRUST_INVALID")) throw error;
    const why = printableText(error.message);
    stderr.write(`Local TUF environment not initialized, some details will be omitted: ${why}\n`);
    return undefined;
  }
}

function inspected(
  bytes: Uint8Array,
  path: string,
  root: TrustedRoot | undefined,
): readonly InspectNode[] {
  try {
    return inspectBundle(bytes, root);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new CosignError(
      "BUNDLE_INVALID",
      `Cannot read bundle "${path}": ${describeError(cause)}`,
      { cause },
    );
  }
}
