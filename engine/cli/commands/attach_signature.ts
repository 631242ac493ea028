import { attachForeignBundle, attachForeignSignature } from "../../artifacts/attach.ts";
import { dockerReferenceOf } from "../../artifacts/resolve.ts";
import { isObject, type Json } from "../../formats/go_json.ts";
import { encodeSimpleSigning } from "../../formats/simple_signing.ts";
import { readArgument } from "../../io/argument_file.ts";
import { readFileBytes } from "../../io/files.ts";
import { parseUtf8 } from "../../model/bytes.ts";
import { CosignError, describeError } from "../../model/errors.ts";
import type { Subject } from "../../model/subject.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import type { ATTACH_SIGNATURE_FLAGS } from "../flags/artifacts.ts";
import { type OpenArtifacts, openArtifacts } from "../open_artifacts.ts";
import { usage } from "../parse.ts";
import { printableLine } from "../printable.ts";

type Call = Invocation<typeof ATTACH_SIGNATURE_FLAGS>;

const MAX_SMALL_BYTES = 1024 * 1024; // signatures, certificates, timestamps: some kilobytes each

/** `attach signature`: a signature that was made elsewhere, or a bundle. */
export const attachSignatureCommand: CommandFunction<typeof ATTACH_SIGNATURE_FLAGS> = async (
  call,
) => {
  const { flags, args, stderr } = call;
  const [image = ""] = args;
  if (flags.payload && flags.bundle) throw usage("--bundle is another name of --payload");
  const path = flags.bundle || flags.payload;
  using artifacts = await openArtifacts(call);
  const { stores } = artifacts;
  const limitBytes = stores.conventions.maxAttachmentBytes;
  const given = path ? await readFileBytes(path, limitBytes) : undefined;
  const subject = await artifacts.subject(image);
  const createdAt = `${new Date().toISOString().slice(0, 19)}Z`;
  if (given !== undefined) {
    const options = { ...artifacts, createdAt };
    if (await attachForeignBundle(subject, given, stores, options)) return 0;
  }
  if (flags.bundle) {
    throw new CosignError("BUNDLE_INVALID", `Cannot read bundle "${flags.bundle}": it is none`);
  }
  const signature = await readSignature(flags.signature);
  if (given === undefined) {
    stderr.write(
      `WARNING: using obsolete implied signature payload data (with digested reference ${printableLine(dockerReferenceOf(subject))}@${subject.digest}); specify it explicitly with --payload instead\n`,
    );
  }
  const payload = given ?? encodeSimpleSigning(dockerReferenceOf(subject), subject.digest, {});
  await attach(call, subject, artifacts, { payload, signature });
  return 0;
};

async function attach(
  { flags }: Call,
  subject: Subject,
  artifacts: OpenArtifacts,
  made: { readonly payload: Uint8Array; readonly signature: string },
): Promise<void> {
  const certificate = await readText(flags.certificate);
  const chain = await readText(flags["certificate-chain"]);
  const timestampResponse = flags.tsr ? await readFileBytes(flags.tsr, MAX_SMALL_BYTES) : undefined;
  const rekorBundle = await readRekorBundle(flags["rekor-response"]);
  await attachForeignSignature(
    subject,
    {
      ...made,
      ...(certificate === undefined ? {} : { certificate }),
      ...(chain === undefined ? {} : { chain }),
      ...(timestampResponse === undefined ? {} : { timestampResponse }),
      ...(rekorBundle === undefined ? {} : { rekorBundle }),
    },
    artifacts.stores,
    artifacts,
  );
}

/** Taken as it is, as cosign takes it. */
async function readSignature(path: string | undefined): Promise<string> {
  if (!path)
    throw usage("empty signature", "Name its file: --signature FILE, or - for standard input");
  const text = decode(await readArgument(path, MAX_SMALL_BYTES), path);
  if (text === "") throw usage("empty signature");
  return text;
}

async function readText(path: string | undefined): Promise<string | undefined> {
  return path ? decode(await readFileBytes(path, MAX_SMALL_BYTES), path) : undefined;
}

/** The log's promise in a bundle of cosign's old form. */
async function readRekorBundle(path: string | undefined): Promise<Json | undefined> {
  if (!path) return undefined;
  const text = decode(await readFileBytes(path, MAX_SMALL_BYTES), path);
  try {
    const root: unknown = JSON.parse(text);
    const bundle = isObject(root) ? root["rekorBundle"] : undefined;
    if (!isObject(bundle)) throw new SyntaxError('it has no "rekorBundle"');
    return bundle as Json; // it came out of JSON
  } catch (cause) {
    throw new CosignError("BUNDLE_INVALID", `Cannot read "${path}": ${describeError(cause)}`, {
      cause,
    });
  }
}

function decode(bytes: Uint8Array, path: string): string {
  try {
    return parseUtf8(bytes);
  } catch (cause) {
    throw new CosignError("FILE_READ", `Cannot read file "${path}": it is no text`, { cause });
  }
}
