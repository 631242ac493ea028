import { digestOf } from "../../crypto/hash.ts";
import { readShort } from "../../io/blob.ts";
import { parseGoBool } from "../../io/env.ts";
import { digestHex } from "../../model/digest.ts";
import { CosignError } from "../../model/errors.ts";
import { STAGING_MIRROR } from "../../trust/embedded.ts";
import { type Initialized, initializeTrust } from "../../trust/initialize.ts";
import { MAX_ROOT_BYTES } from "../../trust/tuf_metadata.ts";
import { tufDirectory } from "../../trust/tuf_place.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { startDeadline } from "../deadline.ts";
import type { INITIALIZE_FLAGS } from "../flags/trust.ts";
import { namedGeneration } from "../generation.ts";
import { usage } from "../parse.ts";
import { trustContext } from "../trust_context.ts";
import { warningTo } from "../warning.ts";

type Call = Invocation<typeof INITIALIZE_FLAGS>;

const NO_CHECKSUM =
  "Fetching initial root from URL without providing its checksum is deprecated and will be disallowed in a future Cosign release. Please provide the initial root checksum via the --root-checksum argument.";

/** `initialize`: chooses the TUF repository that is believed, and fetches it. */
export const initializeCommand: CommandFunction<typeof INITIALIZE_FLAGS> = async (call) => {
  const { flags, stderr } = call;
  const warn = warningTo(stderr);
  checkFlags(call);
  using deadline = startDeadline(flags.timeout, "Cannot fetch the keys");
  const { signal } = deadline;
  const root = await readRoot(call, signal, warn);
  const done = await initializeTrust(
    { mirror: flags.staging ? STAGING_MIRROR : flags.mirror, ...(root ? { root } : {}) },
    trustContext(call, signal),
  );
  report(done, call, warn);
  return 0;
};

function checkFlags({ flags, given, env }: Call): void {
  if (flags.staging && (given.has("mirror") || flags.root)) {
    throw usage("--staging names its own mirror and root", "Leave out --mirror and --root");
  }
  if (flags["root-checksum"] && !flags.root) {
    throw usage("--root-checksum needs --root", "Name the root that it is of: --root FILE");
  }
  const isMeantForMemory = parseGoBool(env["SIGSTORE_NO_CACHE"] ?? "") === true;
  if (tufDirectory(env) === undefined && !isMeantForMemory) {
    throw usage(
      "There is no directory to keep the keys in: neither TUF_ROOT nor HOME is set",
      "Set TUF_ROOT",
    );
  }
}

/** The file of `--root`, with the digest that was demanded. */
async function readRoot(
  { flags, env }: Call,
  signal: AbortSignal,
  warn: (line: string) => void,
): Promise<Uint8Array | undefined> {
  const { root, "root-checksum": checksum } = flags;
  if (!root) return undefined;
  if (!checksum && /^https?:\/\//i.test(root)) warn(NO_CHECKSUM);
  const wanted = parseChecksum(checksum ?? "");
  const bytes = await readShort(root, MAX_ROOT_BYTES, { env, signal });
  const got = wanted && digestHex(digestOf(bytes, wanted.algorithm));
  if (wanted === undefined || got === wanted.hex) return bytes;
  throw new CosignError(
    "DIGEST_MISMATCH",
    `incorrect checksum for file ${root}: expected ${wanted.hex} but got ${got}`,
  );
}

function parseChecksum(
  text: string,
): { readonly algorithm: "sha256" | "sha512"; readonly hex: string } | undefined {
  if (text === "") return undefined;
  const parts = text.split(":");
  if (parts.length > 2) {
    throw usage(`wrong checksum input format, must have at most 1 colon: ${text}`);
  }
  const [algorithm, hex = ""] = parts.length === 2 ? parts : ["sha256", ...parts];
  if (algorithm !== "sha256" && algorithm !== "sha512") {
    throw usage(`unsupported checksum algorithm: ${algorithm}`);
  }
  return { algorithm, hex: hex.toLowerCase() };
}

/** What cosign says: nothing of a repository with a trusted root; of others, and in 1.x of all, the status. */
function report(done: Initialized, { flags, stdout }: Call, warn: (line: string) => void): void {
  const generation = namedGeneration(flags.compat);
  if (done.configFault !== undefined && (generation ?? 3) === 3) {
    warn(
      `Could not fetch signing_config.json from the TUF mirror (encountered error: ${done.configFault.message}). It is recommended to use a signing config file rather than provide service URLs when signing.`,
    );
  }
  if (done.hasTrustedRoot && generation !== 1) return;
  if (!done.hasTrustedRoot && generation !== 1) {
    warn(
      "Could not fetch trusted_root.json from the TUF mirror (encountered error: it has no such target), falling back to individual targets. It is recommended to update your TUF metadata repository to include trusted_root.json.",
    );
  }
  stdout.write(`Root status: \n ${JSON.stringify(statusOf(done), undefined, "\t")}\n`);
}

function statusOf({ directory, mirror, repository }: Initialized): object {
  const { metadata, targets } = repository;
  const roles = metadata
    .map(({ file, version, sizeBytes, expires }) => [
      file,
      { version, len: sizeBytes, expiration: rfc822(expires), error: "" },
    ])
    .sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
  return {
    local: directory ?? "in-memory",
    remote: mirror,
    metadata: Object.fromEntries(roles),
    targets: targets.map(({ name }) => name).sort(),
  };
}

/** `02 Dec 26 15:55 UTC`: Go's layout of the name. */
function rfc822(time: Date): string {
  const [, day, month, year = "", clock = ""] = time.toUTCString().split(/[ ,]+/);
  return `${day} ${month} ${year.slice(2)} ${clock.slice(0, 5)} UTC`;
}
