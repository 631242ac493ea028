import { fetchFile } from "../../artifacts/fetch_blob.ts";
import { writeStreamedFile } from "../../io/streamed_file.ts";
import { concatBytes } from "../../model/bytes.ts";
import { CosignError, errorFromReport } from "../../model/errors.ts";
import { parseReference } from "../../model/reference.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { conventionsOf } from "../conventions.ts";
import type { SGET_FLAGS } from "../flags/artifacts.ts";
import { isExperimental, refuseLogCheck } from "../generation.ts";
import { openOneByOne } from "../one_by_one.ts";
import { openArtifacts } from "../open_artifacts.ts";
import { NO_KEY_HOST, openVerificationKeys } from "../open_keys.ts";
import { signaturesText, verificationHeader } from "../output.ts";
import { usage } from "../parse.ts";
import { printableText } from "../printable.ts";
import { unavailable } from "../refuse_later.ts";
import { registryOptions } from "../registry_options.ts";

type Call = Invocation<typeof SGET_FLAGS>;

/** Standard output gets nothing that was not checked to its end: so much is held meanwhile. */
const MAX_STDOUT_BYTES = 256 * 1024 * 1024;

/** `sget`: the one file of an artifact, by its digest, or by a tag when a key has signed it. */
export const sgetCommand: CommandFunction<typeof SGET_FLAGS> = async (call) => {
  const { flags, args, stdout, env } = call;
  const [image = ""] = args;
  const reference = parseReference(image);
  if (reference.digest === undefined && !flags.key && !isExperimental(env)) {
    throw usage(
      "public key must be specified when fetching by tag, you must fetch by digest or supply a public key",
      "Name a digest, or --key cosign.pub",
    );
  }
  if (!flags.key && isExperimental(env)) throw unavailable("Verification of keyless signatures");
  using artifacts = await openArtifacts(call);
  const { stores, signal } = artifacts;
  const subject = await artifacts.subject(image);
  // What was verified is what is fetched, wherever the tag points to meanwhile.
  if (flags.key) stdoutUnless(await verifyPinned(call, flags.key, subject.digest), call);
  const { layer, pieces } = await fetchFile(subject, stores, signal);
  if (flags.output) {
    await writeStreamedFile(flags.output, pieces);
    return 0;
  }
  if (layer.sizeBytes > MAX_STDOUT_BYTES) {
    throw new CosignError(
      "LIMIT_EXCEEDED",
      `Cannot write ${layer.sizeBytes} bytes to standard output before they are checked, at most ${MAX_STDOUT_BYTES}`,
      { hint: "Write them to a file: -o FILE" },
    );
  }
  stdout.write(concatBytes(...(await Array.fromAsync(pieces))));
  return 0;
};

/** Verifies one digest as `verify --key` does. @returns the payloads, a line each. */
async function verifyPinned(call: Call, key: string, digest: string): Promise<string> {
  const { flags, args, env, stderr } = call;
  const [image = ""] = args;
  refuseLogCheck(undefined, 1, env);
  const { signal } = new AbortController();
  const registry = await registryOptions(flags, call.runtime.platform);
  const conventions = conventionsOf(flags, env, new Date(), stderr);
  const keys = await openVerificationKeys([key], call, { signal });
  const { registry: host, repository } = parseReference(image);
  using jobs = openOneByOne({ registry, conventions, keys }, call, NO_KEY_HOST);
  const verdict = await jobs.run({
    op: "verify",
    id: "1",
    target: { type: "reference", reference: `${host}/${repository}@${digest}` },
    keys: [key],
    annotations: {},
    checkClaims: true,
    recursive: false,
    recursivePolicy: "all",
    skipUnknownPlatform: false,
    timeoutMs: flags.timeout,
  });
  for (const warning of verdict.warnings) stderr.write(`WARNING: ${printableText(warning)}\n`);
  if (verdict.outcome !== "passed") throw errorFromReport(verdict.reason);
  stderr.write(
    verificationHeader(image, {
      claims: true,
      annotations: false,
      logged: false,
      by: "key",
    }),
  );
  return verdict.subjects.map(({ signatures }) => signaturesText(signatures)).join("");
}

/** The payloads go where they do not mix with the file. */
function stdoutUnless(payloads: string, { flags, stdout, stderr }: Call): void {
  (flags.output ? stdout : stderr).write(payloads);
}
