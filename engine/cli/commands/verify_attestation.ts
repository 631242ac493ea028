import { PolicyJudge } from "../../conditions/evaluate.ts";
import { type PolicySource, readPolicies } from "../../conditions/policy.ts";
import { parseDsse } from "../../formats/dsse.ts";
import { parseStatement } from "../../formats/in_toto.ts";
import { policyInput } from "../../formats/predicates.ts";
import { CosignError, describeError, errorFromReport } from "../../model/errors.ts";
import type { VerifyAttestationJob } from "../../model/job.ts";
import type { SignatureFact, Verdict } from "../../model/verdict.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { conventionsOf } from "../conventions.ts";
import { VERIFY_ATTESTATION_FLAGS } from "../flags/verify_attestation.ts";
import { DEFAULT_GENERATION, namedGeneration } from "../generation.ts";
import { openOneByOne } from "../one_by_one.ts";
import { NO_KEY_HOST, openVerificationKeys } from "../open_keys.ts";
import { attestationText, checkedOf, verificationHeader } from "../output.ts";
import { usage } from "../parse.ts";
import { printableText } from "../printable.ts";
import { refuseLater } from "../refuse_later.ts";
import { registryOptions } from "../registry_options.ts";
import { openDemands } from "../trust_demands.ts";
import { signatureDigest, verificationKey, warnWithoutLog } from "../verification.ts";

type Call = Invocation<typeof VERIFY_ATTESTATION_FLAGS>;

/** `verify-attestation`: images one after another; the first that does not pass ends it. */
export const verifyAttestationCommand: CommandFunction<typeof VERIFY_ATTESTATION_FLAGS> = async (
  call,
) => {
  const { flags, args, stderr, env } = call;
  const settings = settingsOf(call);
  const { signal } = new AbortController();
  const { demands, trust } = await openDemands(call, { signal, env });
  const policies = await readPolicies(flags.policy);
  const registry = await registryOptions(flags, call.runtime.platform);
  const conventions = conventionsOf(flags, env, new Date(), stderr);
  const digest = settings.signatureDigestAlgorithm;
  const keys = await openVerificationKeys(settings.keys, call, { signal }, digest);
  await using judge = new PolicyJudge({ env, timeoutMs: flags.timeout || 30_000 });
  using images = openOneByOne({ registry, conventions, keys, ...trust }, call, NO_KEY_HOST);
  for (const [at, image] of args.entries()) {
    const target = flags["local-image"]
      ? ({ type: "layout", path: image } as const)
      : ({ type: "reference", reference: image } as const);
    const verdict = await images.run({ ...settings, demands, id: `${at + 1}`, target });
    for (const warning of verdict.warnings) stderr.write(`WARNING: ${printableText(warning)}\n`);
    // cosign has no numbers for attestations.
    if (verdict.outcome !== "passed") return call.fail(errorFromReport(verdict.reason), false);
    const failures = await judgeAll(verdict, policies, judge, call);
    if (failures.length > 0) return call.fail(tellFailures(failures, call), false);
    report(verdict, call);
  }
  return 0;
};

/** Checks the flags in cosign's order and makes what all jobs have in common. */
function settingsOf(call: Call): Omit<VerifyAttestationJob, "id" | "target"> {
  const { flags, given } = call;
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  if (flags["max-workers"] < 1) {
    throw usage("please set the --max-worker flag to a value that is greater than 0");
  }
  warnWithoutLog("attestation", call);
  const key = verificationKey(call, generation);
  refuseLater(VERIFY_ATTESTATION_FLAGS, flags, given);
  const signatureDigestAlgorithm = signatureDigest(flags["signature-digest-algorithm"]);
  if (flags.type === "")
    throw usage("missing predicate type", "Add --type, such as slsaprovenance");
  return {
    op: "verify-attestation",
    keys: key === undefined ? [] : [key],
    predicateType: flags.type,
    checkClaims: flags["check-claims"],
    annotations: {},
    recursive: false,
    skipUnknownPlatform: false,
    timeoutMs: flags.timeout,
    ...(signatureDigestAlgorithm === undefined ? {} : { signatureDigestAlgorithm }),
  };
}

/** Judges every attestation by every policy; each must satisfy all. @returns what failed. */
async function judgeAll(
  verdict: Verdict,
  policies: readonly PolicySource[],
  judge: PolicyJudge,
  { flags, stderr }: Call,
): Promise<readonly string[]> {
  if (policies.length === 0) return [];
  const failures: string[] = [];
  const say = (name: string, kind: PolicySource["kind"]) => {
    const paths = policies.filter((policy) => policy.kind === kind).map(({ path }) => path);
    if (paths.length === 0) return;
    stderr.write(
      `will be validating against ${name} policies: [${printableText(paths.join(" "))}]\n`,
    );
  };
  for (const { attestation } of verdict.subjects.flatMap(({ signatures }) => signatures)) {
    if (attestation === undefined) continue;
    const found = await judge.judge(inputOf(attestation, flags.type), policies);
    say("CUE", "cue");
    if (!found.some(({ kind }) => kind === "cue")) say("Rego", "rego");
    failures.push(...found.map(({ message }) => message));
  }
  return failures;
}

function inputOf(attestation: NonNullable<SignatureFact["attestation"]>, type: string): string {
  try {
    const { payload } = parseDsse(JSON.parse(attestation.envelope));
    return policyInput(type, parseStatement(payload));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    const message = `converting to consumable policy validation: ${describeError(cause)}`;
    throw new CosignError("ENVELOPE_INVALID", message, { cause });
  }
}

function tellFailures(failures: readonly string[], { stderr }: Call): CosignError {
  stderr.write(`There are ${failures.length} number of errors occurred during the validation:\n\n`);
  for (const failure of failures) stderr.write(`- ${printableText(failure)}\n`);
  return new CosignError("NO_MATCHING_SIGNATURES", `${failures.length} validation errors occurred`);
}

/** Prints what passed. */
function report({ subjects }: Verdict, { flags, stdout, stderr }: Call): void {
  const asked = { claims: flags["check-claims"], annotations: false };
  for (const { name, signatures } of subjects) {
    stderr.write(verificationHeader(name, checkedOf(signatures, asked)));
    for (const signature of signatures) {
      stdout.write(attestationText(signature));
      stdout.write("\n");
    }
  }
}
