import type { JobContext } from "../../../engine/batch/job_context.ts";
import { leafHash } from "../../../engine/crypto/merkle.ts";
import type { TrustedRoot } from "../../../engine/formats/trusted_root.ts";
import { parseTrustedRoot } from "../../../engine/formats/trusted_root_json.ts";
import { Budgets, createBudgetMemory } from "../../../engine/io/budget.ts";
import { httpClient } from "../../../engine/io/http.ts";
import { KEYLESS, lentKey, makeKeyRing, type RunKey } from "../../../engine/keys/key_ring.ts";
import { openKeyless } from "../../../engine/keys/keyless.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { CosignError, type ErrorCode } from "../../../engine/model/errors.ts";
import type { SignJob } from "../../../engine/model/job.ts";
import { openVouching } from "../../../engine/sign/open_vouching.ts";
import { requestCertificate } from "../../../engine/transparency/fulcio.ts";
import {
  type IdentityToken,
  parseIdentityToken,
} from "../../../engine/transparency/identity_token.ts";
import { checkIssued } from "../../../engine/transparency/issued_certificate.ts";
import { keyHost } from "../../support/key_host.ts";
import { type Sigstore, type SigstoreFault, startSigstore } from "../../support/sigstore_server.ts";

/** How a signature comes to nothing at the services that vouch for it. */
export interface Refusal {
  /** Who signs. */
  readonly key: "keyless" | "a key";
  /** What goes wrong there. */
  readonly spoil?: (sigstore: Sigstore) => void;
  /** What is wrong with whom one trusts. */
  readonly root?: (root: TrustedRoot) => Partial<TrustedRoot>;
  /** What is wrong with who one is. */
  readonly token?: (token: IdentityToken) => IdentityToken | Promise<never>;
}

const handThrough = (code: ErrorCode): Refusal => ({
  key: KEYLESS,
  token: () => Promise.reject(new CosignError(code, "no")),
});

/** The refusals, by the reason that the job has then. */
export const SIGNING_REFUSALS: Readonly<Record<string, Refusal>> = {
  // As a log-in during a run ends them: tests/engine/transparency/oidc* meet each.
  IDENTITY_TOKEN_INVALID: handThrough("IDENTITY_TOKEN_INVALID"),
  IDENTITY_UNAVAILABLE: handThrough("IDENTITY_UNAVAILABLE"),
  LOGIN_REFUSED: handThrough("LOGIN_REFUSED"),
  LOGIN_EXPIRED: handThrough("LOGIN_EXPIRED"),
  LOGIN_FORGED: handThrough("LOGIN_FORGED"),
  IDENTITY_EXPIRED: { key: KEYLESS, token: (token) => ({ ...token, expiresAt: new Date(0) }) },
  IDENTITY_MISMATCH: { key: KEYLESS, token: (token) => ({ ...token, email: "o@example.com" }) },
  CERTIFICATE_REFUSED: {
    key: KEYLESS,
    spoil: (sigstore) => sigstore.fail("fulcio", { kind: "status", status: 403 }),
  },
  CERTIFICATE_UNTRUSTED: { key: KEYLESS, root: () => ({ certificateAuthorities: [] }) },
  CERTIFICATE_INVALID: {
    key: KEYLESS,
    spoil: ({ settings }) => {
      settings.timestamp = { time: new Date(Date.now() + 3_600_000) }; // the certificate is over by then
    },
  },
  SCT_MISSING: {
    key: KEYLESS,
    spoil: ({ settings }) => {
      settings.sct = "none";
    },
  },
  SCT_INVALID: {
    key: KEYLESS,
    spoil: ({ settings }) => {
      settings.sct = "foreign";
    },
  },
  TIMESTAMP_REFUSED: {
    key: "a key",
    spoil: ({ settings }) => {
      settings.timestamp = { status: 2 };
    },
  },
  TIMESTAMP_INVALID: {
    key: "a key",
    spoil: ({ settings }) => {
      settings.timestamp = { contentDigest: new Uint8Array(32) };
    },
  },
  TIMESTAMP_UNTRUSTED: { key: "a key", root: () => ({ timestampAuthorities: [] }) },
  LOG_UNTRUSTED: { key: "a key", root: () => ({ logs: [] }) },
  LOG_ENTRY_INVALID: {
    key: "a key",
    spoil: (sigstore) =>
      sigstore.fail(
        "rekor",
        changed((entry) => {
          entry.verification.signedEntryTimestamp = btoa("nobody has signed this");
        }),
      ),
  },
  LOG_ENTRY_MISMATCH: {
    key: "a key",
    spoil: (sigstore) =>
      sigstore.fail(
        "rekor",
        changed((entry) => {
          const body = JSON.parse(atob(entry.body));
          body.spec.data.hash.value = "0".repeat(64); // it is about another file
          entry.body = btoa(JSON.stringify(body));
        }),
      ),
  },
};

interface EntryOfV1 {
  body: string;
  readonly verification: { signedEntryTimestamp: string };
}

/** A log of v1 that changes each entry that it answers; its name goes by what it says then. */
function changed(change: (entry: EntryOfV1) => void): SigstoreFault {
  return {
    kind: "answer",
    change: async (answer) => {
      const entries = (await answer.json()) as Record<string, EntryOfV1>;
      const lies = Object.entries(entries).map(([uuid, entry]) => {
        change(entry);
        const leaf = leafHash(Uint8Array.fromBase64(entry.body)).toHex();
        return [uuid.slice(0, -leaf.length) + leaf, entry];
      });
      return Response.json(Object.fromEntries(lies), { status: answer.status });
    },
  };
}

/**
 * Signs with a log and a timestamp authority, and answers what `run` does with that.
 *
 * @param key Signs where it is not a certificate that does.
 */
export async function withRefusal<T>(
  { key, spoil, root = () => ({}), token = (given) => given }: Refusal,
  own: RunKey,
  run: (
    context: Pick<JobContext, "keys" | "vouching" | "trustedRoot">,
    job: Partial<SignJob>,
  ) => Promise<T>,
): Promise<T> {
  const sigstore = await startSigstore();
  try {
    const whole = parseTrustedRoot(utf8(sigstore.trustedRootJson));
    const trustedRoot = { ...whole, ...root(whole) };
    const world = {
      http: httpClient({ env: {} }),
      budgets: new Budgets(createBudgetMemory(), 1),
      userAgent: "tests",
    };
    await using keyless = openKeyless({
      token: async () => await token(parseIdentityToken(sigstore.oidcToken())),
      certify: async (request) => {
        const issued = await requestCertificate(request, sigstore.fulcioUrl, world);
        checkIssued(issued, request.token, trustedRoot);
        return issued;
      },
      now: () => new Date(),
    });
    const vouchers = {
      logs: [{ url: sigstore.rekorUrl, majorVersion: 1 as const }],
      timestampAuthorities: [{ url: sigstore.tsaUrl }],
    };
    const setup = { vouchers, takesUnknownUnsafe: false };
    const host = keyHost({
      lease: async (uri, ended, signal) => lentKey(uri, await keyless.lease(signal, ended)),
    });
    spoil?.(sigstore);
    return await run(
      {
        keys: makeKeyRing([own], host),
        vouching: openVouching(setup, trustedRoot, { ...world, threads: 1 }),
        trustedRoot,
      },
      {
        key: key === KEYLESS ? KEYLESS : own.uri,
        formats: ["legacy"],
        transparency: { upload: true },
      },
    );
  } finally {
    await sigstore.close();
  }
}
