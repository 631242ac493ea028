import type { TrustedAuthority, TrustedLog, TrustedRoot } from "../../formats/trusted_root.ts";
import { encodeTrustedRoot } from "../../formats/trusted_root_json.ts";
import { writeOutputFile } from "../../io/output_file.ts";
import { openSigstore } from "../../trust/open.ts";
import type { CertificateContext } from "../certificate_files.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { startDeadline } from "../deadline.ts";
import type { TRUSTED_ROOT_CREATE_FLAGS } from "../flags/trust.ts";
import { usage } from "../parse.ts";
import { authorityOfFile, authorityOfSpec, logOfFile, logOfSpec } from "../root_parts.ts";
import { timeOf } from "../service_spec.ts";
import { trustContext } from "../trust_context.ts";

type Call = Invocation<typeof TRUSTED_ROOT_CREATE_FLAGS>;
type Flags = Call["flags"];

const NOBODY: TrustedRoot = {
  logs: [],
  ctLogs: [],
  certificateAuthorities: [],
  timestampAuthorities: [],
};
const BEGINNING = new Date(0); // what cosign writes where the old flags say nothing
const OLD_FLAGS = {
  fulcio: ["certificate-chain", "fulcio-uri"],
  rekor: ["rekor-key", "rekor-url", "rekor-start-time", "rekor-end-time"],
  ctfe: ["ctfe-key", "ctfe-url", "ctfe-start-time", "ctfe-end-time"],
  tsa: ["timestamp-certificate-chain", "timestamp-uri"],
} as const;

/** `trusted-root create`: writes down whose keys are believed. */
export const trustedRootCreateCommand: CommandFunction<typeof TRUSTED_ROOT_CREATE_FLAGS> = async (
  call,
) => {
  const { flags, env, stdout } = call;
  refuseBothForms(flags);
  using deadline = startDeadline(flags.timeout, "Cannot make the trusted root");
  const context = { env, signal: deadline.signal };
  const sigstore = flags["with-default-services"] ? await readSigstore(call, context) : NOBODY;
  const root = {
    certificateAuthorities: inOrder([
      ...sigstore.certificateAuthorities,
      ...(await authorities(flags, "fulcio", context)),
    ]),
    ctLogs: inOrder(onePerId([...sigstore.ctLogs, ...(await logs(flags, "ctfe", context))])),
    logs: inOrder(onePerId([...sigstore.logs, ...(await logs(flags, "rekor", context))])),
    timestampAuthorities: inOrder([
      ...sigstore.timestampAuthorities,
      ...(await authorities(flags, "tsa", context)),
    ]),
  };
  const json = encodeTrustedRoot(root);
  if (flags.out) writeOutputFile(flags.out, json, 0o600);
  else stdout.write(`${new TextDecoder().decode(json)}\n`);
  return 0;
};

function refuseBothForms(flags: Flags): void {
  for (const name of ["fulcio", "rekor", "ctfe", "tsa"] as const) {
    const hasOld = OLD_FLAGS[name].some((old) => flags[old].length > 0);
    if (flags[name].length === 0 || !hasOld) continue;
    throw usage(`cannot use --${name} and old ${name} flags at the same time`);
  }
}

/** The trusted root of the TUF repository, without what is not wanted of it. */
async function readSigstore(call: Call, { signal }: CertificateContext): Promise<TrustedRoot> {
  const { flags } = call;
  const root = await openSigstore(trustContext(call, signal));
  return {
    certificateAuthorities: flags["no-default-fulcio"] ? [] : root.certificateAuthorities,
    ctLogs: flags["no-default-ctfe"] ? [] : root.ctLogs,
    logs: flags["no-default-rekor"] ? [] : root.logs,
    timestampAuthorities: flags["no-default-tsa"] ? [] : root.timestampAuthorities,
  };
}

function authorities(
  flags: Flags,
  name: "fulcio" | "tsa",
  context: CertificateContext,
): Promise<readonly TrustedAuthority[]> {
  if (flags[name].length > 0) {
    return Promise.all(flags[name].map((text) => authorityOfSpec(text, name, context)));
  }
  const [files, uris] = OLD_FLAGS[name];
  const named = flags[files].map((path, at) =>
    authorityOfFile(path, flags[uris][at] ?? "", name, context),
  );
  return Promise.all(named);
}

function logs(
  flags: Flags,
  name: "rekor" | "ctfe",
  context: CertificateContext,
): Promise<readonly TrustedLog[]> {
  if (flags[name].length > 0) {
    return Promise.all(flags[name].map((text) => logOfSpec(text, name, context)));
  }
  const named = flags[`${name}-key`].map((text, at) => {
    // The name of a server that checkpoints are signed by may stand behind the file of its key.
    const [path = "", origin] = name === "rekor" ? text.split(/,(.*)/s) : [text];
    const start = timeOf(flags[`${name}-start-time`][at], `--${name}-start-time`) ?? BEGINNING;
    const end = timeOf(flags[`${name}-end-time`][at], `--${name}-end-time`);
    const validFor = end === undefined ? { start } : { start, end };
    const url = flags[`${name}-url`][at] ?? "";
    return logOfFile({ url, path, origin: origin || undefined, validFor }, context);
  });
  return Promise.all(named);
}

/** Of logs with one key the one that was named last, as in cosign. */
function onePerId(all: readonly TrustedLog[]): readonly TrustedLog[] {
  return [...new Map(all.map((log) => [log.keyId.toHex(), log])).values()];
}

/** By the time since when they are valid, as the format wants it. */
function inOrder<T extends TrustedLog | TrustedAuthority>(all: readonly T[]): readonly T[] {
  const start = ({ validFor }: T) => (validFor.start ?? BEGINNING).getTime();
  return all.toSorted((a, b) => start(a) - start(b));
}
