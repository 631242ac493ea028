import { attachForeignBundle, attachForeignEnvelopes } from "../../artifacts/attach.ts";
import { readFileBytes } from "../../io/files.ts";
import { parseReference } from "../../model/reference.ts";
import type { CommandFunction } from "../command.ts";
import type { ATTACH_ATTESTATION_FLAGS } from "../flags/artifacts.ts";
import { openArtifacts } from "../open_artifacts.ts";
import { usage } from "../parse.ts";
import { printableText } from "../printable.ts";
import { tagWarning } from "../signing.ts";

/** `attach attestation`: envelopes or bundles that were made elsewhere, each file to each image. */
export const attachAttestationCommand: CommandFunction<typeof ATTACH_ATTESTATION_FLAGS> = async (
  call,
) => {
  const { flags, args, stderr } = call;
  if (flags.attestation.length === 0) {
    throw usage("no attestation is named", "Name its file: --attestation FILE");
  }
  const references = args.map((image) => parseReference(image));
  using artifacts = await openArtifacts(call);
  const { stores } = artifacts;
  const createdAt = `${new Date().toISOString().slice(0, 19)}Z`;
  for (const [at, image] of args.entries()) {
    for (const path of flags.attestation) {
      stderr.write(`Using payload from: ${printableText(path)}`);
      if (references[at]?.digest === undefined) stderr.write(tagWarning(image));
      const bytes = await readFileBytes(path, stores.conventions.maxAttachmentBytes);
      const subject = await artifacts.subject(image);
      const isBundle = await attachForeignBundle(subject, bytes, stores, {
        ...artifacts,
        createdAt,
      });
      if (!isBundle) await attachForeignEnvelopes(subject, bytes, path, stores, artifacts);
    }
  }
  return 0;
};
