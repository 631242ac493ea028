import { parseStatement } from "../formats/in_toto.ts";
import { makePredicate, predicateUri } from "../formats/predicates.ts";
import { readBlob } from "../io/blob.ts";
import type { Environment } from "../io/env.ts";
import { tidyAfter } from "../io/runtime_memory.ts";
import { parseUtf8 } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";
import type { Generation } from "../model/exit_code.ts";
import type { AttestJob } from "../model/job.ts";
import type { World } from "./command.ts";
import { usage } from "./parse.ts";
import { printableText } from "./printable.ts";

/** The flags that say what is attested. */
export interface ContentFlags {
  readonly type: string;
  readonly predicate: string | undefined;
  readonly statement: string | undefined;
}

/** What is attested, whoever it is about. */
export type AttestationInput = Pick<AttestJob, "content" | "predicateType">;

/**
 * Checks the flags that say what is attested, before anything is read.
 *
 * @throws {CosignError} `USAGE` in cosign's words.
 */
export function checkContentFlags(flags: ContentFlags): void {
  if (Boolean(flags.predicate) === Boolean(flags.statement)) {
    throw usage("one of --predicate or --statement must be set");
  }
  try {
    predicateUri(flags.type, 3);
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw usage(error.message, "A short name such as slsaprovenance, or an absolute URI");
    }
    throw error;
  }
}

/**
 * Reads the predicate or the statement that is to be signed, and shapes it as the generation does.
 *
 * @param limitBytes What is longer would not be read back: `LIMIT_EXCEEDED`.
 * @throws {CosignError} `PREDICATE_INVALID` naming the field; `FILE_READ`, `LIMIT_EXCEEDED`.
 */
export async function readContent(
  flags: ContentFlags,
  generation: Generation,
  limitBytes: number,
  { env, stderr }: Pick<World, "env" | "stderr">,
): Promise<AttestationInput> {
  const { statement } = flags;
  if (statement) {
    stderr.write(`Using statement from: ${printableText(statement)}\n`);
    const bytes = await readAll(statement, limitBytes, env);
    return parsed(`invalid statement "${statement}"`, () => ({
      content: { kind: "statement", json: decode(bytes) },
      predicateType: parseStatement(bytes).predicateType,
    }));
  }
  const path = flags.predicate ?? "";
  const source = path === "-" ? "standard input" : printableText(path);
  stderr.write(`Using payload from: ${source}\n`);
  const file = textAsGo(await readAll(path, limitBytes, env));
  tidyAfter(file.length);
  const json = parsed(`Cannot use predicate "${path}"`, () =>
    makePredicate(flags.type, file, generation, new Date()),
  );
  tidyAfter(file.length);
  return {
    content: { kind: "predicate", json },
    predicateType: predicateUri(flags.type, generation),
  };
}

async function readAll(path: string, limitBytes: number, env: Environment): Promise<Uint8Array> {
  const options = { env, algorithms: [], keptBytes: limitBytes };
  const { bytes, sizeBytes } = await readBlob(path, options);
  if (bytes !== undefined) return bytes;
  throw new CosignError(
    "LIMIT_EXCEEDED",
    `Cannot attest "${path}": it has ${sizeBytes} bytes, and attestations of more than ${limitBytes} are not read again`,
    { hint: "Set COSIGN_MAX_ATTACHMENT_SIZE, here and wherever it is verified" },
  );
}

/** Go makes a text of any bytes; what is no UTF-8 becomes U+FFFD. */
function textAsGo(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

function parsed<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new CosignError("PREDICATE_INVALID", `${what}: ${describeError(cause)}`, { cause });
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return parseUtf8(bytes);
  } catch (cause) {
    throw new SyntaxError("it is not UTF-8", { cause });
  }
}
